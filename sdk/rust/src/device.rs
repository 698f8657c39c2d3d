//! What makes a device: the owner's secret keys and card.

use std::fmt;

use sealpost_core::rand_core::CryptoRng;
use sealpost_core::{
    Address, Card, CardError, DeliveryKey, Hour, IdentityKey, Introduction, Invite, RelayHost, SealError, SealingKeys,
    SenderKeys, UnixTime,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::device_file::DeviceFile;

/// How long a new card holds: 90 days, in seconds.
pub const CARD_LIFETIME_SECS: u64 = 90 * 86_400;
/// How many earlier sealing keys a device keeps to open what is still on its way.
pub const KEPT_SEALING_KEYS: usize = 4;
/// How many delivery keys a mailbox may have at most by a relay's default.
pub const MAX_DELIVERY_KEYS: usize = 16;

/// The secret state of a mailbox's owner: identity, sealing keys, delivery keys, and the card that shows the public
/// halves. Store it as JSON ([`Device::to_json`] or serde) where only the owner can read it. Erased on drop.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "DeviceFile", into = "DeviceFile")]
pub struct Device {
    pub(crate) identity: IdentityKey,
    /// Newest first; never empty.
    pub(crate) sealing: Vec<SealingKeys>,
    pub(crate) delivery_keys: Vec<DeliveryGrant>,
    pub(crate) card: Card,
}

/// A delivery key and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryGrant {
    /// The key.
    pub key: DeliveryKey,
    /// The hour at whose start the relay refuses it; `None`: it does not end.
    pub expires: Option<Hour>,
}

/// A device that cannot be read, or made so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// Not JSON of a device.
    #[error("this is not a stored device")]
    Format,
    /// Written by a later version of this code.
    #[error("the device was stored by a later version")]
    Version,
    /// A key is not base64url of the right length.
    #[error("a stored key is malformed")]
    Key,
    /// The card is malformed, or another identity's.
    #[error("the stored card is refused: {0}")]
    Card(#[from] CardError),
    /// No sealing keys, or the newest are not the card's.
    #[error("the sealing keys are not the card's")]
    SealingKeys,
    /// There are as many delivery keys as a mailbox may have.
    #[error("a mailbox has at most {MAX_DELIVERY_KEYS} delivery keys")]
    TooManyDeliveryKeys,
}

impl Device {
    /// A new identity with a card that holds from now on, and one delivery key that does not end.
    pub fn generate(rng: &mut impl CryptoRng, now: UnixTime) -> Self {
        let identity = IdentityKey::generate(rng);
        let sealing = SealingKeys::generate(rng);
        let card = new_card(&identity, &sealing, now);
        let grant = DeliveryGrant { key: DeliveryKey::generate(rng), expires: None };
        Self { identity, sealing: vec![sealing], delivery_keys: vec![grant], card }
    }

    /// A new identity now, by the system's clock and random numbers.
    pub fn new() -> Self {
        Self::generate(&mut rand::rng(), crate::clock::now())
    }

    /// The address of the device's mailbox.
    pub fn address(&self) -> Address {
        self.identity.address()
    }

    /// The identity's secret key.
    pub fn identity(&self) -> &IdentityKey {
        &self.identity
    }

    /// The card that others fetch.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The secret sealing keys, newest first.
    pub fn sealing_keys(&self) -> &[SealingKeys] {
        &self.sealing
    }

    /// The delivery keys, newest first.
    pub fn delivery_keys(&self) -> &[DeliveryGrant] {
        &self.delivery_keys
    }

    /// What to give to somebody who may write: the relay, the address, and the delivery key that holds longest (of
    /// several without an end, the newest). `None` if there is no delivery key left.
    pub fn invite(&self, relay: &RelayHost) -> Option<Invite> {
        let lasts = |grant: &&DeliveryGrant| grant.expires.map_or(u32::MAX, |hour| hour.0);
        // Newest first; of equals, the last maximum is taken.
        let grant = self.delivery_keys.iter().rev().max_by_key(lasts)?;
        Some(Invite { relay: relay.clone(), address: self.address(), delivery_key: grant.key.clone() })
    }

    /// Invite and card for somebody who does not know the device yet; travels inside a message.
    pub fn introduction(&self, relay: &RelayHost) -> Option<Introduction> {
        Some(Introduction { invite: self.invite(relay)?, card: self.card.clone() })
    }

    /// New sealing keys with a new card; tell the relay by `update_mailbox`. Earlier keys are kept for what is on its
    /// way, [`KEPT_SEALING_KEYS`] of them.
    pub fn rotate(&mut self, rng: &mut impl CryptoRng, now: UnixTime) {
        let sealing = SealingKeys::generate(rng);
        self.card = new_card(&self.identity, &sealing, now);
        self.sealing.insert(0, sealing);
        self.sealing.truncate(1 + KEPT_SEALING_KEYS);
    }

    /// A new card for the same sealing keys, before the old one expires; tell the relay by `update_mailbox`.
    pub fn renew_card(&mut self, now: UnixTime) {
        if let Some(sealing) = self.sealing.first() {
            self.card = new_card(&self.identity, sealing, now);
        }
    }

    /// Whether the card has less than a third of its time left: time for [`Device::rotate`] or [`Device::renew_card`].
    pub fn card_is_due(&self, now: UnixTime) -> bool {
        now.saturating_add(CARD_LIFETIME_SECS / 3) >= self.card.expires()
    }

