//! What was heard of one open mailbox, until its stream takes it.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use sealpost_core::Sequence;

use super::bell::Bell;
use crate::budget::Budget;
use crate::store::{Envelope, Event, Generation, Journey};

/// The hand-over between a store's reader and a stream. The reader never waits: what does not fit is forgotten, and
/// the stream reads it from the store.
#[derive(Debug)]
pub(super) struct Inbox {
    number: u32,
    bell: Arc<Bell>,
    /// Of all inboxes of the stream.
    budget: Arc<Budget>,
    news: Mutex<News>,
}

/// Bytes of envelopes that the inboxes of one stream hold at most, together.
pub(super) const MOST_OF_A_STREAM: usize = 4 * 1024 * 1024;

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
    pub(super) stored: Vec<(Sequence, Heard)>,
    /// Envelopes that are nowhere else.
    pub(super) ephemeral: Vec<Heard>,
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
    /// Something did not fit.
    pub(super) overflowed: bool,
    rung: bool,
}

/// An envelope that was heard of.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) envelope: Envelope,
    pub(super) journey: Journey,
    /// When, if it is traced.
    pub(super) at: Option<Instant>,
}

impl Heard {
    fn now(envelope: Envelope, journey: Journey) -> Self {
        let at = journey.trace.is_some().then(Instant::now);
        Self { envelope, journey, at }
    }
}

impl Inbox {
    /// For mailbox `number` of the stream that answers `bell` and has this budget.
    pub(super) fn new(number: u32, bell: Arc<Bell>, budget: Arc<Budget>) -> Self {
        Self { number, bell, budget, news: Mutex::default() }
    }

    /// Takes an event in.
    pub(super) fn put(&self, event: Event) {
        let mut news = self.news.lock();
        // Of an interruption there is nothing to be said before it is over.
        let silent = event == Event::Interrupted;
        news.add(event, &self.budget);
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
        self.budget.give(news.bytes);
        let (generation, interrupted) = (news.generation, news.interrupted);
        std::mem::replace(&mut *news, News { generation, interrupted, ..News::default() })
    }

    /// Envelopes that it holds.
    pub(super) fn holds(&self) -> usize {
        let news = self.news.lock();
        news.stored.len() + news.ephemeral.len()
    }

    /// The newest opening heard of.
    pub(super) fn generation(&self) -> Generation {
        self.news.lock().generation
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.budget.give(self.news.get_mut().bytes);
    }
}

impl News {
    fn add(&mut self, event: Event, budget: &Budget) {
        match event {
            // It is read when the wake path is whole again.
            Event::Stored { .. } if self.interrupted => {}
            Event::Stored { sequence, envelope, journey } => {
                self.highest = self.highest.max(Some(sequence));
                // Once one did not fit, those after it would only leave a gap.
                if !self.overflowed && self.stored.len() < MAX_ENVELOPES && self.admit(&envelope, budget) {
                    self.stored.push((sequence, Heard::now(envelope, journey)));
                } else {
                    self.overflowed = true;
                }
            }
            Event::Ephemeral { envelope, journey } => {
                if self.ephemeral.len() < MAX_ENVELOPES && self.admit(&envelope, budget) {
                    self.ephemeral.push(Heard::now(envelope, journey));
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

    /// Counts an envelope, if there is room for it.
    fn admit(&mut self, envelope: &Envelope, budget: &Budget) -> bool {
        let size = envelope.size();
        let fits = (self.bytes == 0 || self.bytes + size <= MAX_BYTES) && budget.take(size);
        self.bytes += if fits { size } else { 0 };
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    const SIZE: usize = 1000;

    fn stored(sequence: u64) -> Event {
        let sequence = Sequence::new(sequence).expect("a number");
        Event::Stored { sequence, envelope: envelope(SIZE), journey: journey() }
    }

    fn journey() -> Journey {
        Journey::begun_at(UnixMillis(0))
    }

    fn envelope(size: usize) -> Envelope {
        Envelope::from_checked(vec![7; size].into())
    }

    fn inboxes(most: usize) -> [Inbox; 2] {
        let (bell, budget) = (Arc::new(Bell::default()), Arc::new(Budget::new(most)));
        [0, 1].map(|number| Inbox::new(number, bell.clone(), budget.clone()))
    }

    fn held(inbox: &Inbox) -> (usize, Option<u64>) {
        let news = inbox.take();
        (news.stored.len(), news.highest.map(Sequence::get))
    }

    #[test]
    fn the_inboxes_of_a_stream_hold_so_much_together() {
        let [first, second] = inboxes(3 * SIZE);
        for sequence in 1..=2 {
            first.put(stored(sequence));
            second.put(stored(sequence));
        }
        assert_eq!(held(&second), (1, Some(2)), "it heard of what did not fit");
        second.put(stored(3));
        assert_eq!(held(&second), (1, Some(3)));
        drop(first);
        for sequence in 4..=6 {
            second.put(stored(sequence));
        }
        assert_eq!(held(&second), (3, Some(6)));
    }

    #[test]
    fn after_one_that_did_not_fit_there_are_none_until_it_was_taken() {
        let [first, second] = inboxes(2 * SIZE);
        first.put(stored(1));
        second.put(stored(1));
        second.put(stored(2));
        drop(first);
        second.put(stored(3));
        assert_eq!(held(&second), (1, Some(3)));
    }

    #[test]
    fn one_inbox_holds_no_more_than_its_own() {
        let [inbox, _] = inboxes(usize::MAX);
        for sequence in 1..=200 {
            inbox.put(stored(sequence));
        }
        assert_eq!(held(&inbox), (MAX_ENVELOPES, Some(200)));
        for large in 1..=2 {
            inbox.put(Event::Ephemeral { envelope: envelope(MAX_BYTES + large), journey: journey() });
        }
        assert_eq!(inbox.take().ephemeral.len(), 1, "one fits, however large");
    }
}
