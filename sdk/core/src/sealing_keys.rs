//! The keys that envelopes are sealed to: X25519 and X-Wing, side by side.

use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::kem::{self, X_WING_PUBLIC_LEN, X_WING_SEED_LEN, X25519, X25519_KEY_LEN, X25519Secret, XWing, XWingSecret};

/// The length of [`SealingKeys`] in storage, in bytes.
pub const SEALING_KEYS_LEN: usize = X25519_KEY_LEN + X_WING_SEED_LEN;
/// The length of [`SealingPublicKeys`] in a card, in bytes.
pub const SEALING_PUBLIC_KEYS_LEN: usize = X25519_KEY_LEN + X_WING_PUBLIC_LEN;

/// A recipient's secret keys: an X25519 scalar (RFC 7748) and an X-Wing seed. Erased on drop.
///
/// They rotate: a device keeps the old ones until nothing sealed to them can arrive any more.
#[derive(Clone)]
pub struct SealingKeys {
    bytes: Zeroizing<[u8; SEALING_KEYS_LEN]>,
    x25519: X25519Secret,
    /// Boxed, as it holds its expanded public key.
    x_wing: Box<XWingSecret>,
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
        let mut bytes = Zeroizing::new([0; SEALING_KEYS_LEN]);
        rng.fill_bytes(bytes.as_mut_slice());
        Self::from_bytes(&bytes)
    }

    /// The keys that [`SealingKeys::as_bytes`] gave for storage. Any 64 bytes are keys.
    pub fn from_bytes(bytes: &[u8; SEALING_KEYS_LEN]) -> Self {
        let mut x25519 = Zeroizing::new([0; X25519_KEY_LEN]);
        let mut x_wing = Zeroizing::new([0; X_WING_SEED_LEN]);
        let (first, second) = bytes.split_at(X25519_KEY_LEN);
        x25519.copy_from_slice(first);
        x_wing.copy_from_slice(second);
        Self {
            bytes: Zeroizing::new(*bytes),
            x25519: kem::secret::<X25519>(&x25519),
            x_wing: Box::new(kem::secret::<XWing>(&x_wing)),
        }
    }

    /// The secret bytes for storage: the X25519 scalar (32), then the X-Wing seed (32).
    pub fn as_bytes(&self) -> &[u8; SEALING_KEYS_LEN] {
        &self.bytes
    }

    /// The public halves.
    pub fn public(&self) -> SealingPublicKeys {
        SealingPublicKeys {
            x25519: kem::public::<X25519, X25519_KEY_LEN>(&self.x25519),
            x_wing: Box::new(kem::public::<XWing, X_WING_PUBLIC_LEN>(&self.x_wing)),
        }
    }

    pub(crate) fn x25519(&self) -> &X25519Secret {
        &self.x25519
    }

    pub(crate) fn x_wing(&self) -> &XWingSecret {
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
        if !kem::is_x_wing_public(x_wing) {
            return Err(SealingKeyError::XWing);
        }
        Ok(Self { x25519: *x25519, x_wing: Box::new(*x_wing) })
    }
}

redacted_debug!(SealingKeys, SealingPublicKeys);
