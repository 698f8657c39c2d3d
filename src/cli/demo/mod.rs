//! `sealpost demo`: a relay and two devices in one process, with nothing hidden.

mod cast;
mod play;
mod stage;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sealpost_client::Draft;

use super::block_on;
use super::content;
use super::output::{Failure, say_json};
use super::serve::stop_signal;
use stage::Stage;

/// See it work: a relay, two devices, a text and a picture, and what the relay holds of them.
///
/// Needs nothing but this binary: the relay runs in this process, on free ports of this machine and with files in a
/// temporary directory. Alice writes to Bob while he is away, he reads it and answers; then everything is compared. Exits
/// with 0 only if what was read is what was written, and nothing is left at the relay.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// A picture to send, or any file of up to 60 KiB or so [default: one that the binary holds]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Keep envelopes in this Redis, as in redis://localhost [default: an embedded store in a temporary directory]
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

/// Drawn by demo/draw.py.
const PICTURE: &[u8] = include_bytes!("../../../demo/picture.png");
/// More than it ever takes: what does not happen by then does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let picture = match &self.file {
            Some(path) => content::file(path)?,
            None => Draft::new("image/png", PICTURE).name("picture.png"),
        };
        block_on(self.perform(picture))
    }

    async fn perform(self, picture: Draft) -> Result<(), Failure> {
        let mut stage = Stage::set(self.store.as_deref(), !self.json).await?;
        let outcome = tokio::select! {
            outcome = play::play(&mut stage, picture) => outcome,
            stopped = stop_signal() => stopped.and(Err(Failure::new("stopped"))),
        };
        // Also after a failure: nothing of it stays in Redis or on the disk.
        stage.clear().await;
        let report = outcome?;
        if self.json {
            say_json(&report);
        }
        Ok(())
    }
}

/// Waits, but not for ever.
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| {
        Failure::new(format!("{what} took more than {} s", PATIENCE.as_secs()))
            .remedy("is this machine very busy? Try again; if it stays so, please report it")
    })
}
