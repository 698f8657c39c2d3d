//! The relay's configuration: gathered from file, environment and flags, and checked whole before anything starts.

mod check;
mod fault;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

pub use fault::Fault;
pub use settings::*;

use crate::api::{ApiConfig, Origin};
use crate::delivery::FeedConfig;
use crate::edge::{CertificateFiles, EdgeConfig, TlsConfig};
use crate::file;
use crate::store::embedded::EmbeddedOptions;
use crate::store::redis::RedisOptions;
use crate::telemetry::{LogConfig, OtlpConfig};

/// A configuration that can be run.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where health and metrics are served.
    pub admin: SocketAddr,
    /// What clients' connections are granted.
    pub edge: EdgeConfig,
    /// What protects them.
    pub security: SecurityConfig,
    /// What clients may ask for.
    pub api: ApiConfig,
    /// The pages that may call from a browser; none: browsers are not served.
    pub origins: Vec<Origin>,
    /// How streams live.
    pub feed: FeedConfig,
    /// Where envelopes are kept.
    pub store: StoreConfig,
    /// How the relay leaves.
    pub drain: DrainConfig,
    /// What it tells of itself.
    pub logs: LogConfig,
    /// Where traces and metrics are sent; `None`: nowhere.
    pub otlp: Option<OtlpConfig>,
}

/// What protects connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityConfig {
    /// TLS.
    Tls {
        /// With which certificates.
        certificates: CertificateSource,
        /// How.
        tls: TlsConfig,
    },
    /// Nothing.
    Plaintext,
}

/// Where certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// From files.
    Files(Vec<CertificateFiles>),
    /// One is made here, for the relay's names.
    Development {
        /// Where it is kept.
        directory: PathBuf,
    },
}

/// Where envelopes are kept.
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// In a file of this machine.
    Embedded {
        /// Its directory.
        directory: PathBuf,
        /// What it is told.
        options: EmbeddedOptions,
    },
    /// In Redis.
    Redis(Box<RedisOptions>),
}

/// How the relay leaves (P11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainConfig {
    /// It goes on serving for this long after it has said that it is not ready.
    pub notice: Duration,
    /// Streams end over this long.
    pub spread: Duration,
    /// Everything ends this long after the notice.
    pub deadline: Duration,
}

/// What is wrong with a configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is no TOML, or holds a setting that there is not.
    #[error("the configuration file {} is wrong: {fault}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Where and why.
        fault: Fault,
    },
    /// A setting, of the file or beside it, has a value that is no TOML: a number from 2^63, or a path that is no UTF-8.
    #[error("a setting has a value that no configuration file can hold: {0}")]
    Unwritable(#[from] Box<toml::ser::Error>),
    /// Settings have impossible values: all of them, each with its name and a remedy.
    #[error("{}", list(.0))]
    Invalid(Vec<Problem>),
}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As in `store.url`.
    pub setting: &'static str,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Config {
    /// Reads a file, if one is given, lays `settings` (of environment and flags) over it, and checks the whole.
    ///
    /// # Errors
    /// With everything that is wrong at once.
    pub fn load(file: Option<&Path>, settings: &Settings) -> Result<Self, ConfigError> {
        let settings = match file {
            Some(path) => overlay(&read(path)?, settings, path)?,
            None => settings.clone(),
        };
        check::config(settings).map_err(ConfigError::Invalid)
    }
}

fn read(path: &Path) -> Result<Settings, ConfigError> {
    let text = file::read_text(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
    toml::from_str(&text).map_err(|error| malformed(path, &error, &text))
}

/// Both are tables of what was written, so the one can be laid over the other without naming each setting again.
fn overlay(below: &Settings, above: &Settings, path: &Path) -> Result<Settings, ConfigError> {
    let table = |settings: &Settings| toml::Table::try_from(settings).map_err(Box::new);
    let mut merged = table(below)?;
    for (section, values) in table(above)? {
        match (merged.get_mut(&section), values) {
            (Some(toml::Value::Table(into)), toml::Value::Table(values)) => into.extend(values),
            (_, values) => drop(merged.insert(section, values)),
        }
    }
    merged.try_into().map_err(|error| malformed(path, &error, ""))
}

fn malformed(path: &Path, error: &toml::de::Error, text: &str) -> ConfigError {
    ConfigError::Malformed { path: path.to_owned(), fault: Fault::new(error, text) }
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.setting, problem.problem)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_can_hold_is_not_dropped_beside_one() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let mut settings = Settings::default();
        settings.mailbox.max_bytes = Some(u64::MAX);
        assert!(matches!(Config::load(Some(file.path()), &settings), Err(ConfigError::Unwritable(_))));
        assert!(Config::load(None, &settings).is_ok());

        std::fs::write(file.path(), "limits.max_outstanding_bytes = 9623372036854775805").expect("it is written");
        let loaded = Config::load(Some(file.path()), &Settings::default());
        assert!(matches!(loaded, Err(ConfigError::Unwritable(_))), "nor what is in the file");
    }

    #[test]
    fn the_largest_number_is_a_problem_like_any_other() {
        let mut settings = Settings::default();
        settings.limits.envelope_sizes = Some(vec![usize::MAX]);
        match Config::load(None, &settings) {
            Err(ConfigError::Invalid(problems)) => {
                assert!(problems.iter().any(|problem| problem.setting == "limits.envelope_sizes"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_message_fits_into_what_may_be_unfinished() {
        let mut settings = Settings::default();
        let unfinished = |settings: &Settings| match Config::load(None, settings) {
            Ok(config) => Ok(config.edge.max_unfinished_bytes),
            Err(ConfigError::Invalid(problems)) => {
                Err(problems.iter().map(|problem| problem.setting).collect::<Vec<_>>())
            }
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(unfinished(&settings), Ok(8 << 20));
        settings.limits.max_message_bytes = Some(32 << 20);
        assert_eq!(unfinished(&settings), Ok(32 << 20));
        settings.listen.max_unfinished_bytes = Some(8 << 20);
        assert_eq!(unfinished(&settings), Err(vec!["listen.max_unfinished_bytes"]));
    }

    #[test]
    fn numbers_have_no_sign_and_no_zeros_before_them() {
        assert_eq!("replicas:2".parse(), Ok(DurabilitySetting::Replicas(2)));
        for text in ["replicas:+2", "replicas:02", "replicas:0", "replicas:256", "replicas:"] {
            assert!(text.parse::<DurabilitySetting>().is_err(), "{text}");
        }
        assert_eq!(check::unhex("0aF1"), Some(vec![0x0a, 0xf1]));
        for text in ["+a", "0", "0x", "é"] {
            assert_eq!(check::unhex(text), None, "{text}");
        }
    }
}
