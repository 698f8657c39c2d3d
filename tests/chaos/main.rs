//! What the promises are worth while things break: real relays as processes, over a real store, under steady traffic, with faults.
//!
//! Each test is a [`run`](run::Run) of one fault: [`traffic`] flows, the fault strikes and is healed, `SEALPOST_CHAOS_ROUNDS` times
//! (once, if it is not set), and at the end the [`checker`] reads the [`history`] of all that senders and owners saw: nothing that
//! was accepted may be lost, nothing may come in a wrong order or with wrong bytes. What may come twice is counted, and so is how long
//! the service was [`away`]. A table of all runs is left in `target/chaos/summary.md`, and all figures in `summary.json`; of a run that
//! failed its whole history and the relays' logs.
//!
//! `make chaos` runs ten rounds of each.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a panic is a failed test, and a long one tells how far it is"
)]

mod away;
mod checker;
mod checker_tests;
mod history;
mod journal;
mod letter;
mod owner;
mod relays;
mod report;
mod run;
mod sender;
mod store;
mod traffic;

mod faults;

use std::time::Duration;

use rand::RngExt;

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what was accepted may take to be delivered, once all is healed.
const SETTLING: Duration = Duration::from_secs(60);

/// A client waits a little before it tries again, at the other relay.
async fn pause() {
    let time = Duration::from_millis(rand::rng().random_range(50..250));
    tokio::time::sleep(time).await;
}
