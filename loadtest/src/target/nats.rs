//! NATS with JetStream, its store of messages.

use super::program::{find, version};
use super::system::{Hello, Recipe, System};
use crate::problem::Problem;

/// When JetStream makes what it wrote safe from a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fsync {
    /// Every two minutes: its default.
    EveryTwoMinutes,
    /// Before it acknowledges a message.
    Always,
}

/// It speaks first; by then it has read its files.
const HELLO: Hello = Hello { ask: b"", answer: b"INFO {" };

/// Starts one without messages, and waits until it answers.
///
/// # Errors
/// Where there is none, or it does not start.
pub async fn start(fsync: Fsync) -> Result<System, Problem> {
    let program = find("nats-server")?;
    let (_, version) = version(&program, "--version").await?;
    let (sync, durability) = match fsync {
        Fsync::EveryTwoMinutes => (
            "2m",
            "a file, fsync every two minutes: a crash of the machine loses up to that, one of the process nothing",
        ),
        Fsync::Always => ("always", "a file, fsync before the answer: a crash loses nothing"),
    };
    System::start(Recipe {
        name: "NATS JetStream",
        version,
        durability,
        program,
        flags: &["--config"],
        template: include_str!("../../peers/nats.conf"),
        values: &[("sync", sync)],
        hello: HELLO,
    })
    .await
}
