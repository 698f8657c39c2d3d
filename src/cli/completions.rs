//! `sealpost completions`: what makes a shell complete the commands.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::output::Failure;

/// Print a script that makes your shell complete these commands.
///
/// For bash:  source <(sealpost completions bash)
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        clap_complete::generate(self.shell, &mut Cli::command(), "sealpost", &mut std::io::stdout());
        Ok(())
    }
}
