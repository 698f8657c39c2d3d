//! What was heard of one open mailbox, until its stream takes it.

use std::sync::Arc;

use parking_lot::Mutex;
use sealpost_core::Sequence;

use super::bell::Bell;
use crate::store::{Envelope, Event, Generation};

/// The hand-over between a store's reader and a stream. The reader never waits: what does not fit is forgotten, and
/// the stream reads it from the store.
#[derive(Debug)]
pub(super) struct Inbox {
    number: u32,
    bell: Arc<Bell>,
    news: Mutex<News>,
}

/// Envelopes that an inbox holds at most, of each kind.
const MAX_ENVELOPES: usize = 64;
/// Their bytes, at most; but one envelope fits, however large.
const MAX_BYTES: usize = 128 * 1024;
/// Acknowledgements by session that it holds at most; more than an owner can have outstanding.
const MAX_SEQUENCES: usize = 16 * 1024;

/// Everything heard since the last time.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Queued envelopes, in order, without gaps that were not in what was heard.
    pub(super) stored: Vec<(Sequence, Envelope)>,
    /// Envelopes that are nowhere else.
    pub(super) ephemeral: Vec<Envelope>,
    /// The highest sequence heard of, also of what did not fit.
    pub(super) highest: Option<Sequence>,
    /// Acknowledged by session: all up to this one…
    pub(super) acknowledged: Option<Sequence>,
    /// … and these.
    pub(super) acknowledged_singly: Vec<Sequence>,
    /// The newest opening.
    pub(super) generation: Generation,
    /// The mailbox was deleted.
    pub(super) deleted: bool,
    /// Anything may have happened.
    pub(super) missed: bool,
    /// The wake path is broken: what is heard may follow a gap that does not show.
    interrupted: bool,
    bytes: usize,
    overflowed: bool,
    rung: bool,
}

impl Inbox {
    /// For mailbox `number` of the stream that answers `bell`.
    pub(super) fn new(number: u32, bell: Arc<Bell>) -> Self {
        Self { number, bell, news: Mutex::default() }
    }

    /// Takes an event in.
    pub(super) fn put(&self, event: Event) {
        let mut news = self.news.lock();
        // Of an interruption there is nothing to be said before it is over.
        let silent = event == Event::Interrupted;
        news.add(event);
        if silent {
            return;
        }
        let first = !std::mem::replace(&mut news.rung, true);
        drop(news);
        if first {
            self.bell.ring(self.number);
        }
    }

    /// Gives all that was heard since the last time.
    pub(super) fn take(&self) -> News {
        let mut news = self.news.lock();
        let (generation, interrupted) = (news.generation, news.interrupted);
        std::mem::replace(&mut *news, News { generation, interrupted, ..News::default() })
    }

    /// The newest opening heard of.
    pub(super) fn generation(&self) -> Generation {
        self.news.lock().generation
    }
}

impl News {
    fn add(&mut self, event: Event) {
        match event {
            // It is read when the wake path is whole again.
            Event::Stored { .. } if self.interrupted => {}
            Event::Stored { sequence, envelope } => {
                self.highest = self.highest.max(Some(sequence));
                // Once one did not fit, those after it would only leave a gap.
                self.overflowed |= self.stored.len() >= MAX_ENVELOPES || !self.has_room(&envelope);
                if !self.overflowed {
                    self.bytes += envelope.size();
                    self.stored.push((sequence, envelope));
                }
            }
            Event::Ephemeral { envelope } => {
                if self.ephemeral.len() < MAX_ENVELOPES && self.has_room(&envelope) {
                    self.bytes += envelope.size();
                    self.ephemeral.push(envelope);
                }
            }
            Event::Opened { generation } => self.generation = self.generation.max(generation),
            Event::Acknowledged { up_to, sequences } => {
                self.acknowledged = self.acknowledged.max(Some(up_to));
                let room = MAX_SEQUENCES.saturating_sub(self.acknowledged_singly.len());
                self.acknowledged_singly.extend(sequences.into_iter().take(room));
            }
            Event::Deleted => self.deleted = true,
            Event::Interrupted => self.interrupted = true,
            Event::Missed => {
                self.interrupted = false;
                self.missed = true;
            }
        }
    }

    fn has_room(&self, envelope: &Envelope) -> bool {
        self.bytes == 0 || self.bytes + envelope.size() <= MAX_BYTES
    }
}
