//! The task behind an inbox: one stream after the other, until it ends for good.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use sealpost_core::{Address, IdentityKey};
use sealpost_proto::Reason;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::board::Board;
use super::stream::{End, Stream};
use super::{ConnectionState, RawEvent, StreamOptions};
use crate::backoff::Backoff;
use crate::proofs::SecondChances;
use crate::{Error, Relay};

/// The first delay is drawn from one second, so that a relay's death does not bring all its clients back at once.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// Only a stream that lived so long ends the back-off: one that opens and dies at once would be hammered otherwise.
const STABLE: Duration = Duration::from_secs(60);

pub(super) struct Session {
    pub(super) relay: Relay,
    pub(super) owners: HashMap<Address, IdentityKey>,
    /// In the order in which the present stream asked for them.
    pub(super) asked: Vec<Address>,
    pub(super) options: StreamOptions,
    pub(super) board: Arc<Board>,
    pub(super) events: mpsc::Sender<RawEvent>,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) state: watch::Sender<ConnectionState>,
}

pub(super) enum Command {
    Add(Box<IdentityKey>),
    Remove(Address),
}

impl Session {
    pub(super) async fn run(mut self) {
        let error = self.until_the_end().await;
        self.board.close();
        self.state.send_replace(ConnectionState::Closed { error });
    }

    async fn until_the_end(&mut self) -> Option<Error> {
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        let mut chances = SecondChances::default();
        loop {
            if self.owners.is_empty() && self.wait(None).await.is_break() {
                return None;
            }
            if self.owners.is_empty() {
                continue;
            }
            self.state.send_replace(ConnectionState::Connecting);
            let mut live_since = None;
            let end = Stream::run(self, &mut live_since).await;
            if live_since.is_some() {
                chances = SecondChances::default();
            }
            if live_since.is_some_and(|since: Instant| since.elapsed() >= STABLE) {
                backoff.reset();
            }
            let error = match end {
                End::Closed => return None,
                End::Reopen => continue,
                End::Failed(error) => error,
            };
            if self.relay.inner.prover.may_try_again(&error, &mut chances) {
                continue;
            }
            if let Some(mailbox) = self.unknown_one(&error) {
                self.forget(&mailbox);
                let reason = Reason::MailboxUnknown;
                if self.events.send(RawEvent::MailboxClosed { mailbox, reason }).await.is_err() {
                    return None;
                }
                continue;
            }
            if is_final(&error, self.owners.len()) {
                return Some(error);
            }
            let after = backoff.next(error.retry_after());
            self.state.send_replace(ConnectionState::Retrying { after, error });
            if self.wait(Some(Instant::now() + after)).await.is_break() {
                return None;
            }
        }
    }

    /// Waits for the time, or with none for a mailbox to open. Breaks off when the inbox is closed.
    async fn wait(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        loop {
            tokio::select! {
                () = self.events.closed() => return ControlFlow::Break(()),
                Some(command) = self.commands.recv() => {
                    self.obey(command);
                    if until.is_none() {
                        return ControlFlow::Continue(());
                    }
                }
                () = async { sleep_until(until.unwrap_or_else(Instant::now)).await }, if until.is_some() => {
                    return ControlFlow::Continue(());
                }
                else => return ControlFlow::Break(()),
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(owner) => drop(self.owners.insert(owner.address(), *owner)),
            Command::Remove(mailbox) => self.forget(&mailbox),
        }
    }

    /// Which of several mailboxes the relay does not know, if it says so.
    fn unknown_one(&self, error: &Error) -> Option<Address> {
        let Error::Refused(refused) = error else { return None };
        if refused.reason != Reason::MailboxUnknown || self.owners.len() < 2 {
            return None;
        }
        let place = refused.field.as_ref()?.strip_prefix("open.proofs[")?.strip_suffix(']')?;
        let mailbox = self.asked.get(place.parse::<usize>().ok()?)?;
        self.owners.contains_key(mailbox).then_some(*mailbox)
    }

    pub(super) fn forget(&mut self, mailbox: &Address) {
        self.owners.remove(mailbox);
        self.board.forget(mailbox);
    }
}

/// Whether to stop for good: only where the relay said something that coming again does not change.
fn is_final(error: &Error, mailboxes: usize) -> bool {
    match error.reason() {
        // One of several: opening them anew, the relay says which.
        Some(Reason::MailboxUnknown) if mailboxes > 1 => false,
        Some(Reason::Displaced | Reason::MailboxDeleted | Reason::MailboxUnknown) => true,
        Some(reason) => !reason.is_retryable() && error.retry_after().is_none(),
        None => false,
    }
}
