//! The key that lets a sender put envelopes into a mailbox, and the hash of it that the relay keeps.

use std::hash::{Hash, Hasher};

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{Address, LengthError, text};

const TAG: &[u8] = b"sealpost/v1/delivery-key";

/// 32 random bytes that the owner of a mailbox gives to those who may send to it. Erased on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct DeliveryKey([u8; 32]);

/// What the relay keeps of a delivery key: SHA-256 over a domain tag, the address and the key. Compared in constant time.
#[derive(Clone, Copy)]
pub struct DeliveryKeyHash([u8; 32]);

/// A text that is no delivery key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a delivery key is 43 characters of unpadded base64url")]
pub struct DeliveryKeyError;

impl DeliveryKey {
    /// Makes a fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The secret bytes, for storage and for the relay.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The text form: 43 characters of base64url without padding. It is as secret as the key.
    pub fn to_text(&self) -> String {
        text::to_base64url(&self.0)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`DeliveryKeyError`] unless it is the one encoding of 32 bytes.
    pub fn from_text(text: &str) -> Result<Self, DeliveryKeyError> {
        let bytes = Zeroizing::new(text::from_base64url(text).ok_or(DeliveryKeyError)?);
        Self::try_from(bytes.as_slice()).map_err(|_| DeliveryKeyError)
    }

    /// What the relay keeps of this key for the mailbox at `address`.
    pub fn hash(&self, address: &Address) -> DeliveryKeyHash {
        let hash = Sha256::new().chain_update(TAG).chain_update(address.as_bytes()).chain_update(self.0);
        DeliveryKeyHash(hash.finalize().into())
    }
}

impl DeliveryKeyHash {
    /// The bytes, as they travel and are stored.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<&[u8]> for DeliveryKey {
    type Error = LengthError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(LengthError { what: "delivery key", expected: 32 }),
        }
    }
}

impl TryFrom<&[u8]> for DeliveryKeyHash {
    type Error = LengthError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        match bytes.try_into() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Err(LengthError { what: "delivery key hash", expected: 32 }),
        }
    }
}

impl PartialEq for DeliveryKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for DeliveryKey {}

impl PartialEq for DeliveryKeyHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for DeliveryKeyHash {}

impl Hash for DeliveryKeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

redacted_debug!(DeliveryKey, DeliveryKeyHash);
