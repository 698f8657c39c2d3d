//! Messages, opened and verified, each shown once.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use sealpost_core::Address;
use sealpost_proto::Reason;
use tokio::sync::watch;

use super::opening::{self, InHand, Problem, Received, Undecipherable};
use super::raw::{RawEvent, RawInbox};
use super::{ConnectionState, ReceiveOptions};
use crate::{Contacts, Dedup, Device, Error, Relay, clock};

/// The messages of one or more devices. Made by [`Relay::receive`].
///
/// Each message is shown once, in order for each mailbox, and comes again until it is acknowledged. Dropped, it sends the
/// acknowledgements that are waiting and ends the stream; [`Inbox::close`] waits for that.
pub struct Inbox {
    raw: RawInbox,
    devices: HashMap<Address, Device>,
    contacts: Arc<dyn Contacts>,
    dedup: Arc<dyn Dedup>,
    in_hand: Arc<InHand>,
    /// Whether it was handled before is being found out.
    checking: VecDeque<Received>,
}

/// What an inbox brings.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A message.
    Message(Box<Received>),
    /// An envelope that is no message for the app. It does not stop those behind it.
    Undecipherable(Undecipherable),
    /// Everything that was accepted before this mailbox was opened has been shown. Comes again after a reconnect.
    CaughtUp(Address),
    /// This mailbox is open no more; the others go on.
    MailboxClosed {
        /// Which one.
        mailbox: Address,
        /// Why: `DISPLACED`, `MAILBOX_DELETED` or `MAILBOX_UNKNOWN`.
        reason: Reason,
    },
}

impl Inbox {
    pub(super) fn open(relay: &Relay, devices: impl IntoIterator<Item = Device>, options: ReceiveOptions) -> Self {
        let devices: HashMap<_, _> = devices.into_iter().map(|device| (device.address(), device)).collect();
        let owners: Vec<_> = devices.values().map(|device| device.identity.clone()).collect();
        Self {
            raw: RawInbox::open(relay, owners, options.stream),
            devices,
            contacts: options.contacts,
            dedup: options.dedup,
            in_hand: Arc::default(),
            checking: VecDeque::new(),
        }
    }

    /// The next event; `None` once the stream has ended for good (see [`Inbox::state`] for why). Nothing is lost if the
    /// future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.checked().await {
                return Some(event);
            }
            match self.raw.next().await? {
                RawEvent::Delivery(delivery) => {
                    let device = self.devices.get(&delivery.mailbox);
                    let (contacts, now) = (&*self.contacts, clock::now());
                    match opening::read(delivery, device, contacts, &self.in_hand, &self.dedup, now) {
                        Ok(received) => self.checking.extend(received),
                        Err(undecipherable) => return Some(Event::Undecipherable(*undecipherable)),
                    }
                }
                RawEvent::CaughtUp(mailbox) => return Some(Event::CaughtUp(mailbox)),
                RawEvent::MailboxClosed { mailbox, reason } => {
                    self.devices.remove(&mailbox);
                    return Some(Event::MailboxClosed { mailbox, reason });
                }
            }
        }
    }

    /// Handles events with `handler` until the inbox ends, acknowledging each message and each undecipherable envelope
    /// for which it gives `Ok`; the others come again.
    ///
    /// # Errors
    /// Why the inbox ended, if a reason of the relay's did it; [`Error::Dedup`] if a message could not be remembered.
    pub async fn for_each<E>(&mut self, mut handler: impl AsyncFnMut(&Event) -> Result<(), E>) -> Result<(), Error> {
        while let Some(event) = self.next().await {
            if handler(&event).await.is_err() {
                continue;
            }
            let acknowledged = match event {
                Event::Message(message) => message.acknowledge().await,
                Event::Undecipherable(envelope) => envelope.acknowledge(),
                Event::CaughtUp(_) | Event::MailboxClosed { .. } => Ok(()),
            };
            match acknowledged {
                // Its ending has its own reason, told below.
                Ok(()) | Err(Error::Closed) => {}
                Err(error) => return Err(error),
            }
        }
        let mut state = self.raw.state();
        let ended = state.wait_for(ConnectionState::is_closed).await;
        match ended.as_deref() {
            Ok(ConnectionState::Closed { error: Some(error) }) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// How the connection is doing.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.raw.state()
    }

    /// Receives for one more device, or goes on with the new keys of one that was changed.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn add(&mut self, device: Device) -> Result<(), Error> {
        let identity = device.identity.clone();
        self.devices.insert(device.address(), device);
        self.raw.add(identity).await
    }

    /// Receives no more for one device. Nothing is lost.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn remove(&mut self, mailbox: Address) -> Result<(), Error> {
        self.raw.remove(mailbox).await?;
        self.devices.remove(&mailbox);
        Ok(())
    }

    /// Sends the acknowledgements that are waiting, and ends the stream.
    pub async fn close(self) {
        // What was not shown is not acknowledged.
        drop(self.checking);
        self.raw.close().await;
    }

    /// The message whose check is over, if it is to be shown.
    async fn checked(&mut self) -> Option<Event> {
        let handled = self.checking.front()?.was_handled().await;
        let received = self.checking.pop_front()?;
        match handled {
            Ok(false) => Some(Event::Message(Box::new(received))),
            Ok(true) => {
                received.acknowledge_again();
                None
            }
            Err(error) => Some(Event::Undecipherable(received.into_problem(Problem::Dedup(error.kind())))),
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("raw", &self.raw).finish_non_exhaustive()
    }
}
