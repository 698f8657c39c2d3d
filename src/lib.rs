//! Sealpost: a relay for sealed messages that has nothing to hand over.
//!
//! Start at ARCHITECTURE.md. Imports run downwards: [`cli`] → [`server`] → [`edge`], [`api`], [`admin`] →
//! [`delivery`] → [`store`]; `sealpost-core` is below all of them.

pub mod admin;
pub mod api;
mod budget;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod edge;
mod file;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod jitter;
pub mod server;
pub mod store;
pub mod telemetry;
