//! What is under way in all mailboxes of an inbox, shared by its stream and by the messages in the app's hands.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealpost_core::Address;
use tokio::sync::Notify;

use super::tray::{Acknowledgement, Due, Tray};
use crate::Error;

#[derive(Default)]
pub(super) struct Board {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    trays: HashMap<Address, Tray>,
    /// Mailboxes with something to tell the relay of.
    due: HashSet<Address>,
    /// The sums over all trays.
    total: Due,
    dropped: usize,
    is_closed: bool,
}

/// The duty to acknowledge one envelope. Dropped: the envelope comes again.
pub(super) struct Token {
    board: Arc<Board>,
    mailbox: Address,
    /// `None` once it is done with.
    sequence: Option<u64>,
}

impl Board {
    /// See [`Tray::arrived`].
    pub(super) fn arrived(self: &Arc<Self>, mailbox: Address, sequence: u64, bytes: u64) -> Option<Token> {
        let mut state = self.lock();
        state.trays.entry(mailbox).or_default();
        let shown = state.change(&mailbox, |tray| tray.arrived(sequence, bytes)).unwrap_or_default();
        shown.then(|| Token { board: self.clone(), mailbox, sequence: Some(sequence) })
    }

    pub(super) fn new_stream(&self) {
        let mut state = self.lock();
        state.trays.values_mut().for_each(Tray::new_stream);
        state.trays.retain(|_, tray| !tray.is_empty());
        state.due.clear();
        (state.total, state.dropped) = (Due::default(), 0);
    }

    pub(super) fn caught_up(&self, mailbox: &Address) {
        self.lock().change(mailbox, Tray::caught_up);
    }

    pub(super) fn forget(&self, mailbox: &Address) {
        let mut state = self.lock();
        state.change(mailbox, |tray| *tray = Tray::default());
        state.due.remove(mailbox);
    }

    /// What the relay could be told of.
    pub(super) fn due(&self) -> Due {
        self.lock().total
    }

    pub(super) fn has_dropped(&self) -> bool {
        self.lock().dropped > 0
    }

    /// The next acknowledgement for the relay.
    pub(super) fn take(&self) -> Option<(Address, Acknowledgement)> {
        let mut state = self.lock();
        loop {
            let mailbox = *state.due.iter().next()?;
            match state.change(&mailbox, Tray::take).flatten() {
                Some(told) => return Some((mailbox, told)),
                None => drop(state.due.remove(&mailbox)),
            }
        }
    }

    /// Nothing can be acknowledged from now on.
    pub(super) fn close(&self) {
        *self.lock() = State { is_closed: true, ..State::default() };
    }

    /// Waits until a message was acknowledged or dropped.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, mailbox: &Address, settle: impl FnOnce(&mut Tray)) -> Result<(), Error> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Error::Closed);
        }
        state.change(mailbox, settle);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }
}

impl State {
    /// Changes a tray, and the sums with it.
    fn change<T>(&mut self, mailbox: &Address, change: impl FnOnce(&mut Tray) -> T) -> Option<T> {
        let tray = self.trays.get_mut(mailbox)?;
        let (due, dropped) = (tray.due(), tray.dropped());
        let result = change(tray);
        self.total.messages = self.total.messages + tray.due().messages - due.messages;
        self.total.bytes = self.total.bytes + tray.due().bytes - due.bytes;
        self.dropped = self.dropped + tray.dropped() - dropped;
        if tray.due().messages > 0 {
            self.due.insert(*mailbox);
        }
        if tray.is_empty() {
            self.trays.remove(mailbox);
        }
        Some(result)
    }
}

impl Token {
    pub(super) fn acknowledge(mut self) -> Result<(), Error> {
        match self.sequence.take() {
            Some(sequence) => self.board.settle(&self.mailbox, |tray| tray.acknowledge(sequence)),
            None => Ok(()),
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(sequence) = self.sequence {
            // If the inbox is closed, the next one gets it.
            let _ = self.board.settle(&self.mailbox, |tray| tray.let_go(sequence));
        }
    }
}
