//! `sealpost receive`: shows and saves what came, then acknowledges it.

mod known;
mod letter;
mod reader;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::block_on;
use super::client::ConnectionFlags;
use super::output::Failure;
use reader::Reader;

/// Receive what waits in your mailbox.
///
/// Shows each message, saves files, and only then lets the relay forget it, so that nothing is lost. Ends when everything
/// that waited was shown; with --follow it stays connected.
#[derive(Debug, Args)]
pub(super) struct Receive {
    /// Stay connected, and show messages as they come
    #[arg(long)]
    follow: bool,
    /// Save files here [default: the profile's directory "files"]
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Let the relay forget envelopes that cannot be opened, too
    #[arg(long)]
    discard: bool,
    /// Print one JSON object for each message
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

impl Receive {
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(self.receive())
    }

    async fn receive(self) -> Result<(), Failure> {
        let mut client = self.connection.open().await?;
        let dedup = Arc::new(client.profile.dedup()?);
        client.keep_card().await?;
        let mut reader = Reader::new(self, client)?;
        // Again after a card was fetched: the envelope that needs it comes once more.
        while reader.read(&dedup).await?.is_continue() {}
        reader.finish()
    }
}
