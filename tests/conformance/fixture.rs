//! What a store must offer to be tested.

use std::sync::Arc;

use sealpost::clock::Clock;
use sealpost::store::{QueueLimits, Store};
use sealpost_core::Address;

use crate::recording::Recording;

/// A fresh store with a clock that the test moves and a [`Recording`] of what it tells.
pub(crate) trait Fixture: Sized {
    /// Whether mailboxes and nonces end by the test's clock. A server has a clock of its own.
    const ENDS_BY_CLOCK: bool;

    /// Histories that the model is compared with, unless `PROPTEST_CASES` says otherwise.
    const HISTORIES: u32;

    /// A store that holds nothing.
    async fn new(limits: QueueLimits) -> Self;

    /// The store as it is now: another one after a restart.
    fn store(&self) -> Arc<dyn Store>;

    /// Its clock.
    fn clock(&self) -> &Clock;

    /// What it told.
    fn recording(&self) -> &Arc<Recording>;

    /// Closes the store properly and opens it again.
    async fn restart(&mut self);

    /// Ends the store with no chance to finish anything, and opens it again.
    async fn crash(&mut self);

    /// Puts rubbish in place of the only queued entry of a mailbox, the one with sequence 1.
    async fn spoil(&mut self, address: Address);
}

/// The hour that has just begun, standing still: servers compare with their own clocks.
pub(crate) fn this_hour() -> Clock {
    Clock::standing_at(Clock::system().now().hour().start().saturating_add(1))
}
