//! A card: the owner's public keys, signed by the owner.

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::reader::Reader;
use crate::{
    Address, IdentityKey, IdentityPublicKey, SEALING_PUBLIC_KEYS_LEN, SealingKeyError, SealingPublicKeys, Signature,
    UnixTime,
};

const TAG: &[u8] = b"sealpost/v1/card";
const ID_TAG: &[u8] = b"sealpost/v1/card-id";
const VERSION: u8 = 0x01;

/// The length of a card in bytes.
pub const CARD_LEN: usize = 1 + 32 + SEALING_PUBLIC_KEYS_LEN + 8 + 8 + Signature::LEN;
/// How far in the future a card's time of issue may lie, in seconds: clocks differ, but not by more than a day.
pub const CLOCK_SKEW_SECS: u64 = 86_400;

/// The owner's signing and sealing keys with the time for which they hold. A `Card` in memory always carries a valid
/// signature by the key in it; whose key that is, [`Card::check`] tells.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    identity: IdentityPublicKey,
    sealing: SealingPublicKeys,
    issued: UnixTime,
    expires: UnixTime,
    signature: Signature,
    id: CardId,
}

fixed_bytes! {
    /// The first 8 bytes of SHA-256 over a domain tag and the card: tells a person's cards apart.
    CardId, 8, "card id"
}

/// Why a card is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CardError {
    /// Not the length of a card.
    #[error("the card is too short or too long")]
    Length,
    /// A version that this code does not know.
    #[error("the card has an unknown version")]
    Version,
    /// The signing key is not a usable public key.
    #[error("the card's identity key is malformed")]
    IdentityKey,
    /// The X-Wing key is not one.
    #[error("the card's X-Wing key is malformed")]
    SealingKey,
    /// It expires before it is issued, or at once.
    #[error("the card expires before it is issued")]
    Lifetime,
    /// The signature is not the card's own key's.
    #[error("the card's signature is wrong")]
    Signature,
    /// It is somebody else's.
    #[error("the card belongs to another address")]
    WrongOwner,
    /// Its time is over.
    #[error("the card is expired")]
    Expired,
    /// Its time of issue lies more than a day ahead.
    #[error("the card is not valid yet")]
    NotYetValid,
}

impl Card {
    /// Makes a card that holds from `issued` until just before `expires`.
    ///
    /// # Errors
    /// [`CardError::Lifetime`] unless `issued` is before `expires`.
    pub fn sign(
        key: &IdentityKey,
        sealing: &SealingPublicKeys,
        issued: UnixTime,
        expires: UnixTime,
    ) -> Result<Self, CardError> {
        if issued >= expires {
            return Err(CardError::Lifetime);
        }
        let identity = key.public();
        let fields = fields(&identity, sealing, issued, expires);
        let signature = key.sign(&[TAG, &fields].concat());
        let id = CardId::of(&fields, &signature);
        Ok(Self { identity, sealing: sealing.clone(), issued, expires, signature, id })
    }

    /// Reads a card and checks its signature.
    ///
    /// # Errors
    /// The first that is wrong of: length, version, identity key, X-Wing key, lifetime, signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, CardError> {
        if bytes.len() != CARD_LEN {
            return Err(CardError::Length);
        }
        let card = Self::read(&mut Reader::new(bytes))?;
        let signed = [TAG, &card.fields()].concat();
        card.identity.verify(&signed, &card.signature).map_err(|_| CardError::Signature)?;
        Ok(card)
    }

    /// Checks that this is the card of the owner of `expected`, and that it holds at `now`.
    ///
    /// # Errors
    /// [`CardError::WrongOwner`], [`CardError::Expired`] or [`CardError::NotYetValid`].
    pub fn check(&self, expected: &Address, now: UnixTime) -> Result<(), CardError> {
        if self.address() != *expected {
            Err(CardError::WrongOwner)
        } else if now >= self.expires {
            Err(CardError::Expired)
        } else if self.issued > now.saturating_add(CLOCK_SKEW_SECS) {
            Err(CardError::NotYetValid)
        } else {
            Ok(())
        }
    }

    /// The address of the mailbox whose owner signed this.
    pub fn address(&self) -> Address {
        self.identity.address()
    }

    /// What tells this card from the owner's others.
    pub fn id(&self) -> CardId {
        self.id
    }

    /// The owner's signing key.
    pub fn identity(&self) -> &IdentityPublicKey {
        &self.identity
    }

    /// The keys to seal to.
    pub fn sealing_keys(&self) -> &SealingPublicKeys {
        &self.sealing
    }

    /// When it was signed, by the owner's clock.
    pub fn issued(&self) -> UnixTime {
        self.issued
    }

    /// The first second at which it no longer holds.
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Whether this was issued after `other`. A client keeps the newer card and never goes back.
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self.issued > other.issued
    }

    /// The bytes, [`CARD_LEN`] of them, as they travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.fields();
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CardError> {
        if reader.u8().ok_or(CardError::Length)? != VERSION {
            return Err(CardError::Version);
        }
        let identity = reader.bytes(32).ok_or(CardError::Length)?;
        let identity = identity.try_into().map_err(|_| CardError::IdentityKey)?;
        let sealing = reader.bytes(SEALING_PUBLIC_KEYS_LEN).ok_or(CardError::Length)?;
        let sealing = sealing.try_into()?;
        let issued = UnixTime(reader.u64().ok_or(CardError::Length)?);
        let expires = UnixTime(reader.u64().ok_or(CardError::Length)?);
        if issued >= expires {
            return Err(CardError::Lifetime);
        }
        let signature = Signature::from_bytes(*reader.array().ok_or(CardError::Length)?);
        let id = CardId::of(&fields(&identity, &sealing, issued, expires), &signature);
        Ok(Self { identity, sealing, issued, expires, signature, id })
    }

    fn fields(&self) -> Vec<u8> {
        fields(&self.identity, &self.sealing, self.issued, self.expires)
    }
}

impl CardId {
    fn of(fields: &[u8], signature: &Signature) -> Self {
        let hash =
            Sha256::new().chain_update(ID_TAG).chain_update(fields).chain_update(signature.as_bytes()).finalize();
        let mut id = [0; Self::LEN];
        id.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl From<SealingKeyError> for CardError {
    fn from(_: SealingKeyError) -> Self {
        Self::SealingKey
    }
}

/// Everything before the signature.
fn fields(identity: &IdentityPublicKey, sealing: &SealingPublicKeys, issued: UnixTime, expires: UnixTime) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(CARD_LEN);
    bytes.push(VERSION);
    bytes.extend_from_slice(identity.as_bytes());
    bytes.extend_from_slice(&sealing.to_bytes());
    bytes.extend_from_slice(&issued.as_secs().to_be_bytes());
    bytes.extend_from_slice(&expires.as_secs().to_be_bytes());
    bytes
}

redacted_debug!(Card);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SealingKeys;

    #[test]
    fn the_card_issued_later_is_newer() {
        let key = IdentityKey::from_seed([1; 32]);
        let sealing = SealingKeys::from_bytes(&[2; 64]).public();
        let issued = |at| Card::sign(&key, &sealing, UnixTime(at), UnixTime(100)).unwrap();
        assert!(issued(2).is_newer_than(&issued(1)));
        assert!(!issued(1).is_newer_than(&issued(1)));
        assert!(!issued(1).is_newer_than(&issued(2)));
    }
}
