//! What is published on a mailbox's channel: written by the scripts, read here.
//!
//! ```text
//! 1 | sequence 8 | run 8 | mode   stored: the entry follows
//! 2 | mode                        ephemeral: the entry follows
//! 3 | generation 8                opened
//! 4 | sequence 8 | sequence 8 …   acknowledged by session: cumulative, then single ones
//! 5                               deleted
//! 0x10 …                          an entry (`store::Entry`): what the message before this one announced
//! ```
//!
//! A mode is what the sender's relay said: one byte for the script, then the journey (`store::Journey`).
//!
//! An announcement and its entry come from one script, so nothing comes between them.
//!
//! A Cluster hands on what is published to all nodes of a shard. A primary that was replaced and has not noticed yet
//! (it was silent for a while) does what still waited for it, and would be heard through the node that took its place,
//! with numbers that this one gives to other envelopes. So an announcement names the run of the server that its sender
//! meant, and another one's is passed over.

use bytes::{Buf, Bytes};
use sealpost_core::{Address, Sequence};

use crate::store::{Entry, Event, Generation, Journey};

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

#[derive(Debug)]
enum Announced {
    Stored(Sequence, Journey),
    Ephemeral(Journey),
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
                let (run, mode) = rest.split_first_chunk()?;
                if *run == self.run {
                    self.announced = Some((address, Announced::Stored(sequence, journey(mode)?)));
                }
                None
            }
            2 => {
                self.announced = Some((address, Announced::Ephemeral(journey(rest)?)));
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
                    Announced::Stored(sequence, journey) => Event::Stored { sequence, envelope, journey },
                    Announced::Ephemeral(journey) => Event::Ephemeral { envelope, journey },
                })
            }
        }
    }
}

fn journey(mode: &[u8]) -> Option<Journey> {
    Journey::decode(mode.get(1..)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use proptest::prelude::*;

    fn one() -> Address {
        Address::from_bytes([1; 32])
    }

    fn other() -> Address {
        Address::from_bytes([2; 32])
    }

    /// New, at 9 ms after 1970.
    const MODE: [u8; 9] = [b'n', 0, 0, 0, 0, 0, 0, 0, 9];

    fn ephemeral() -> Vec<u8> {
        [&[2][..], &MODE].concat()
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
        let announcement = [&[1, 0, 0, 0, 0, 0, 0, 0, 3][..], b"01234567", &MODE].concat();
        assert_eq!(reader.hear(one(), &announcement), None);
        match reader.hear(one(), &entry()) {
            Some(Event::Stored { sequence, envelope, journey }) => {
                assert_eq!((sequence.get(), envelope.bytes().as_ref()), (3, &b"sealed"[..]));
                assert_eq!(journey, Journey::begun_at(UnixMillis(9)));
            }
            event => panic!("{event:?}"),
        }
        assert_eq!(reader.hear(one(), &entry()), None, "once");
        assert_eq!(reader.hear(one(), &ephemeral()), None);
        assert!(matches!(reader.hear(one(), &entry()), Some(Event::Ephemeral { .. })));
        assert_eq!(reader.hear(one(), &ephemeral()), None);
        assert_eq!(reader.hear(other(), &entry()), None, "for another mailbox it was not announced");
        assert_eq!(reader.hear(one(), &ephemeral()), None);
        assert_eq!(reader.hear(one(), &[5]), Some(Event::Deleted));
        assert_eq!(reader.hear(one(), &entry()), None, "nor after something else");
    }

    #[test]
    fn an_announcement_without_a_journey_is_passed_over() {
        let mut reader = Reader::new(tag("0123456789"));
        for mode in [&[][..], b"n", b"n1234567"] {
            for beginning in [&[2][..], &[1, 0, 0, 0, 0, 0, 0, 0, 3, 48, 49, 50, 51, 52, 53, 54, 55]] {
                assert_eq!(reader.hear(one(), &[beginning, mode].concat()), None);
                assert_eq!(reader.hear(one(), &entry()), None, "{beginning:?} {mode:?}");
            }
        }
    }

    #[test]
    fn what_another_run_announces_is_passed_over() {
        let mut reader = Reader::new(tag("0123456789"));
        for run in [&b"76543210"[..], b"", b"0123456"] {
            assert_eq!(reader.hear(one(), &[&[1, 0, 0, 0, 0, 0, 0, 0, 3][..], run, &MODE].concat()), None);
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
