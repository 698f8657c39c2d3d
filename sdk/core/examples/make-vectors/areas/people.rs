//! The cast of the vectors.

use sealpost_core::{
    Address, Audience, Card, DeliveryKey, IdentityKey, Invite, RelayHost, SealingKeys, SenderKeys, UnixTime,
};

use super::drbg::Drbg;

/// The time at which all of it happens: 2027-01-15T08:00:00Z.
pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(crate) const DAY: u64 = 86_400;

pub(crate) struct Person {
    pub(crate) identity: IdentityKey,
    pub(crate) keys: SealingKeys,
    pub(crate) card: Card,
    pub(crate) delivery_key: DeliveryKey,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        let mut rng = Drbg::new(name);
        let identity = IdentityKey::generate(&mut rng);
        let keys = SealingKeys::generate(&mut rng);
        let delivery_key = DeliveryKey::generate(&mut rng);
        let card = card(&identity, &keys, NOW.0 - DAY, NOW.0 + 30 * DAY);
        Self { identity, keys, card, delivery_key }
    }

    /// The same person with a card of another lifetime.
    pub(crate) fn with_card(name: &str, issued: u64, expires: u64) -> Self {
        let mut person = Self::new(name);
        person.card = card(&person.identity, &person.keys, issued, expires);
        person
    }

    pub(crate) fn address(&self) -> Address {
        self.identity.address()
    }

    pub(crate) fn sender(&self) -> SenderKeys<'_> {
        SenderKeys::new(&self.card, &self.keys).unwrap()
    }

    pub(crate) fn invite(&self) -> Invite {
        let relay: RelayHost = "relay.example.org".parse().unwrap();
        Invite { relay, address: self.address(), delivery_key: self.delivery_key.clone() }
    }
}

pub(crate) fn card(identity: &IdentityKey, keys: &SealingKeys, issued: u64, expires: u64) -> Card {
    Card::sign(identity, &keys.public(), UnixTime(issued), UnixTime(expires)).unwrap()
}

pub(crate) fn audience(text: &str) -> Audience {
    text.parse().unwrap()
}
