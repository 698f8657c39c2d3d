//! How many parts a message has, before memory is taken for them.
//!
//! An empty part is two bytes on the wire and a hundred or more in memory, so a message within its size limit could take
//! a hundred times that limit. An honest part is longer than [`PART_BYTES`]: it holds a key, a hash or an envelope.

use std::any::TypeId;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::v1;

/// A message has at most one part for so many of its bytes,
const PART_BYTES: usize = 32;
/// and so many beside.
const SOME: usize = 64;

/// Holds a message of this type to the parts that its length allows; the error is how many these are.
pub(crate) fn check<M: 'static>(bytes: &[u8]) -> Result<(), usize> {
    let path = parts_of(TypeId::of::<M>());
    let most = SOME + bytes.len() / PART_BYTES;
    if path.is_empty() || count(bytes, path, most) <= most { Ok(()) } else { Err(most) }
}

/// The numbers of the fields that lead to the parts of a request.
fn parts_of(message: TypeId) -> &'static [u32] {
    if message == TypeId::of::<v1::SendStreamRequest>() {
        &[1]
    } else if message == TypeId::of::<v1::ReceiveRequest>() || message == TypeId::of::<v1::SubscribeRequest>() {
        &[1, 1]
    } else if message == TypeId::of::<v1::CreateMailboxRequest>() {
        &[2]
    } else if message == TypeId::of::<v1::UpdateMailboxRequest>() {
        &[2, 1]
    } else {
        &[]
    }
}

/// Counts, but not much further than `most`; and up to where the bytes are malformed, for what comes then is not decoded.
fn count(mut bytes: &[u8], path: &[u32], most: usize) -> usize {
    let Some((field, inner)) = path.split_first() else { return 1 };
    let mut parts = 0;
    while parts <= most
        && let Ok((number, kind)) = decode_key(&mut bytes)
    {
        if number == *field && kind == WireType::LengthDelimited {
            let length = decode_varint(&mut bytes).ok().and_then(|length| usize::try_from(length).ok());
            let Some((part, rest)) = length.and_then(|length| bytes.split_at_checked(length)) else { break };
            parts += count(part, inner, most);
            bytes = rest;
        } else if skip_field(kind, number, &mut bytes, DecodeContext::default()).is_err() {
            break;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    fn few<M: Message + 'static>(message: &M) -> bool {
        check::<M>(&message.encode_to_vec()).is_ok()
    }

    #[test]
    fn empty_parts_are_counted_wherever_they_are() {
        let receive = |proofs| v1::ReceiveRequest {
            kind: Some(v1::receive_request::Kind::Open(v1::Open { proofs, ..Default::default() })),
        };
        let subscribe = |proofs| v1::SubscribeRequest { open: Some(v1::Open { proofs, ..Default::default() }) };
        let update = |grants| v1::UpdateMailboxRequest {
            delivery_keys: Some(v1::DeliveryKeyGrants { grants }),
            ..Default::default()
        };
        let create = |delivery_keys| v1::CreateMailboxRequest { delivery_keys, ..Default::default() };
        for (parts, expected) in [(SOME, true), (SOME + SOME, false)] {
            assert_eq!(few(&v1::SendStreamRequest { sends: vec![v1::TaggedSend::default(); parts] }), expected);
            assert_eq!(few(&receive(vec![v1::Proof::default(); parts])), expected);
            assert_eq!(few(&subscribe(vec![v1::Proof::default(); parts])), expected);
            assert_eq!(few(&create(vec![v1::DeliveryKeyGrant::default(); parts])), expected);
            assert_eq!(few(&update(vec![v1::DeliveryKeyGrant::default(); parts])), expected);
        }
    }

    #[test]
    fn honest_parts_are_never_too_many() {
        // The shortest ones that a relay may be configured to take.
        let send = v1::SendRequest {
            to: vec![1; 32].into(),
            delivery_key: vec![2; 32].into(),
            message_id: vec![3; 16].into(),
            envelope: vec![4].into(),
            ..Default::default()
        };
        let sends = vec![v1::TaggedSend { tag: 0, send: Some(send) }; 10_000];
        assert!(few(&v1::SendStreamRequest { sends }));
        let grant = v1::DeliveryKeyGrant { hash: vec![1; 32].into(), expires_hour: 0 };
        assert!(few(&v1::CreateMailboxRequest { delivery_keys: vec![grant; 10_000], ..Default::default() }));
    }

    #[test]
    fn parts_spread_over_several_fields_are_counted_together() {
        let half = v1::SubscribeRequest {
            open: Some(v1::Open { proofs: vec![v1::Proof::default(); SOME], ..Default::default() }),
        };
        let half = half.encode_to_vec();
        assert_eq!(check::<v1::SubscribeRequest>(&half), Ok(()));
        assert!(check::<v1::SubscribeRequest>(&half.repeat(2)).is_err());
    }
}
