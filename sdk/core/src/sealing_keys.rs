//! The keys that envelopes are sealed to: X25519 and X-Wing, side by side.

use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::kem::{
    X_WING_PUBLIC_LEN, X_WING_SEED_LEN, X25519_KEY_LEN, is_x_wing_public, x_wing_public,
    x25519_public,
};

/// The length of [`SealingKeys`] in storage, in bytes.
pub const SEALING_KEYS_LEN: usize = X25519_KEY_LEN + X_WING_SEED_LEN;
/// The length of [`SealingPublicKeys`] in a card, in bytes.
pub const SEALING_PUBLIC_KEYS_LEN: usize = X25519_KEY_LEN + X_WING_PUBLIC_LEN;

/// A recipient's secret keys: an X25519 scalar (RFC 7748) and an X-Wing seed. Erased on drop.
///
/// They rotate: a device keeps the old ones until nothing sealed to them can arrive any more.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealingKeys {
    x25519: [u8; X25519_KEY_LEN],
    x_wing: [u8; X_WING_SEED_LEN],
}

/// The public halves, as a card carries them.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingPublicKeys {
    x25519: [u8; X25519_KEY_LEN],
    x_wing: Box<[u8; X_WING_PUBLIC_LEN]>,
}

/// Bytes that are no sealing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealingKeyError {
    /// Another number of bytes.
    #[error("the sealing keys are too short or too long")]
    Length,
    /// The X-Wing half holds coefficients out of range.
    #[error("the X-Wing public key is malformed")]
    XWing,
}

impl SealingKeys {
    /// Makes fresh keys.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut keys = Self {
            x25519: [0; X25519_KEY_LEN],
            x_wing: [0; X_WING_SEED_LEN],
        };
        rng.fill_bytes(&mut keys.x25519);
        rng.fill_bytes(&mut keys.x_wing);
        keys
    }

    /// The keys that [`SealingKeys::to_bytes`] gave for storage. Any 64 bytes are keys.
    pub fn from_bytes(bytes: &[u8; SEALING_KEYS_LEN]) -> Self {
        let mut keys = Self {
            x25519: [0; X25519_KEY_LEN],
            x_wing: [0; X_WING_SEED_LEN],
        };
        let (x25519, x_wing) = bytes.split_at(X25519_KEY_LEN);
        keys.x25519.copy_from_slice(x25519);
        keys.x_wing.copy_from_slice(x_wing);
        keys
    }

    /// The secret bytes for storage: the X25519 scalar, then the X-Wing seed. Erasing them is the caller's duty.
    pub fn to_bytes(&self) -> [u8; SEALING_KEYS_LEN] {
        let mut bytes = [0; SEALING_KEYS_LEN];
        let (x25519, x_wing) = bytes.split_at_mut(X25519_KEY_LEN);
        x25519.copy_from_slice(&self.x25519);
        x_wing.copy_from_slice(&self.x_wing);
        bytes
    }

    /// The public halves.
    pub fn public(&self) -> SealingPublicKeys {
        SealingPublicKeys {
            x25519: x25519_public(&self.x25519),
            x_wing: Box::new(x_wing_public(&self.x_wing)),
        }
    }

    pub(crate) fn x25519(&self) -> &[u8; X25519_KEY_LEN] {
        &self.x25519
    }

    pub(crate) fn x_wing(&self) -> &[u8; X_WING_SEED_LEN] {
        &self.x_wing
    }
}

impl SealingPublicKeys {
    /// The bytes as a card carries them: X25519 (32), then X-Wing (1,216).
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.x25519.as_slice(), self.x_wing.as_slice()].concat()
    }

    pub(crate) fn x25519(&self) -> &[u8; X25519_KEY_LEN] {
        &self.x25519
    }

    pub(crate) fn x_wing(&self) -> &[u8; X_WING_PUBLIC_LEN] {
        &self.x_wing
    }
}

impl TryFrom<&[u8]> for SealingPublicKeys {
    type Error = SealingKeyError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        let (x25519, x_wing) = bytes.split_first_chunk().ok_or(SealingKeyError::Length)?;
        let x_wing = x_wing.try_into().map_err(|_| SealingKeyError::Length)?;
        if !is_x_wing_public(x_wing) {
            return Err(SealingKeyError::XWing);
        }
        Ok(Self {
            x25519: *x25519,
            x_wing: Box::new(*x_wing),
        })
    }
}

redacted_debug!(SealingKeys, SealingPublicKeys);
