//! The commands. Each is a file; what they share is in `output`.
//!
//! A command speaks to people, or JSON with `--json`; it exits with 0 if it did what it was asked, 64 if it was asked
//! wrongly (arguments, configuration), and 1 if it could not do it.

mod check_config;
mod check_relay;
mod client;
mod completions;
mod contact;
mod contacts;
mod content;
mod demo;
mod inspect;
mod invite;
mod mailbox;
mod output;
mod profile;
mod receive;
mod refusal;
mod send;
mod serve;
mod teller;
mod text;
mod voucher;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use output::{Failure, USAGE};

/// A relay for sealed messages that has nothing to hand over.
#[derive(Debug, Args)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    CheckConfig(check_config::CheckConfig),
    CheckRelay(check_relay::CheckRelay),
    Inspect(inspect::Inspect),
    Voucher(voucher::Voucher),
    Mailbox(mailbox::Mailbox),
    Invite(invite::Invite),
    Contact(contact::Contact),
    Send(send::Send),
    Receive(receive::Receive),
    Completions(completions::Completions),
}

impl CommandFactory for Cli {
    fn command() -> clap::Command {
        Self::augment_args(about())
    }

    fn command_for_update() -> clap::Command {
        Self::augment_args_for_update(about())
    }
}

impl Parser for Cli {
    /// Arguments that cannot be read are a wrong question like any other, and end with the same code.
    fn parse() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            // Help and version come as errors too.
            let code = if error.use_stderr() { USAGE.into() } else { 0 };
            let _ = error.print();
            std::process::exit(code)
        })
    }
}

impl Cli {
    /// Does what was asked.
    pub fn run(self) -> ExitCode {
        // Everything that speaks TLS in this process uses the one provider; it is there already only if we were here.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let done = match self.command {
            Command::Demo(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::CheckConfig(command) => command.run(),
            Command::CheckRelay(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Voucher(command) => command.run(),
            Command::Mailbox(command) => command.run(),
            Command::Invite(command) => command.run(),
            Command::Contact(command) => command.run(),
            Command::Send(command) => command.run(),
            Command::Receive(command) => command.run(),
            Command::Completions(command) => command.run(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    }
}

fn about() -> clap::Command {
    clap::Command::new("sealpost")
        .version(env!("CARGO_PKG_VERSION"))
        .max_term_width(110)
        .arg_required_else_help(true)
        .after_help(FIRST_STEPS)
}

const FIRST_STEPS: &str = "\
See it work:          sealpost demo
Run a relay:          sealpost serve
Use it, beside it:    sealpost mailbox create, then invite, contact add, send, receive";

/// A runtime for a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime does not start: {error}")))
}

/// Does a command's work.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    runtime()?.block_on(work)
}