    /// One more delivery key, which invites use from now on; tell the relay by `update_mailbox`.
    ///
    /// # Errors
    /// [`DeviceError::TooManyDeliveryKeys`].
    pub fn add_delivery_key(
        &mut self,
        rng: &mut impl CryptoRng,
        expires: Option<Hour>,
    ) -> Result<DeliveryKey, DeviceError> {
        if self.delivery_keys.len() >= MAX_DELIVERY_KEYS {
            return Err(DeviceError::TooManyDeliveryKeys);
        }
        let key = DeliveryKey::generate(rng);
        self.delivery_keys.insert(0, DeliveryGrant { key: key.clone(), expires });
        Ok(key)
    }

    /// Takes a delivery key away from those who have it, once the relay is told by `update_mailbox`. `false` if there
    /// is no such key.
    pub fn remove_delivery_key(&mut self, key: &DeliveryKey) -> bool {
        let before = self.delivery_keys.len();
        self.delivery_keys.retain(|grant| grant.key != *key);
        self.delivery_keys.len() < before
    }

    /// The device as JSON with all its secrets.
    ///
    /// # Errors
    /// [`DeviceError::Format`], which no device causes.
    pub fn to_json(&self) -> Result<Zeroizing<String>, DeviceError> {
        serde_json::to_string_pretty(self).map(Zeroizing::new).map_err(|_| DeviceError::Format)
    }

    /// Reads what [`Device::to_json`] wrote, and checks that it fits together.
    ///
    /// # Errors
    /// The first that is wrong, see [`DeviceError`].
    pub fn from_json(json: &str) -> Result<Self, DeviceError> {
        let file: DeviceFile = serde_json::from_str(json).map_err(|_| DeviceError::Format)?;
        file.try_into()
    }

    pub(crate) fn sender_keys(&self) -> Result<SenderKeys<'_>, SealError> {
        SenderKeys::new(&self.card, self.sealing.first().ok_or(SealError::KeyMismatch)?)
    }
}

impl Default for Device {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Device(..)")
    }
}

fn new_card(identity: &IdentityKey, sealing: &SealingKeys, now: UnixTime) -> Card {
    let mut issued = now;
    loop {
        let expires = issued.saturating_add(CARD_LIFETIME_SECS);
        match Card::sign(identity, &sealing.public(), issued, expires) {
            Ok(card) => return card,
            // Only at the end of time does a card expire as it is issued.
            Err(_) => issued = issued.saturating_sub(CARD_LIFETIME_SECS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::generate(&mut rand::rng(), UnixTime(1_800_000_000))
    }

    #[test]
    fn a_device_survives_storage() {
        let mut device = device();
        device.add_delivery_key(&mut rand::rng(), Some(Hour(500_500))).unwrap();
        device.rotate(&mut rand::rng(), UnixTime(1_800_000_100));
        let copy = Device::from_json(&device.to_json().unwrap()).unwrap();
        assert!(copy.address() == device.address());
        assert!(copy.card() == device.card());
        assert_eq!(copy.delivery_keys(), device.delivery_keys());
        assert_eq!(copy.to_json().unwrap(), device.to_json().unwrap());
    }

    #[test]
    fn an_invite_holds_the_key_that_holds_longest() {
        let host: RelayHost = "relay.example.org".parse().unwrap();
        let mut device = device();
        let for_ever = device.invite(&host).unwrap().delivery_key;
        device.add_delivery_key(&mut rand::rng(), Some(Hour(500_500))).unwrap();
        assert!(device.invite(&host).unwrap().delivery_key.as_bytes() == for_ever.as_bytes());
        let newest = device.add_delivery_key(&mut rand::rng(), None).unwrap();
        assert!(device.invite(&host).unwrap().delivery_key.as_bytes() == newest.as_bytes());
    }

    #[test]
    fn a_device_that_does_not_fit_together_is_refused() {
        let (one, other) = (device(), device());
        let mut mixed = one.clone();
        mixed.card = other.card.clone();
        let mixed = Device::from_json(&mixed.to_json().unwrap());
        assert_eq!(mixed.err(), Some(DeviceError::Card(CardError::WrongOwner)));
        let mut mixed = one;
        mixed.sealing = other.sealing;
        let mixed = Device::from_json(&mixed.to_json().unwrap());
        assert_eq!(mixed.err(), Some(DeviceError::SealingKeys));
        assert_eq!(Device::from_json("{}").err(), Some(DeviceError::Format));
    }

    #[test]
    fn a_card_is_due_before_it_expires() {
        let device = device();
        let issued = device.card().issued();
        assert!(!device.card_is_due(issued));
        assert!(device.card_is_due(issued.saturating_add(CARD_LIFETIME_SECS * 2 / 3)));
    }

    #[test]
    fn rotation_keeps_a_limited_number_of_keys() {
        let mut device = device();
        for day in 0..10 {
            device.rotate(&mut rand::rng(), UnixTime(1_800_000_000 + day));
        }
        assert_eq!(device.sealing_keys().len(), 1 + KEPT_SEALING_KEYS);
        assert!(device.sender_keys().is_ok());
    }

    #[test]
    fn the_end_of_time_has_cards_too() {
        let device = Device::generate(&mut rand::rng(), UnixTime(u64::MAX));
        assert!(device.sender_keys().is_ok());
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", device()), "Device(..)");
    }
}
