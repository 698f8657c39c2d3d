//! A mailbox owner's signing key (Ed25519, RFC 8032).

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Address;

/// The secret key of a mailbox's owner. It signs proofs and cards; whoever has it is the owner. Erased on drop.
#[derive(Clone)]
pub struct IdentityKey(SigningKey);

/// The public key of a mailbox's owner: a point on the curve that is not of small order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityPublicKey(VerifyingKey);

fixed_bytes! {
    /// An Ed25519 signature; worth nothing until it is verified.
    Signature, 64, "signature"
}

/// Bytes that are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentityKeyError {
    /// Not 32 bytes.
    #[error("a public key has 32 bytes")]
    Length,
    /// Not the one encoding of a point on the curve, or a point of small order, for which anyone can sign.
    #[error("the bytes are not a usable public key")]
    NotAKey,
}

/// A signature that this key did not make over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the signature is wrong")]
pub struct BadSignature;

impl IdentityKey {
    /// Makes a fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self(SigningKey::from_bytes(&seed))
    }

    /// The key that [`IdentityKey::seed`] gave for storage.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self(SigningKey::from_bytes(&seed))
    }

    /// The 32 secret bytes from which the whole key is made: what to store, and to guard.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public half.
    pub fn public(&self) -> IdentityPublicKey {
        IdentityPublicKey(self.0.verifying_key())
    }

    /// The address of the mailbox that this key owns.
    pub fn address(&self) -> Address {
        self.public().address()
    }

    /// Signs bytes. The caller begins them with a domain tag that nothing else uses.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        Signature::from_bytes(self.0.sign(bytes).to_bytes())
    }
}

impl IdentityPublicKey {
    /// The 32 bytes of RFC 8032 §5.1.2.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The address of the mailbox that this key's holder owns.
    pub fn address(&self) -> Address {
        Address::of(self)
    }

    /// Checks a signature by the strict rules, so that all implementations agree on every signature: canonical encodings,
    /// no points of small order, no cofactor.
    ///
    /// # Errors
    /// [`BadSignature`] if it is not this key's over exactly these bytes.
    pub fn verify(&self, bytes: &[u8], signature: &Signature) -> Result<(), BadSignature> {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        self.0.verify_strict(bytes, &signature).map_err(|_| BadSignature)
    }
}

impl TryFrom<&[u8]> for IdentityPublicKey {
    type Error = IdentityKeyError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        let bytes = bytes.try_into().map_err(|_| IdentityKeyError::Length)?;
        match VerifyingKey::from_bytes(bytes) {
            Ok(key) if is_reduced(bytes) && !key.is_weak() => Ok(Self(key)),
            _ => Err(IdentityKeyError::NotAKey),
        }
    }
}

/// Whether the y coordinate is below 2^255 − 19 (RFC 8032 §5.1.3), so that a key has one encoding and one address.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *high & 0x7f != 0x7f || middle.iter().any(|byte| *byte != 0xff) || *low < 0xed
}

redacted_debug!(IdentityKey, IdentityPublicKey);
