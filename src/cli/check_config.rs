//! `sealpost check-config`: whether a configuration can be used, without starting anything.

use clap::Args;

use super::output::{Failure, say};
use super::serve::ConfigSource;

/// Check a configuration, whole, without starting anything.
///
/// Takes the same flags, environment and file as `serve`. Exits with 64 and a list of everything that is wrong, or
/// with 0.
#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    #[command(flatten)]
    source: ConfigSource,
}

impl CheckConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        self.source.load()?;
        say("The configuration can be used.");
        Ok(())
    }
}
