//! What waits to be sent, what is under way, and what becomes of each: pure bookkeeping, no I/O.
//!
//! Tags count up with submission, so the order of tags is the order that each mailbox is promised.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use sealpost_core::Address;
use sealpost_proto::v1;
use tokio::time::Instant;

use super::Entry;
use crate::Error;
use crate::backoff::Backoff;
use crate::retry::{FIRST_DELAY, LONGEST_DELAY};

/// One batch stays well below what a relay reads as one message.
const MAX_BATCH_BYTES: usize = 512 << 10;

pub(super) struct Outbox {
    /// How many messages for one mailbox may be under way.
    per_mailbox: usize,
    entries: BTreeMap<u64, Waiting>,
    mailboxes: HashMap<Address, Mailbox>,
    /// Mailboxes with something to send and no reason to wait.
    ready: VecDeque<Address>,
    next_tag: u64,
    under_way: usize,
}

struct Waiting {
    entry: Entry,
    under_way: bool,
    last_error: Option<Error>,
}

struct Mailbox {
    /// Tags not under way, ascending.
    queue: VecDeque<u64>,
    under_way: usize,
    backoff: Backoff,
    /// Nothing goes out before.
    held_until: Option<Instant>,
    /// A message was refused: nothing goes out before all that is under way is decided, or it could overtake.
    barrier: bool,
    is_ready: bool,
}

impl Outbox {
    pub(super) fn new(per_mailbox: usize) -> Self {
        Self {
            per_mailbox,
            entries: BTreeMap::new(),
            mailboxes: HashMap::new(),
            ready: VecDeque::new(),
            next_tag: 0,
            under_way: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn has_under_way(&self) -> bool {
        self.under_way > 0
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// One more message to send.
    pub(super) fn push(&mut self, entry: Entry) {
        let (tag, address) = (self.next_tag, entry.sealed.to);
        self.next_tag += 1;
        self.entries.insert(tag, Waiting { entry, under_way: false, last_error: None });
        self.mailbox(address).queue.push_back(tag);
        self.refresh(address);
    }

    /// The next batch, all of it under way from now on.
    pub(super) fn batch(&mut self, max: usize) -> Vec<v1::TaggedSend> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(address) = self.ready.pop_front() {
            let Some(mailbox) = self.mailboxes.get_mut(&address) else { continue };
            mailbox.is_ready = false;
            if mailbox.is_blocked(self.per_mailbox) {
                continue;
            }
            let Some(tag) = mailbox.queue.front().copied() else { continue };
            let Some(waiting) = self.entries.get_mut(&tag) else { continue };
            let size = waiting.entry.sealed.envelope.len();
            if batch.len() >= max || (bytes + size > MAX_BATCH_BYTES && !batch.is_empty()) {
                mailbox.is_ready = true;
                self.ready.push_front(address);
                break;
            }
            mailbox.queue.pop_front();
            mailbox.under_way += 1;
            waiting.under_way = true;
            self.under_way += 1;
            bytes += size;
            batch.push(v1::TaggedSend { tag, send: Some(waiting.entry.sealed.request()) });
            self.refresh(address);
        }
        batch
    }

    /// The relay's word on one message. `false` for a tag that is not under way.
    pub(super) fn decide(&mut self, tag: u64, result: Result<(), Error>, now: Instant) -> bool {
        let Some(waiting) = self.entries.get_mut(&tag).filter(|waiting| waiting.under_way) else { return false };
        let address = waiting.entry.sealed.to;
        waiting.under_way = false;
        self.under_way = self.under_way.saturating_sub(1);
        let mailbox = self.mailbox(address);
        mailbox.under_way = mailbox.under_way.saturating_sub(1);
        match result {
            Err(error) if error.is_retryable() => self.hold(tag, address, error, now),
            result => {
                if result.is_ok() {
                    self.mailbox(address).backoff.reset();
                    self.overtake(tag, address);
                }
                self.finish(tag, result);
            }
        }
        self.refresh(address);
        true
    }

    /// The stream broke: whatever is under way is undecided, and goes out again in its order.
    pub(super) fn broken(&mut self, error: &Error) {
        let mut again: HashMap<Address, Vec<u64>> = HashMap::new();
        for (tag, waiting) in self.entries.iter_mut().filter(|(_, waiting)| waiting.under_way) {
            waiting.under_way = false;
            waiting.last_error = Some(error.clone());
            again.entry(waiting.entry.sealed.to).or_default().push(*tag);
        }
        self.under_way = 0;
        for (address, tags) in again {
            if let Some(last) = tags.last() {
                // It may be stored, so whatever was refused before it can no longer keep the order.
                self.overtake(*last, address);
            }
            let mailbox = self.mailbox(address);
            mailbox.under_way = 0;
            mailbox.barrier = false;
            mailbox.queue.extend(tags);
            mailbox.queue.make_contiguous().sort_unstable();
            self.refresh(address);
        }
    }

    /// Lets mailboxes go on whose time to wait is over, and gives up on messages whose time is.
    pub(super) fn tick(&mut self, now: Instant) {
        let late: Vec<u64> = self
            .entries
            .iter()
            .filter(|(_, waiting)| !waiting.under_way && waiting.entry.deadline <= now)
            .map(|(tag, _)| *tag)
            .collect();
        for tag in late {
            self.give_up(tag);
        }
        let over = |mailbox: &&mut Mailbox| mailbox.held_until.is_some_and(|until| until <= now);
        self.mailboxes.values_mut().filter(over).for_each(|mailbox| mailbox.held_until = None);
        let addresses: Vec<Address> = self.mailboxes.keys().copied().collect();
        addresses.into_iter().for_each(|address| self.refresh(address));
    }

    /// When to `tick` next, if at all.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        if self.entries.len() == self.under_way {
            return None;
        }
        let held = self.mailboxes.values().filter_map(|mailbox| mailbox.held_until).min();
        // All have the same time, so the oldest has the earliest deadline.
        let late = self.entries.values().find(|waiting| !waiting.under_way).map(|waiting| waiting.entry.deadline);
        held.into_iter().chain(late).min()
    }

