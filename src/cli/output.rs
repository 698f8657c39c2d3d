//! What a command says, and how it fails.

use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::server::StartError;
use crate::telemetry::TelemetryError;

/// A line on standard output. A reader that went away is no failure of ours.
pub(super) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", line.as_ref());
}

/// Why a command failed, and what to do about it.
#[derive(Debug)]
pub(super) struct Failure {
    message: String,
    remedy: Option<String>,
    code: u8,
}

/// EX_USAGE of sysexits.h.
const USAGE: u8 = 64;

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

impl From<TelemetryError> for Failure {
    fn from(error: TelemetryError) -> Self {
        Self::usage(error.to_string())
    }
}
