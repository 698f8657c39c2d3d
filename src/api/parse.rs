//! Fields into types: the only place where a client's bytes are looked at. What passes here is right.

use bytes::Bytes;
use sealpost_core::{Address, DeliveryKey, DeliveryKeyHash, Hour, MessageId, Sequence};
use sealpost_proto::status::Failure;
use sealpost_proto::{Reason, v1};

use super::ApiConfig;
use crate::delivery::Credit;
use crate::store::{Append, Envelope, Grant, Journey, Urgency};

/// A send.
pub(super) fn send(config: &ApiConfig, request: v1::SendRequest, journey: Journey) -> Result<Append, Failure> {
    let to = address("to", &request.to)?;
    let key = DeliveryKey::try_from(request.delivery_key.as_ref())
        .map_err(|_| Failure::field("delivery_key", "a delivery key is 32 bytes"))?;
    let message_id = MessageId::try_from(request.message_id.as_ref())
        .map_err(|_| Failure::field("message_id", "a message id is 16 bytes"))?;
    let urgency = match v1::Urgency::try_from(request.urgency) {
        Ok(v1::Urgency::Unspecified | v1::Urgency::Normal) => Urgency::Normal,
        Ok(v1::Urgency::Low) => Urgency::Low,
        Ok(v1::Urgency::High) => Urgency::High,
        Err(_) => return Err(Failure::field("urgency", "this relay knows no such urgency")),
    };
    Ok(Append {
        to,
        key: key.hash(&to),
        message_id,
        envelope: envelope(config, request.envelope)?,
        urgency,
        ephemeral: request.ephemeral,
        retried: request.attempt > 0,
        journey,
    })
}

/// An address.
pub(super) fn address(field: &str, bytes: &[u8]) -> Result<Address, Failure> {
    Address::try_from(bytes).map_err(|_| Failure::field(field, "an address is 32 bytes"))
}

/// A delivery key, hashed for its mailbox.
pub(super) fn delivery_key(address: &Address, bytes: &[u8]) -> Result<DeliveryKeyHash, Failure> {
    DeliveryKey::try_from(bytes)
        .map(|key| key.hash(address))
        .map_err(|_| Failure::field("delivery_key", "a delivery key is 32 bytes"))
}

/// A mailbox's delivery keys.
pub(super) fn grants(config: &ApiConfig, grants: &[v1::DeliveryKeyGrant]) -> Result<Vec<Grant>, Failure> {
    if grants.len() > config.max_delivery_keys {
        return Err(limit("delivery keys of one mailbox", config.max_delivery_keys));
    }
    let mut parsed: Vec<Grant> = Vec::with_capacity(grants.len());
    for grant in grants {
        let key = DeliveryKeyHash::try_from(grant.hash.as_ref())
            .map_err(|_| Failure::field("delivery_keys.hash", "a delivery key's hash is 32 bytes"))?;
        if parsed.iter().any(|other| other.key == key) {
            return Err(Failure::field("delivery_keys", "the same key is granted twice"));
        }
        parsed.push(Grant { key, expires: Some(Hour(grant.expires_hour)).filter(|hour| hour.0 != 0) });
    }
    Ok(parsed)
}

/// A card. The relay does not look into it.
pub(super) fn card(config: &ApiConfig, card: &[u8]) -> Result<Bytes, Failure> {
    if card.len() > config.max_card_bytes {
        return Err(Failure::field("card", format!("a card has at most {} bytes", config.max_card_bytes)));
    }
    // Alone, so that it does not hold on to the buffer that it came in.
    Ok(Bytes::copy_from_slice(card))
}

/// How much a stream may send without an acknowledgement.
pub(super) fn credit(config: &ApiConfig, open: &v1::Open) -> Result<Credit, Failure> {
    let messages = match open.max_outstanding_messages {
        0 => 256.min(config.max_outstanding_messages),
        asked => asked,
    };
    let bytes = match open.max_outstanding_bytes {
        0 => (1024 * 1024).min(config.max_outstanding_bytes).max(config.largest_envelope() as u64),
        asked => asked,
    };
    let least = config.largest_envelope() as u64;
    if messages > config.max_outstanding_messages {
        return Err(Failure::field(
            "open.max_outstanding_messages",
            format!("at most {} may be outstanding", config.max_outstanding_messages),
        ));
    }
    if bytes < least || bytes > config.max_outstanding_bytes.max(least) {
        return Err(Failure::field(
            "open.max_outstanding_bytes",
            format!("from {least}, the largest envelope, to {}", config.max_outstanding_bytes.max(least)),
        ));
    }
    Ok(Credit { messages, bytes })
}

/// Numbers of envelopes.
pub(super) fn sequences(config: &ApiConfig, sequences: &[u64]) -> Result<Vec<Sequence>, Failure> {
    if sequences.len() > config.max_batch {
        return Err(limit("sequences of one acknowledgement", config.max_batch));
    }
    sequences
        .iter()
        .map(|number| {
            Sequence::new(*number).ok_or_else(|| Failure::field("sequences", "sequences are numbered from 1"))
        })
        .collect()
}

/// A cumulative number.
pub(super) fn up_to(number: u64) -> Sequence {
    Sequence::new(number).unwrap_or(Sequence::NONE)
}

/// More than is granted.
pub(super) fn limit(what: &str, maximum: usize) -> Failure {
    Failure::new(Reason::LimitExceeded, format!("at most {maximum} {what}"))
        .with("limit", what)
        .with("maximum", maximum.to_string())
}

fn envelope(config: &ApiConfig, bytes: Bytes) -> Result<Envelope, Failure> {
    if config.envelope_sizes.binary_search(&bytes.len()).is_err() {
        let sizes: Vec<String> = config.envelope_sizes.iter().map(ToString::to_string).collect();
        return Err(Failure::new(
            Reason::EnvelopeSize,
            "an envelope has exactly one of the sizes that this relay carries: pad it to the next one",
        )
        .with("sizes", sizes.join(",")));
    }
    Ok(Envelope::from_checked(bytes))
}
