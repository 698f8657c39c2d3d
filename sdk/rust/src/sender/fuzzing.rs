//! What holds for any results of a relay.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use sealpost_core::{Address, DeliveryKey, MessageId};
use sealpost_proto::{codec, v1};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::Entry;
use super::outbox::Outbox;
use super::worker::decide;
use crate::fuzzing::piece;
use crate::{Error, Sealed};

/// Sixteen messages for two mailboxes, and batches of results for them, each behind a byte for its length: each message
/// gets one result in the end, and is stored only if the relay said so.
pub(crate) fn decided(mut bytes: &[u8]) {
    let mut now = Instant::now();
    let mut outbox = Outbox::new(4);
    let room = Arc::new(Semaphore::new(32));
    let mut pending = Vec::new();
    for number in 0..16_u8 {
        let (result, receiver) = oneshot::channel();
        let Ok(one) = room.clone().try_acquire_owned() else { return };
        let Ok(other) = room.clone().try_acquire_owned() else { return };
        let Some(sealed) = sealed(number) else { return };
        outbox.push(Entry { sealed, deadline: now + Duration::from_secs(86_400), result, _room: (one, other) });
        pending.push(receiver);
    }
    let mut accepted = HashSet::new();
    while let Some((results, rest)) = piece(bytes) {
        bytes = rest;
        outbox.tick(now);
        drop(outbox.batch(3));
        let Ok(answer) = codec::decode::<v1::SendStreamResponse>(&mut &*results) else { break };
        accepted.extend(answer.results.iter().filter(|it| it.refusal.is_none()).map(|it| it.tag));
        match decide(&mut outbox, answer, now) {
            Err(error) if error.is_retryable() => outbox.broken(&error),
            Err(_) => break,
            Ok(()) => {}
        }
        // Longer than any wait that a relay may ask for.
        now += Duration::from_secs(700);
    }
    outbox.fail_all(&Error::Closed);
    assert!(outbox.is_empty() && !outbox.has_under_way() && !outbox.has_ready());
    assert_eq!(room.available_permits(), 32);
    for (tag, mut receiver) in (0..).zip(pending) {
        let result = receiver.try_recv();
        assert!(result.is_ok(), "a message without a result");
        assert!(!matches!(result, Ok(Ok(()))) || accepted.contains(&tag), "nobody accepted it");
    }
}

fn sealed(number: u8) -> Option<Sealed> {
    let to = Address::from_bytes([number & 1; 32]);
    let key = DeliveryKey::try_from(&[7; 32][..]).ok()?;
    Some(Sealed::opaque(to, key, MessageId::from_bytes([number; MessageId::LEN]), &[0; 8][..]))
}
