//! What is published on a mailbox's channel: written by the scripts, read here.
//!
//! ```text
//! 1 | sequence 8                  stored: the entry follows
//! 2                               ephemeral: the entry follows
//! 3 | generation 8                opened
//! 4 | sequence 8 | sequence 8 …   acknowledged by session: cumulative, then single ones
//! 5                               deleted
//! 0x10 …                          an entry (`store::Entry`): what the message before this one announced
//! ```
//!
//! An announcement and its entry come from one script, so nothing comes between them.

use bytes::{Buf, Bytes};
use sealpost_core::{Address, Sequence};

use crate::store::{Entry, Event, Generation};

/// Reads what comes over one connection.
#[derive(Debug, Default)]
pub(super) struct Reader {
    announced: Option<(Address, Announced)>,
}

#[derive(Debug, Clone, Copy)]
enum Announced {
    Stored(Sequence),
    Ephemeral,
}

impl Reader {
    /// Takes what was published for a mailbox; the event, if there is a whole one. What is none of ours is passed over.
    pub(super) fn hear(&mut self, address: Address, payload: &[u8]) -> Option<Event> {
        let announced = self.announced.take();
        let (kind, mut rest) = payload.split_first()?;
        match kind {
            1 => {
                let sequence = Sequence::new(rest.try_get_u64().ok()?)?;
                self.announced = Some((address, Announced::Stored(sequence)));
                None
            }
            2 => {
                self.announced = Some((address, Announced::Ephemeral));
                None
            }
            3 => Some(Event::Opened { generation: Generation(rest.try_get_u64().ok()?) }),
            4 => {
                let up_to = rest.try_get_u64().ok()?;
                let mut sequences = Vec::with_capacity(rest.len() / 8);
                while let Ok(sequence) = rest.try_get_u64() {
                    sequences.push(Sequence::new(sequence)?);
                }
                Some(Event::Acknowledged { up_to: Sequence::new(up_to).unwrap_or(Sequence::NONE), sequences })
            }
            5 => Some(Event::Deleted),
            _ => {
                let (_, announced) = announced.filter(|(whose, _)| *whose == address)?;
                // The copy holds on to nothing but itself.
                let envelope = Entry::decode(Bytes::copy_from_slice(payload)).ok()?.envelope;
                Some(match announced {
                    Announced::Stored(sequence) => Event::Stored { sequence, envelope },
                    Announced::Ephemeral => Event::Ephemeral { envelope },
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one() -> Address {
        Address::from_bytes([1; 32])
    }

    fn other() -> Address {
        Address::from_bytes([2; 32])
    }

    fn entry() -> Vec<u8> {
        [&[0x11, 0, 0, 0, 9][..], &[7; 16], b"sealed"].concat()
    }

    #[test]
    fn a_deletion_is_read() {
        assert_eq!(Reader::default().hear(one(), &[5]), Some(Event::Deleted));
    }

    #[test]
    fn an_entry_is_what_was_announced_just_before() {
        let mut reader = Reader::default();
        assert_eq!(reader.hear(one(), &[1, 0, 0, 0, 0, 0, 0, 0, 3]), None);
        match reader.hear(one(), &entry()) {
            Some(Event::Stored { sequence, envelope }) => {
                assert_eq!((sequence.get(), envelope.bytes().as_ref()), (3, &b"sealed"[..]));
            }
            event => panic!("{event:?}"),
        }
        assert_eq!(reader.hear(one(), &entry()), None, "once");
        assert_eq!(reader.hear(one(), &[2]), None);
        assert!(matches!(reader.hear(one(), &entry()), Some(Event::Ephemeral { .. })));
        assert_eq!(reader.hear(one(), &[2]), None);
        assert_eq!(reader.hear(other(), &entry()), None, "for another mailbox it was not announced");
        assert_eq!(reader.hear(one(), &[2]), None);
        assert_eq!(reader.hear(one(), &[5]), Some(Event::Deleted));
        assert_eq!(reader.hear(one(), &entry()), None, "nor after something else");
    }

    proptest! {
        #[test]
        fn anything_may_be_published(messages: Vec<Vec<u8>>) {
            let mut reader = Reader::default();
            for bytes in messages {
                reader.hear(one(), &bytes);
            }
        }
    }
}
