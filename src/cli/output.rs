//! What a command says, and how it fails.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::text::grouped;
use crate::config::ConfigError;
use crate::server::StartError;
use crate::telemetry::LogError;

/// A line on standard output. A reader that went away is no failure of ours.
pub(super) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
}

/// A line on standard output that must have been taken: what follows makes it impossible to get again.
pub(super) fn hand_over(line: impl AsRef<str>) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", line.as_ref()).and_then(|()| stdout.flush()).map_err(|error| {
        Failure::new(format!("standard output cannot be written: {error}"))
            .remedy("the message was not acknowledged: it comes again with the next `sealpost receive`")
    })
}

/// One JSON object on a line of its own.
pub(super) fn say_json(value: &Value) {
    say(value.to_string());
}

/// Something beside the result, on standard error: programs that read the result do not see it.
pub(super) fn note(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", line.as_ref());
}

/// How far long work has come: one line on standard error, if a person looks.
pub(super) struct Progress {
    what: &'static str,
    total: u64,
    shown: Option<Instant>,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(100);

    pub(super) fn new(what: &'static str, total: u64) -> Self {
        Self { what, total, shown: None }
    }

    pub(super) fn at(&mut self, done: u64) {
        let due = self.shown.is_none_or(|shown| shown.elapsed() >= Self::EVERY);
        if due && self.total > 1 && std::io::stderr().is_terminal() {
            self.shown = Some(Instant::now());
            let _ = write!(std::io::stderr(), "\r{} {} of {} ", self.what, grouped(done), grouped(self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// Why a command failed, and what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    remedy: Option<String>,
    code: u8,
}

/// EX_USAGE of sysexits.h.
pub(super) const USAGE: u8 = 64;

impl Failure {
    /// It could not be done.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), remedy: None, code: 1 }
    }

    /// It was asked wrongly.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(message) }
    }

    /// With what to do about it.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// With what had happened before.
    pub(super) fn before(mut self, what: impl AsRef<str>) -> Self {
        self.message.insert_str(0, what.as_ref());
        self
    }

    /// Says it on standard error.
    pub(super) fn report(&self) -> ExitCode {
        let mut stderr = std::io::stderr();
        let _ = writeln!(stderr, "sealpost: {}", self.message);
        if let Some(remedy) = &self.remedy {
            let _ = writeln!(stderr, "  → {remedy}");
        }
        ExitCode::from(self.code)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Invalid(problems) => {
                let lines: Vec<String> =
                    problems.iter().map(|problem| format!("\n  {} {}", problem.setting, problem.problem)).collect();
                Self::usage(format!("the configuration cannot be used:{}", lines.concat()))
                    .remedy("`sealpost serve --help` lists every setting; sealpost.example.toml explains them")
            }
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::new(error.to_string())
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self::usage(error.to_string())
    }
}
