//! The sender's authentication: HPKE auth mode over the transcript, with nothing to encrypt.

use rand_core::CryptoRng;
use sha2::{Digest, Sha256};

use crate::kem::{self, Sealed, TAG_LEN, UnusableKey, X25519_ENC_LEN, X25519_KEY_LEN, X25519Secret};
use crate::{Address, CardId};

use super::Suite;
use super::body::COMMITMENT_LEN;

const INFO: &[u8] = b"sealpost/v1/auth";
const TAG: &[u8] = b"sealpost/v1/transcript";

/// What the sender authenticates: everything by which one envelope differs from another.
#[derive(Clone)]
pub(super) struct Transcript(Vec<u8>);

/// The authentication as the header carries it.
#[derive(Clone, Copy)]
pub(super) struct Authentication {
    pub(super) enc: [u8; X25519_ENC_LEN],
    pub(super) tag: [u8; TAG_LEN],
}

/// Who writes to whom, with which card of the sender.
#[derive(Clone, Copy)]
pub(super) struct Parties {
    pub(super) recipient: Address,
    pub(super) sender: Address,
    pub(super) sender_card: CardId,
}

impl Transcript {
    pub(super) fn new(suite: Suite, parties: &Parties, enc: &[u8], body: &[u8], body_hash: &[u8; 32]) -> Self {
        let commitment = body.get(..COMMITMENT_LEN).unwrap_or_default();
        let bytes = [
            TAG,
            &[suite.code()],
            parties.recipient.as_bytes(),
            parties.sender.as_bytes(),
            parties.sender_card.as_bytes(),
            &Sha256::digest(enc),
            commitment,
            body_hash,
        ]
        .concat();
        Self(bytes)
    }

    pub(super) fn authenticate(
        &self,
        sender: (&X25519Secret, &[u8; X25519_KEY_LEN]),
        recipient: &[u8; X25519_KEY_LEN],
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<Authentication, UnusableKey> {
        let Sealed { enc, ciphertext } = kem::authenticate(sender, recipient, INFO, &self.0, rng)?;
        let enc = enc.try_into().map_err(|_| UnusableKey)?;
        let tag = ciphertext.try_into().map_err(|_| UnusableKey)?;
        Ok(Authentication { enc, tag })
    }

    pub(super) fn is_authentic(
        &self,
        auth: &Authentication,
        recipient: &X25519Secret,
        sender: &[u8; X25519_KEY_LEN],
    ) -> bool {
        kem::is_authentic(recipient, sender, &auth.enc, INFO, &self.0, &auth.tag)
    }
}
