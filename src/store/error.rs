//! How a store fails.

use thiserror::Error;

use crate::telemetry::Loggable;

/// The store did not do what it was asked. The texts are fixed: nothing that a store answers is ever printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum StoreError {
    /// It cannot be reached, or refuses to work for now. May be retried.
    #[error("the store is unavailable: {0}")]
    Unavailable(&'static str),
    /// It did not answer in time. May be retried.
    #[error("the store did not answer in time")]
    TimedOut,
    /// It holds or answered what this version cannot read. Retrying does not help.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(&'static str),
}

impl Loggable for StoreError {}

/// Why an envelope was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AppendError {
    /// No such mailbox, or not one of its keys: one answer for both (P8).
    #[error("no such mailbox, or not one of its delivery keys")]
    Refused,
    /// The mailbox holds as much as it may (P6).
    #[error("the mailbox is full")]
    Full,
    /// The store failed; the envelope may or may not have been queued.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which half of a store does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CheckError {
    /// It does not do what it is asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It does, but what it tells does not arrive.
    #[error(transparent)]
    WakePath(StoreError),
}

impl Loggable for CheckError {}
