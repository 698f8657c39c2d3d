//! Proofs as they travel, and when to make another one.

use sealpost_core::{Audience, IdentityKey, Nonce, Operation, Proof};
use sealpost_proto::{Reason, v1};

use crate::Error;
use crate::clock::RelayClock;

/// Makes an owner's proofs for one relay, as they travel.
#[derive(Debug)]
pub struct Prover {
    audience: Audience,
    clock: RelayClock,
}

/// The second chances of one call: one for a wrong clock, one for a nonce that was seen before.
#[derive(Debug, Default)]
pub(crate) struct SecondChances {
    stale: bool,
    replayed: bool,
}

impl Prover {
    /// For the relay of this name.
    pub fn new(audience: Audience) -> Self {
        Self { audience, clock: RelayClock::default() }
    }

    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// A fresh proof, for one call.
    pub fn prove(&self, key: &IdentityKey, operation: Operation) -> v1::Proof {
        let nonce = Nonce::generate(&mut rand::rng());
        let proof = Proof::sign(key, &self.audience, operation, self.clock.now(), nonce);
        v1::Proof {
            audience: proof.audience.as_str().to_owned(),
            public_key: copied(proof.public_key.as_bytes()),
            unix_time: proof.time.as_secs(),
            nonce: copied(proof.nonce.as_bytes()),
            signature: copied(proof.signature.as_bytes()),
        }
    }

    /// Whether a fresh proof may cure this. Learns the relay's time where it says it.
    pub(crate) fn may_try_again(&self, error: &Error, chances: &mut SecondChances) -> bool {
        match error.reason() {
            Some(Reason::ProofStale) if !chances.stale => {
                chances.stale = true;
                self.clock.correct(error)
            }
            Some(Reason::ProofReplayed) if !chances.replayed => {
                chances.replayed = true;
                true
            }
            _ => false,
        }
    }
}

pub(crate) fn copied(bytes: &[u8]) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(bytes)
}
