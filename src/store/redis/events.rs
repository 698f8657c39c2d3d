//! What is published on a mailbox's channel: written by the scripts, read here.
//!
//! ```text
//! 1 | sequence 8 | run 8          stored: the entry follows
//! 2                               ephemeral: the entry follows
//! 3 | generation 8                opened
//! 4 | sequence 8 | sequence 8 …   acknowledged by session: cumulative, then single ones
//! 5                               deleted
//! 0x10 …                          an entry (`store::Entry`): what the message before this one announced
//! ```
//!
//! An announcement and its entry come from one script, so nothing comes between them.
//!
//! A Cluster hands on what is published to all nodes of a shard. A primary that was replaced and has not noticed yet
//! (it was silent for a while) does what still waited for it, and would be heard through the node that took its place,
//! with numbers that this one gives to other envelopes. So an announcement names the run of the server that its sender
//! meant, and another one's is passed over.

use bytes::{Buf, Bytes};
use sealpost_core::{Address, Sequence};

use crate::store::{Entry, Event, Generation};

/// Names a run of a server.
pub(super) type RunTag = [u8; 8];

/// The beginning of what a server calls its run: 32 random bits.
pub(super) fn tag(run: &str) -> RunTag {
    let mut tag = RunTag::default();
    tag.iter_mut().zip(run.bytes()).for_each(|(to, from)| *to = from);
    tag
}

/// Reads what comes over one connection.
#[derive(Debug)]
pub(super) struct Reader {
    run: RunTag,
    announced: Option<(Address, Announced)>,
}

#[derive(Debug, Clone, Copy)]
enum Announced {
    Stored(Sequence),
    Ephemeral,
}

impl Reader {
    /// For a connection to that run of a server.
    pub(super) fn new(run: RunTag) -> Self {
        Self { run, announced: None }
    }

    /// Takes what was published for a mailbox; the event, if there is a whole one. What is none of ours is passed over.
    pub(super) fn hear(&mut self, address: Address, payload: &[u8]) -> Option<Event> {
        let announced = self.announced.take();
        let (kind, mut rest) = payload.split_first()?;
        match kind {
            1 => {
                let sequence = Sequence::new(rest.try_get_u64().ok()?)?;
                if rest == self.run {
                    self.announced = Some((address, Announced::Stored(sequence)));
                }
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
        assert_eq!(Reader::new(tag("0123456789")).hear(one(), &[5]), Some(Event::Deleted));
    }

    #[test]
    fn an_entry_is_what_was_announced_just_before() {
        let mut reader = Reader::new(tag("0123456789"));
        let announcement = [&[1, 0, 0, 0, 0, 0, 0, 0, 3][..], b"01234567"].concat();
        assert_eq!(reader.hear(one(), &announcement), None);
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

    #[test]
    fn what_another_run_announces_is_passed_over() {
        let mut reader = Reader::new(tag("0123456789"));
        for run in [&b"76543210"[..], b"", b"0123456"] {
            assert_eq!(reader.hear(one(), &[&[1, 0, 0, 0, 0, 0, 0, 0, 3][..], run].concat()), None);
            assert_eq!(reader.hear(one(), &entry()), None);
        }
    }

    proptest! {
        #[test]
        fn anything_may_be_published(messages: Vec<Vec<u8>>) {
            let mut reader = Reader::new(tag("0123456789"));
            for bytes in messages {
                reader.hear(one(), &bytes);
            }
        }
    }
}
