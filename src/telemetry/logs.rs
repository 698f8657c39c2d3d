//! Logs, for people or programs.
//!
//! A line is about the relay, never about one of its users: what happens to a single connection, call or mailbox is counted
//! ([`metrics`](super::metrics)). Only this program's own modules are logged, at whatever level: libraries would say what
//! peers sent, in the peers' words. Times are full minutes.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;
use time::macros::format_description;
use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::time::UtcTime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt as lines, reload};

use super::loggable::Loggable;

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Levels.
    pub levels: Levels,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// For programs: one JSON object a line.
    Json,
}

/// A level for all of the relay, and others for some of its modules, as in `info,sealpost::delivery=debug`.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    text: String,
    targets: Targets,
}

/// What is no [`Levels`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "is no level (off, error, warn, info, debug or trace), nor levels of the relay's modules as in \"info,sealpost::delivery=debug\""
)]
pub struct NoLevels;

/// Why logging could not begin.
#[derive(Debug, Error)]
pub enum LogError {
    /// Somebody else logs in this process already.
    #[error("logging was begun twice")]
    Twice,
}

/// The longest that is read.
const LONGEST: usize = 1000;
/// What the modules of this program begin with.
const OURS: &str = "sealpost";

impl FromStr for Levels {
    type Err = NoLevels;

    fn from_str(text: &str) -> Result<Self, NoLevels> {
        let parsed: Targets = text.parse().map_err(|_| NoLevels)?;
        let mut targets = Targets::new().with_target(OURS, parsed.default_level().unwrap_or(LevelFilter::OFF));
        for (target, level) in parsed.iter() {
            let is_ours = target == OURS || target.strip_prefix(OURS).is_some_and(|rest| rest.starts_with("::"));
            if !is_ours {
                return Err(NoLevels);
            }
            targets = targets.with_target(target, level);
        }
        if text.is_empty() || text.len() > LONGEST {
            return Err(NoLevels);
        }
        Ok(Self { text: text.to_owned(), targets })
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Of the operator.
impl Loggable for Levels {}

/// Logging, begun. Clones are one.
#[derive(Clone)]
pub struct Logs {
    levels: Arc<Mutex<Levels>>,
    change: Arc<dyn Fn(Targets) + Send + Sync>,
}

impl Logs {
    /// Begins to log, for the whole process.
    ///
    /// # Errors
    /// Where logging has begun already.
    pub fn begin(config: &LogConfig) -> Result<Self, LogError> {
        let (filter, handle) = reload::Layer::new(config.levels.targets.clone());
        let layer = layer(config.format);
        tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().map_err(|_| LogError::Twice)?;
        let change = move |targets| {
            // It fails only where logging is over.
            let _ = handle.reload(targets);
        };
        Ok(Self { levels: Arc::new(Mutex::new(config.levels.clone())), change: Arc::new(change) })
    }

    /// What is logged now.
    pub fn levels(&self) -> Levels {
        self.levels.lock().clone()
    }

    /// Logs this from now on.
    pub fn set_levels(&self, levels: Levels) {
        let mut now = self.levels.lock();
        (self.change)(levels.targets.clone());
        *now = levels;
    }
}

impl fmt::Debug for Logs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Logs({})", self.levels())
    }
}

fn layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let minute = UtcTime::new(format_description!("[year]-[month]-[day]T[hour]:[minute]Z"));
    let lines = lines::layer().with_timer(minute).with_writer(std::io::stderr);
    match format {
        LogFormat::Human => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_relays_own_modules_have_levels() {
        for good in ["info", "warn,sealpost::delivery=debug", "sealpost=trace", "off,sealpost::store::redis=info"] {
            assert_eq!(good.parse::<Levels>().map(|levels| levels.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "loud", "h2=trace", "info,hyper=debug", "sealpostal=info", "info,sealpost::x=loud"] {
            assert!(bad.parse::<Levels>().is_err(), "{bad}");
        }
        assert!("info,".repeat(LONGEST).parse::<Levels>().is_err());
    }

    #[test]
    fn libraries_are_never_logged() {
        let levels: Levels = "trace".parse().expect("it is one");
        let logs = |target| levels.targets.would_enable(target, &tracing::Level::ERROR);
        assert!(logs("sealpost::edge"));
        assert!(!logs("h2::proto") && !logs("rustls") && !logs(""));
    }
}
