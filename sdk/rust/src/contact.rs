//! Whom one can write to, and whose messages one can verify.

use std::collections::HashMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpost_core::{Address, Card, CardError, DeliveryKey, Introduction, Invite, RelayHost, UnixTime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Somebody to write to. Stored by serde as the invite's link and the card; as secret as the invite.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ContactFile", into = "ContactFile")]
pub struct Contact {
    /// Where their mailbox is.
    pub relay: RelayHost,
    /// Whose mailbox it is.
    pub address: Address,
    /// What lets one send to it.
    pub delivery_key: DeliveryKey,
    /// Their card: always of this address.
    card: Card,
}

impl Contact {
    /// From an invite and the card that belongs to it.
    ///
    /// # Errors
    /// [`CardError::WrongOwner`], [`CardError::Expired`] or [`CardError::NotYetValid`].
    pub fn new(invite: &Invite, card: Card, now: UnixTime) -> Result<Self, CardError> {
        card.check(&invite.address, now)?;
        let Invite { relay, address, delivery_key } = invite.clone();
        Ok(Self { relay, address, delivery_key, card })
    }

    /// From what came inside a message: see [`crate::Received::introduction`].
    ///
    /// # Errors
    /// As [`Contact::new`].
    pub fn from_introduction(introduction: &Introduction, now: UnixTime) -> Result<Self, CardError> {
        Self::new(&introduction.invite, introduction.card.clone(), now)
    }

    /// Their card as known so far.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The invite again.
    pub fn invite(&self) -> Invite {
        Invite { relay: self.relay.clone(), address: self.address, delivery_key: self.delivery_key.clone() }
    }

    /// Takes a newer card; an older one changes nothing. `true` if it was newer.
    ///
    /// # Errors
    /// As [`Contact::new`].
    pub fn learn(&mut self, card: Card, now: UnixTime) -> Result<bool, CardError> {
        card.check(&self.address, now)?;
        let newer = card.is_newer_than(&self.card);
        if newer {
            self.card = card;
        }
        Ok(newer)
    }
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(..)")
    }
}

/// Where an [`crate::Inbox`] looks up the cards of those who write.
///
/// Called for each message, so it answers from memory.
pub trait Contacts: Send + Sync + 'static {
    /// The cards of this sender, in any order: the newest, and those before it while they hold, as a message on its way
    /// may have been sealed with one of them. Empty for a sender who is not known.
    fn cards(&self, sender: &Address) -> Vec<Card>;
}

/// Contacts in memory.
#[derive(Default)]
pub struct MemoryContacts {
    cards: RwLock<HashMap<Address, Vec<Card>>>,
}

/// How many cards of one person are kept.
const KEPT_CARDS: usize = 4;

impl MemoryContacts {
    /// Nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a person, or a newer card of a person.
    pub fn add(&self, contact: &Contact) {
        self.add_card(contact.card().clone());
    }

    /// Adds a card of somebody who is trusted to be its owner.
    pub fn add_card(&self, card: Card) {
        let mut all = self.cards.write().unwrap_or_else(PoisonError::into_inner);
        let cards = all.entry(card.address()).or_default();
        if !cards.contains(&card) {
            cards.push(card);
            cards.sort_by_key(|card| std::cmp::Reverse(card.issued()));
            cards.truncate(KEPT_CARDS);
        }
    }

    /// Forgets a person.
    pub fn remove(&self, address: &Address) {
        self.cards.write().unwrap_or_else(PoisonError::into_inner).remove(address);
    }
}

impl Contacts for MemoryContacts {
    fn cards(&self, sender: &Address) -> Vec<Card> {
        self.cards.read().unwrap_or_else(PoisonError::into_inner).get(sender).cloned().unwrap_or_default()
    }
}

impl<C: Contacts + ?Sized> Contacts for std::sync::Arc<C> {
    fn cards(&self, sender: &Address) -> Vec<Card> {
        (**self).cards(sender)
    }
}

impl fmt::Debug for MemoryContacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryContacts(..)")
    }
}

#[derive(Serialize, Deserialize)]
struct ContactFile {
    invite: String,
    card: String,
}

#[derive(Debug, Error)]
#[error("this is not a stored contact")]
struct NotAContact;

impl From<Contact> for ContactFile {
    fn from(contact: Contact) -> Self {
        Self { invite: contact.invite().to_link(), card: URL_SAFE_NO_PAD.encode(contact.card.to_bytes()) }
    }
}

impl TryFrom<ContactFile> for Contact {
    type Error = NotAContact;

    fn try_from(file: ContactFile) -> Result<Self, NotAContact> {
        let invite: Invite = file.invite.parse().map_err(|_| NotAContact)?;
        let card = URL_SAFE_NO_PAD.decode(&file.card).map_err(|_| NotAContact)?;
        let card = Card::parse(&card).map_err(|_| NotAContact)?;
        // An expired card is still worth storing: it is refreshed before the next message.
        let issued = card.issued();
        Self::new(&invite, card, issued).map_err(|_| NotAContact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Device;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn pair() -> (Device, Contact) {
        let device = Device::generate(&mut rand::rng(), NOW);
        let introduction = device.introduction(&"relay.example".parse().unwrap()).unwrap();
        let contact = Contact::from_introduction(&introduction, NOW).unwrap();
        (device, contact)
    }

    #[test]
    fn a_contact_survives_storage() {
        let (_, contact) = pair();
        let copy: Contact = serde_json::from_str(&serde_json::to_string(&contact).unwrap()).unwrap();
        assert_eq!(copy, contact);
    }

    #[test]
    fn a_contact_never_goes_back_to_an_older_card() {
        let (mut device, mut contact) = pair();
        let old = device.card().clone();
        device.rotate(&mut rand::rng(), NOW.saturating_add(10));
        assert_eq!(contact.learn(device.card().clone(), NOW), Ok(true));
        assert_eq!(contact.learn(old, NOW), Ok(false));
        assert!(contact.card() == device.card());
        let (stranger, _) = pair();
        assert_eq!(contact.learn(stranger.card().clone(), NOW), Err(CardError::WrongOwner));
    }

    #[test]
    fn earlier_cards_are_kept_for_what_is_on_its_way() {
        let (mut device, contact) = pair();
        let contacts = MemoryContacts::new();
        contacts.add(&contact);
        for second in 1..10 {
            device.rotate(&mut rand::rng(), NOW.saturating_add(second));
            contacts.add_card(device.card().clone());
            assert!(contacts.cards(&device.address()).contains(device.card()));
        }
        assert_eq!(contacts.cards(&device.address()).len(), KEPT_CARDS);
        contacts.remove(&device.address());
        assert!(contacts.cards(&device.address()).is_empty());
    }
}
