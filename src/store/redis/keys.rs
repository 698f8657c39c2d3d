//! The names of keys and channels. All of a mailbox's carry the hash tag `{address}`, so that they share a cluster slot.
//!
//! | name | what |
//! |---|---|
//! | `m:{a}` | hash: counters, session and delivery keys of a mailbox |
//! | `q:{a}` | stream: its envelopes, ids `0-<sequence>` |
//! | `c:{a}` | string: its card |
//! | `w:{a}` | sharded channel: its events |
//! | `n:{<hour>.<shard>}` | set: nonces of proofs made in that hour |
//! | `v:{<voucher>}` | string: which mailbox a voucher admitted, hashed |
//! | `x:{<relay>}` | sharded channel: a relay's own canary |
//!
//! `a` is the address in base64url: shorter than bech32m, and free of braces.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpost_core::{Address, VoucherId};

use super::slots;
use crate::store::NonceMark;

const ADDRESS_CHARS: usize = 43;

/// A name of up to 47 bytes, on the stack.
pub(super) type MailboxKey = [u8; ADDRESS_CHARS + 4];

/// The hash of a mailbox.
pub(super) fn mailbox(address: &Address) -> MailboxKey {
    named(b'm', address)
}

/// The stream of a mailbox.
pub(super) fn queue(address: &Address) -> MailboxKey {
    named(b'q', address)
}

/// The card of a mailbox.
pub(super) fn card(address: &Address) -> MailboxKey {
    named(b'c', address)
}

/// The channel of a mailbox.
pub(super) fn channel(address: &Address) -> MailboxKey {
    named(b'w', address)
}

/// Whose channel it is.
pub(super) fn address_of_channel(channel: &[u8]) -> Option<Address> {
    let text = channel.strip_prefix(b"w:{")?.strip_suffix(b"}")?;
    // The decoder estimates its output with a byte to spare.
    let mut bytes = [0; 33];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    Address::try_from(bytes.get(..length)?).ok()
}

/// The set in which a proof's nonce is remembered. Sharded by the nonce, so that no cluster node has all of them.
pub(super) fn nonces(mark: &NonceMark) -> String {
    let [shard, ..] = mark.hash;
    format!("n:{{{}.{shard}}}", mark.hour.0)
}

/// Where it is remembered what a voucher was spent for.
pub(super) fn voucher(id: &VoucherId) -> String {
    format!("v:{{{}}}", URL_SAFE_NO_PAD.encode(id.as_bytes()))
}

/// A relay's own canary channel.
pub(super) fn canary(name: &[u8; 16]) -> String {
    format!("x:{{{}}}", URL_SAFE_NO_PAD.encode(name))
}

/// The cluster slot of a mailbox.
pub(super) fn slot(address: &Address) -> u16 {
    let mut tag = [0; ADDRESS_CHARS];
    // 32 bytes are 43 characters: it fits.
    let _ = URL_SAFE_NO_PAD.encode_slice(address.as_bytes(), &mut tag);
    slots::of_tag(&tag)
}

/// The cluster slot of a canary's channel.
pub(super) fn slot_of_canary(name: &[u8; 16]) -> u16 {
    let mut tag = [0; 22];
    let _ = URL_SAFE_NO_PAD.encode_slice(name, &mut tag);
    slots::of_tag(&tag)
}

/// The cluster slot of a key of ours: of what stands between its braces.
pub(super) fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or(key, |(tag, _)| tag);
    slots::of_tag(tag.as_bytes())
}

fn named(kind: u8, address: &Address) -> MailboxKey {
    let mut name = [b'}'; ADDRESS_CHARS + 4];
    let [first, colon, open, text @ .., _] = &mut name;
    (*first, *colon, *open) = (kind, b':', b'{');
    // 32 bytes are 43 characters: it fits.
    let _ = URL_SAFE_NO_PAD.encode_slice(address.as_bytes(), text);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_leads_back_to_its_address() {
        for byte in [0, b'}', b'{', 255] {
            let address = Address::from_bytes([byte; 32]);
            let name = channel(&address);
            assert_eq!(name.len(), 47);
            assert!(name.starts_with(b"w:{") && name.ends_with(b"}"));
            assert_eq!(name.iter().filter(|byte| **byte == b'}').count(), 1);
            assert_eq!(address_of_channel(&name), Some(address));
        }
        assert_eq!(slot(&Address::from_bytes([7; 32])), slot_of(&format!("m:{{{}}}", URL_SAFE_NO_PAD.encode([7; 32]))));
        assert_eq!(slot_of_canary(&[7; 16]), slot_of(&canary(&[7; 16])));
        assert_eq!(address_of_channel(b"w:{}"), None);
        assert_eq!(address_of_channel(b"m:{AAAA}"), None);
    }
}
