//! From an envelope to a message whose sender is verified, or to a reason why not.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sealpost_core::seal::open;
use sealpost_core::{Address, Introduction, Message, OpenError, Sequence, UnixTime};
use thiserror::Error;

use super::board::Token;
use super::raw::Delivery;
use crate::{Contacts, Dedup, Device, Error, MessageKey};

/// A message whose sender is verified. Dropped without [`Received::acknowledge`], it comes again.
pub struct Received {
    /// What the sender wrote.
    pub message: Message,
    /// Who it is from.
    pub from: Origin,
    /// The mailbox that it came to.
    pub mailbox: Address,
    /// Its number there; `None` for an ephemeral one.
    pub sequence: Option<Sequence>,
    claim: Claim,
}

/// Who a message is from, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// One of the contacts.
    Contact(Address),
    /// Somebody who is no contact and introduced themselves: the address in the introduction is theirs, but who that is
    /// only the user can say.
    Stranger(Box<Introduction>),
}

/// An envelope that is no message for the app. Acknowledge it to be rid of it; dropped, it comes again.
pub struct Undecipherable {
    /// Why.
    pub problem: Problem,
    /// Who it claims to be from, if it could be opened so far. Not verified.
    pub claimed_sender: Option<Address>,
    /// The mailbox that it came to.
    pub mailbox: Address,
    /// Its number there; `None` for an ephemeral one.
    pub sequence: Option<Sequence>,
    /// The sealed bytes; none if it was opened.
    pub envelope: Bytes,
    pub(super) token: Option<Token>,
}

/// Why an envelope is no message for the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be opened, or its sender is not who it claims.
    #[error("the envelope is refused: {0}")]
    Open(#[from] OpenError),
    /// Its sender is no contact, and did not introduce themselves.
    #[error("the sender is not known")]
    UnknownSender,
    /// Whether it was handled before could not be found out.
    #[error("the store of message ids failed: {0}")]
    Dedup(io::ErrorKind),
}

/// The messages in the app's hands, with further envelopes of the same message that came meanwhile.
#[derive(Default)]
pub(super) struct InHand(Mutex<HashMap<MessageKey, Vec<Token>>>);

/// The duty to acknowledge a message, and the right to be the only one to show it.
pub(super) struct Claim {
    key: MessageKey,
    token: Option<Token>,
    is_ephemeral: bool,
    is_settled: bool,
    in_hand: Arc<InHand>,
    dedup: Arc<dyn Dedup>,
}

impl Received {
    /// The handler is done with it: remembers that, and lets the relay forget it.
    ///
    /// # Errors
    /// [`Error::Dedup`] if it could not be remembered: it comes again. [`Error::Closed`] if the inbox was closed before:
    /// it comes again to the next one, which knows it and does not show it.
    pub async fn acknowledge(self) -> Result<(), Error> {
        self.claim.acknowledge().await
    }

    /// Who the message is from.
    pub fn sender(&self) -> Address {
        match &self.from {
            Origin::Contact(address) => *address,
            Origin::Stranger(introduction) => introduction.card.address(),
        }
    }

    /// The sender's invite and card, if the message brought them: verified to be the sender's own. See
    /// [`crate::Contact::from_introduction`].
    pub fn introduction(&self) -> Option<&Introduction> {
        self.message.introduction.as_ref()
    }

    pub(super) async fn was_handled(&self) -> io::Result<bool> {
        let (dedup, key) = (self.claim.dedup.clone(), self.claim.key);
        blocking(move || dedup.contains(&key)).await
    }

    pub(super) fn acknowledge_again(self) {
        // If the inbox is closed, the next one does.
        let _ = self.claim.settle();
    }

    pub(super) fn into_problem(mut self, problem: Problem) -> Undecipherable {
        Undecipherable {
            problem,
            claimed_sender: Some(self.sender()),
            mailbox: self.mailbox,
            sequence: self.sequence,
            envelope: Bytes::new(),
            token: self.claim.token.take(),
        }
    }
}

impl Undecipherable {
    /// The app is done with it: the relay forgets it.
    ///
    /// # Errors
    /// [`Error::Closed`] if the inbox was closed before: it comes again to the next one.
    pub fn acknowledge(mut self) -> Result<(), Error> {
        self.token.take().map_or(Ok(()), Token::acknowledge)
    }

