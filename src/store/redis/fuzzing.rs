//! What holds for any answer of a script, and for anything that is published.

use sealpost_core::Address;

use super::events::Reader;
use super::wire::Endpoint;
use super::wire::fuzzing::answer;
pub use super::wire::fuzzing::reply;
use super::{discovery, keys, replies};
use crate::store::{Entry, Epoch, Event, Read};

/// An answer, of the script that the first byte says.
pub fn script_answer(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let Some(answer) = answer(bytes) else { return };
    match kind % 6 {
        0 => {
            let envelopes = usize::from(kind / 6) + 1;
            assert_eq!(replies::appended_together(Ok(answer), envelopes).len(), envelopes);
        }
        1 => drop(replies::opened(answer, Epoch::default())),
        2 => {
            if let Ok(Read::Page(page)) = replies::read(answer) {
                let size: usize = page.entries.iter().map(|it| Entry::HEADER_LEN + it.entry.envelope.size()).sum();
                assert!(size < bytes.len());
                assert!(page.entries.iter().all(|it| it.sequence.get() > 0));
            }
        }
        3 => {
            if let Ok(Some(inspection)) = replies::inspected(answer, 24) {
                let description = inspection.description;
                assert!(description.grants.is_sorted_by_key(|grant| *grant.key.as_bytes()));
                assert!(description.reclaimed >= description.last_seen);
                assert!(description.card.len() < bytes.len());
            }
        }
        4 => {
            if let Ok(Some(card)) = replies::card(answer) {
                assert!(card.len() < bytes.len());
            }
        }
        _ => {
            let asked = Endpoint { host: "seed".to_owned(), port: 6379 };
            if let Some(layout) = discovery::layout(&asked, answer) {
                let slots = layout.slots.unwrap_or_default();
                assert_eq!(slots.len(), usize::from(super::slots::SLOTS));
                assert!(slots.into_iter().flatten().all(|place| usize::from(place) < layout.nodes.len()));
            }
        }
    }
}

/// Messages of two channels, each with a byte for the channel and one for its length: an envelope is heard only right
/// after its announcement on the same channel, by the run of the server that is listened to.
pub fn event(bytes: &[u8]) {
    if let Some(address) = keys::address_of_channel(bytes) {
        assert_eq!(keys::channel(&address), bytes);
    }
    let run = *b"01234567";
    let mut reader = Reader::new(run);
    let (mut rest, mut before) = (bytes, None);
    while let Some(([channel, length], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let address = Address::from_bytes([channel & 1; 32]);
        let envelope = match reader.hear(address, payload) {
            Some(Event::Stored { sequence, envelope }) => {
                let announcement = [&[1], &sequence.get().to_be_bytes()[..], &run].concat();
                assert!(before == Some((address, announcement)), "nobody announced it");
                Some(envelope)
            }
            Some(Event::Ephemeral { envelope }) => {
                assert!(before.is_some_and(|(of, announcement)| of == address && announcement.first() == Some(&2)));
                Some(envelope)
            }
            Some(Event::Acknowledged { sequences, .. }) => {
                assert!(sequences.len() < payload.len() / 8);
                None
            }
            _ => None,
        };
        if let Some(envelope) = envelope {
            assert_eq!(payload.get(Entry::HEADER_LEN..), Some(envelope.bytes().as_ref()));
        }
        before = Some((address, payload.to_vec()));
    }
}