    /// Nothing more can be sent.
    pub(super) fn fail_all(&mut self, error: &Error) {
        for (_, waiting) in std::mem::take(&mut self.entries) {
            waiting.entry.finish(Err(error.clone()));
        }
        *self = Self { next_tag: self.next_tag, ..Self::new(self.per_mailbox) };
    }

    fn hold(&mut self, tag: u64, address: Address, error: Error, now: Instant) {
        let hint: Option<Duration> = error.retry_after();
        let Some(waiting) = self.entries.get_mut(&tag) else { return };
        waiting.last_error = Some(error);
        let mailbox = self.mailbox(address);
        let place = mailbox.queue.partition_point(|other| *other < tag);
        mailbox.queue.insert(place, tag);
        mailbox.barrier = true;
        if mailbox.held_until.is_none() {
            mailbox.held_until = Some(now + mailbox.backoff.next(hint));
        }
    }

    /// Later message `tag` is stored: earlier ones that were refused can no longer be stored in their order.
    fn overtake(&mut self, tag: u64, address: Address) {
        let mailbox = self.mailbox(address);
        let overtaken: Vec<u64> = mailbox.queue.iter().copied().take_while(|earlier| *earlier < tag).collect();
        for earlier in overtaken {
            self.give_up(earlier);
        }
    }

    fn give_up(&mut self, tag: u64) {
        let Some(waiting) = self.entries.get_mut(&tag) else { return };
        let (address, error) = (waiting.entry.sealed.to, waiting.last_error.take());
        self.mailbox(address).queue.retain(|other| *other != tag);
        self.finish(tag, Err(error.unwrap_or(Error::TimedOut)));
        self.refresh(address);
    }

    fn finish(&mut self, tag: u64, result: Result<(), Error>) {
        if let Some(waiting) = self.entries.remove(&tag) {
            waiting.entry.finish(result);
        }
    }

    fn mailbox(&mut self, address: Address) -> &mut Mailbox {
        self.mailboxes.entry(address).or_insert_with(|| Mailbox {
            queue: VecDeque::new(),
            under_way: 0,
            backoff: Backoff::new(FIRST_DELAY, LONGEST_DELAY),
            held_until: None,
            barrier: false,
            is_ready: false,
        })
    }

    /// Sees whether a mailbox can go on, or can be forgotten.
    fn refresh(&mut self, address: Address) {
        let Some(mailbox) = self.mailboxes.get_mut(&address) else { return };
        mailbox.barrier &= mailbox.under_way > 0;
        if mailbox.queue.is_empty() && mailbox.under_way == 0 && !mailbox.is_ready {
            self.mailboxes.remove(&address);
        } else if !mailbox.queue.is_empty() && !mailbox.is_ready && !mailbox.is_blocked(self.per_mailbox) {
            mailbox.is_ready = true;
            self.ready.push_back(address);
        }
    }
}

impl Mailbox {
    fn is_blocked(&self, most_under_way: usize) -> bool {
        self.held_until.is_some() || self.barrier || self.under_way >= most_under_way
    }
}

impl Entry {
    pub(super) fn finish(self, result: Result<(), Error>) {
        // Whoever dropped the result does not want it.
        let _ = self.result.send(result);
    }
}
