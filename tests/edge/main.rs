//! What the relay does for peers who do not play by the rules: raw HTTP/2 over TCP and TLS, against the built binary.
//!
//! [`errors`] holds the relay to RFC 9113: each thing that a peer must not say, and what must come back. The others attack: each
//! is an [`Attack`](attack::Attack) on a relay of its own, with a [`Bystander`](bystander::Bystander) who sends and receives meanwhile;
//! the relay must stay below a stated bound, and serve the bystander during it and after. What each attack cost is printed as a table at
//! the end of each test with `--nocapture`, and left in `target/edge/summary.md`.
//!
//! [`frame`], [`header_block`] and [`peer`] write and read HTTP/2 by hand, for no library says what is wrong.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a panic is a failed test, and what an attack costs is told"
)]

mod attack;
mod bystander;
mod frame;
mod grpc;
mod header_block;
mod peer;
mod relay;
mod report;
mod usage;

mod errors;

mod descriptors;
mod floods;
mod headers;
mod hoarding;
mod logs;
mod silence;

use std::time::Duration;

/// Longer than anything takes that works, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