    /// Whether another card of the sender's may help: fetch it, add it to the contacts, and let it come again.
    pub fn may_need_newer_card(&self) -> bool {
        let helps = [OpenError::UnknownCard, OpenError::CardExpired, OpenError::CardNotYetValid];
        matches!(self.problem, Problem::UnknownSender)
            || matches!(self.problem, Problem::Open(error) if helps.contains(&error))
    }
}

/// Opens a delivery. `Ok(None)`: the app has this message in its hands already, and acknowledges both together.
pub(super) fn read(
    delivery: Delivery,
    device: Option<&Device>,
    contacts: &dyn Contacts,
    in_hand: &Arc<InHand>,
    dedup: &Arc<dyn Dedup>,
    now: UnixTime,
) -> Result<Option<Received>, Box<Undecipherable>> {
    let mut claimed_sender = None;
    let opened = device.map_or(Err(OpenError::NotForThisKey.into()), |device| {
        verify(&delivery, device, contacts, now, &mut claimed_sender)
    });
    let Delivery { mailbox, sequence, envelope, token } = delivery;
    let (message, from) = match opened {
        Ok(opened) => opened,
        Err(problem) => {
            return Err(Box::new(Undecipherable { problem, claimed_sender, mailbox, sequence, envelope, token }));
        }
    };
    let sender = match &from {
        Origin::Contact(address) => *address,
        Origin::Stranger(introduction) => introduction.card.address(),
    };
    let key = MessageKey::new(&mailbox, &sender, &message.id);
    let claim = Claim::new(key, token, sequence.is_none(), in_hand.clone(), dedup.clone());
    Ok(claim.map(|claim| Received { message, from, mailbox, sequence, claim }))
}

fn verify(
    delivery: &Delivery,
    device: &Device,
    contacts: &dyn Contacts,
    now: UnixTime,
    claimed_sender: &mut Option<Address>,
) -> Result<(Message, Origin), Problem> {
    let unverified = open(&delivery.envelope, &delivery.mailbox, device.sealing_keys())?;
    let (sender, card_id) = (unverified.sender(), unverified.sender_card_id());
    *claimed_sender = Some(sender);
    let cards = contacts.cards(&sender);
    let is_contact = !cards.is_empty();
    let introduction = unverified.introduction().cloned();
    let introduced = introduction.as_ref().map(|introduction| introduction.card.clone());
    // A contact's new card may come with the message: it is signed by the same identity.
    let card = cards.iter().chain(&introduced).find(|card| card.id() == card_id).or(cards.first());
    let card = card.or(introduced.as_ref()).ok_or(Problem::UnknownSender)?.clone();
    let message = unverified.verify(&card, now)?;
    match introduction {
        Some(introduction) if !is_contact => Ok((message, Origin::Stranger(Box::new(introduction)))),
        _ => Ok((message, Origin::Contact(sender))),
    }
}

impl Claim {
    /// `None` if the message is claimed: then the claim takes the token over.
    fn new(
        key: MessageKey,
        token: Option<Token>,
        is_ephemeral: bool,
        in_hand: Arc<InHand>,
        dedup: Arc<dyn Dedup>,
    ) -> Option<Self> {
        let mut claimed = in_hand.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(others) = claimed.get_mut(&key) {
            others.extend(token);
            return None;
        }
        claimed.insert(key, Vec::new());
        drop(claimed);
        Some(Self { key, token, is_ephemeral, is_settled: false, in_hand, dedup })
    }

    async fn acknowledge(self) -> Result<(), Error> {
        // An ephemeral message is not worth a write to the disk.
        if !self.is_ephemeral {
            let (dedup, key) = (self.dedup.clone(), self.key);
            blocking(move || dedup.record(&key)).await.map_err(|error| Error::Dedup(error.kind()))?;
        }
        self.settle()
    }

    fn settle(mut self) -> Result<(), Error> {
        let others = self.in_hand.release(&self.key);
        self.is_settled = true;
        self.token.take().into_iter().chain(others).try_for_each(Token::acknowledge)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The tokens are dropped with it, so that all these envelopes come again.
        if !self.is_settled {
            drop(self.in_hand.release(&self.key));
        }
    }
}

impl InHand {
    fn release(&self, key: &MessageKey) -> Vec<Token> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key).unwrap_or_default()
    }
}

/// Stores may wait for a disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(io::Error::other("the store's thread died")))
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl fmt::Debug for Undecipherable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Undecipherable").field("problem", &self.problem).finish_non_exhaustive()
    }
}
