//! The owner's proof: a signature that says "I, the owner of this mailbox, want this done at this relay now".

use thiserror::Error;

use crate::{Address, Audience, IdentityKey, IdentityPublicKey, Signature, UnixTime};

const TAG: &[u8] = b"sealpost/v1/proof";

/// An owner's proof for one operation.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The relay that it was made for.
    pub audience: Audience,
    /// The owner's key; the address follows from it.
    pub public_key: IdentityPublicKey,
    /// When it was made, by the owner's clock.
    pub time: UnixTime,
    /// Makes the proof usable once: the relay remembers nonces for as long as the time is accepted.
    pub nonce: Nonce,
    /// Over the domain tag and all the above with the address and the operation.
    pub signature: Signature,
}

/// What a proof permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Operation {
    /// Create the mailbox.
    CreateMailbox = 1,
    /// Change its delivery keys or its card.
    UpdateMailbox = 2,
    /// Delete it with all that it holds.
    DeleteMailbox = 3,
    /// See all that the relay holds on it.
    DescribeMailbox = 4,
    /// Receive its envelopes: `Receive`, `Subscribe`, or adding it to an open stream.
    OpenMailbox = 5,
}

fixed_bytes! {
    /// 16 random bytes, never used twice.
    Nonce, 16, "nonce"
}
random_bytes!(Nonce);

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// It was made for another relay.
    #[error("the proof was made for another relay")]
    WrongAudience,
    /// Its time is too far from the relay's, either way.
    #[error("the proof's time is too far from the relay's")]
    Stale,
    /// The signature is not the key's over these fields and this operation.
    #[error("the proof's signature is wrong")]
    BadSignature,
}

impl Proof {
    /// Makes a proof. `nonce` must be fresh.
    pub fn sign(key: &IdentityKey, audience: &Audience, operation: Operation, time: UnixTime, nonce: Nonce) -> Self {
        let public_key = key.public();
        let bytes = signed_bytes(audience, &public_key.address(), operation, time, &nonce);
        let signature = key.sign(&bytes);
        Self { audience: audience.clone(), public_key, time, nonce, signature }
    }

    /// Checks the proof, cheap things first, and gives the address whose owner made it. That the nonce is new remains to
    /// be checked.
    ///
    /// `accepted` are the relay's own names; `tolerance_secs` is how far the time may lie from `now` on either side.
    ///
    /// # Errors
    /// The first check that failed: audience, time, signature.
    pub fn verify(
        &self,
        accepted: &[Audience],
        operation: Operation,
        now: UnixTime,
        tolerance_secs: u64,
    ) -> Result<Address, ProofError> {
        if !accepted.contains(&self.audience) {
            return Err(ProofError::WrongAudience);
        }
        if self.time.abs_diff(now) > tolerance_secs {
            return Err(ProofError::Stale);
        }
        let address = self.public_key.address();
        let bytes = signed_bytes(&self.audience, &address, operation, self.time, &self.nonce);
        match self.public_key.verify(&bytes, &self.signature) {
            Ok(()) => Ok(address),
            Err(_) => Err(ProofError::BadSignature),
        }
    }
}

impl Operation {
    /// The byte that stands for it in a proof.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

fn signed_bytes(
    audience: &Audience,
    address: &Address,
    operation: Operation,
    time: UnixTime,
    nonce: &Nonce,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TAG.len() + 1 + audience.as_str().len() + 32 + 1 + 8 + 16);
    bytes.extend_from_slice(TAG);
    audience.write_to(&mut bytes);
    bytes.extend_from_slice(address.as_bytes());
    bytes.push(operation.code());
    bytes.extend_from_slice(&time.as_secs().to_be_bytes());
    bytes.extend_from_slice(nonce.as_bytes());
    bytes
}

redacted_debug!(Proof);
