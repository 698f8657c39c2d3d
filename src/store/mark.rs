//! Short hashes: enough to know something again, too little to show it.

use sealpost_core::{Address, Hour, Nonce, VoucherId};
use sha2::{Digest, Sha256};

use super::SessionId;

/// Bytes of a mark.
pub(super) const MARK_LEN: usize = 16;

/// That a proof was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceMark {
    /// The hour of the proof's own time.
    pub hour: Hour,
    /// Of the address and the nonce, so that it leads back to neither.
    pub hash: [u8; MARK_LEN],
}

impl NonceMark {
    /// Of a proof of this owner's.
    pub fn new(hour: Hour, address: &Address, nonce: &Nonce) -> Self {
        Self { hour, hash: mark(&[address.as_bytes(), nonce.as_bytes()]) }
    }
}

/// What is kept of a session.
pub(super) fn of_session(session: &SessionId) -> [u8; MARK_LEN] {
    mark(&[&session.0])
}

/// What is kept of the mailbox that a voucher admitted.
pub(super) fn of_voucher(voucher: &VoucherId, mailbox: &Address) -> [u8; MARK_LEN] {
    mark(&[voucher.as_bytes(), mailbox.as_bytes()])
}

/// The first 16 bytes of SHA-256 over parts of fixed lengths.
fn mark(parts: &[&[u8]]) -> [u8; MARK_LEN] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut mark = [0; MARK_LEN];
    mark.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    mark
}
