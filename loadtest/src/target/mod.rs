//! What is tested: servers that are started here, or a deployment that is there already.

pub mod authority;
pub mod binary;
pub mod child;
pub mod handshake;
pub mod metrics;
pub mod mosquitto;
pub mod nats;
pub mod probes;
pub mod program;
pub mod redis;
pub mod relay;
pub mod system;

use std::sync::Arc;

use crate::process::Usage;
use child::Account;
pub use probes::Probes;

/// What a process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It relays.
    Relay,
    /// It keeps envelopes.
    Store,
    /// It sends and receives: ourselves.
    Generator,
}

impl Kind {
    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Store => "store",
            Self::Generator => "generator",
        }
    }
}

/// A process whose use is reported.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is for.
    pub kind: Kind,
    /// What it uses.
    pub account: Arc<Account>,
}

/// What a process has used so far.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What it is for.
    pub kind: Kind,
    /// As the report calls it.
    pub name: String,
    /// What it used.
    pub usage: Usage,
}
