//! How the connection is doing.

use std::time::Duration;

use crate::Error;

/// How the connection of an inbox is doing.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Connecting, and opening the mailboxes.
    Connecting,
    /// The relay has opened the mailboxes.
    Live,
    /// It failed, and is tried again after this time.
    Retrying {
        /// From when this state began.
        after: Duration,
        /// What failed.
        error: Error,
    },
    /// It ended for good.
    Closed {
        /// Why: a reason that retrying does not help (`DISPLACED`, `MAILBOX_UNKNOWN` …), or none if the app closed it.
        error: Option<Error>,
    },
}

impl ConnectionState {
    /// Whether the mailboxes are open.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether it ended for good.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}
