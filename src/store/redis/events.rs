//! What is published on a mailbox's channel: written by the scripts, read here.
//!
//! ```text
//! 1 | sequence 8 | entry          stored
//! 2 | entry                       ephemeral
//! 3 | generation 8                opened
//! 4 | sequence 8 | sequence 8 …   acknowledged by session: cumulative, then single ones
//! 5                               deleted
//! ```

use bytes::{Buf, Bytes};
use sealpost_core::Sequence;

use crate::store::{Entry, Event, Generation};

/// Reads a published payload; `None` if it is none of ours.
pub(super) fn decode(mut payload: Bytes) -> Option<Event> {
    match payload.try_get_u8().ok()? {
        1 => {
            let sequence = Sequence::new(payload.try_get_u64().ok()?)?;
            Some(Event::Stored { sequence, envelope: Entry::decode(payload).ok()?.envelope })
        }
        2 => Some(Event::Ephemeral { envelope: Entry::decode(payload).ok()?.envelope }),
        3 => Some(Event::Opened { generation: Generation(payload.try_get_u64().ok()?) }),
        4 => {
            let up_to = payload.try_get_u64().ok()?;
            let mut sequences = Vec::with_capacity(payload.len() / 8);
            while let Ok(sequence) = payload.try_get_u64() {
                sequences.push(Sequence::new(sequence)?);
            }
            Some(Event::Acknowledged { up_to: Sequence::new(up_to).unwrap_or(Sequence::NONE), sequences })
        }
        5 => Some(Event::Deleted),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_deletion_is_read() {
        assert_eq!(decode(Bytes::from_static(&[5])), Some(Event::Deleted));
    }

    proptest! {
        #[test]
        fn anything_may_be_published(bytes: Vec<u8>) {
            decode(Bytes::from(bytes));
        }
    }
}
