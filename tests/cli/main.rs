//! The binary as people and programs use it: real processes, a real relay on a free port, files in a directory of their
//! own.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is a failed test"
)]

mod check_relay;
mod demo;
mod example_config;
mod help;
mod leaving;
mod messages;
mod mistakes;
mod operator;
mod scene;
