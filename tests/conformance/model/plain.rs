//! The promises, written as plainly as can be: everything in memory, nothing clever.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use sealpost::store::{
    Acknowledgement, Append, AppendError, Creation, Description, Entry, Epoch, Event, Generation, Grant, Opening, Page,
    QueueLimits, QueuedEntry, Read, ReadRequest, SessionAcknowledgement, SessionId, SessionOutcome,
};
use sealpost_core::{Address, DeliveryKeyHash, Hour, Sequence};

use crate::scene::{FIRST, sequence};

/// What a store should hold.
pub(crate) struct Plain {
    pub(crate) now: Hour,
    limits: QueueLimits,
    mailboxes: HashMap<Address, Mailbox>,
    /// In the order in which they happened, whether anybody watches or not.
    events: Vec<(Address, Event)>,
}

struct Mailbox {
    grants: BTreeMap<[u8; 32], Option<Hour>>,
    queue: BTreeMap<u64, Entry>,
    /// Of every envelope that it ever had.
    sizes: BTreeMap<u64, usize>,
    last: u64,
    generation: u64,
    session: Option<SessionId>,
    last_seen: Hour,
}

impl Plain {
    pub(crate) fn new(limits: QueueLimits, now: Hour) -> Self {
        Self { now, limits, mailboxes: HashMap::new(), events: Vec::new() }
    }

    pub(crate) fn pass_hours(&mut self, hours: u32) {
        self.now = self.now.saturating_add(hours);
        let (now, ttl) = (self.now, self.limits.message_ttl_hours);
        for mailbox in self.mailboxes.values_mut() {
            mailbox.queue.retain(|_, entry| entry.accepted.0 + ttl >= now.0);
        }
    }

    pub(crate) fn create(&mut self, address: Address, grants: &[Grant]) -> Creation {
        if self.mailboxes.contains_key(&address) {
            return Creation::Exists;
        }
        let mailbox = Mailbox {
            grants: by_key(grants),
            queue: BTreeMap::new(),
            sizes: BTreeMap::new(),
            last: 0,
            generation: 0,
            session: None,
            last_seen: self.now,
        };
        self.mailboxes.insert(address, mailbox);
        Creation::Created
    }

    pub(crate) fn rekey(&mut self, address: Address, grants: &[Grant]) -> bool {
        let now = self.now;
        self.mailboxes
            .get_mut(&address)
            .map(|mailbox| (mailbox.grants, mailbox.last_seen) = (by_key(grants), now))
            .is_some()
    }

    pub(crate) fn delete(&mut self, address: Address) -> bool {
        let existed = self.mailboxes.remove(&address).is_some();
        if existed {
            self.events.push((address, Event::Deleted));
        }
        existed
    }

    pub(crate) fn exists(&self, address: Address) -> bool {
        self.mailboxes.contains_key(&address)
    }

    pub(crate) fn append(&mut self, append: Append) -> Result<Sequence, AppendError> {
        let Append { to, key, message_id, envelope, urgency, ephemeral, retried, journey } = append;
        let (now, limits) = (self.now, self.limits);
        let mailbox = self.mailboxes.get_mut(&to).ok_or(AppendError::Refused)?;
        match mailbox.grants.get(key.as_bytes()) {
            Some(None) => {}
            Some(Some(end)) if now < *end => {}
            _ => return Err(AppendError::Refused),
        }
        if ephemeral {
            self.events.push((to, Event::Ephemeral { envelope, journey }));
            return Ok(Sequence::NONE);
        }
        if retried {
            let mut tail = mailbox.queue.iter().rev().take(limits.retry_window as usize);
            if let Some((number, _)) = tail.find(|(_, entry)| entry.message_id == message_id) {
                return Ok(sequence(*number));
            }
        }
        let (messages, bytes) = mailbox.queued();
        if messages + 1 > limits.max_messages || bytes + envelope.size() as u64 > limits.max_bytes {
            return Err(AppendError::Full);
        }
        mailbox.last += 1;
        let entry = Entry { accepted: now, message_id, urgency, envelope: envelope.clone() };
        mailbox.queue.insert(mailbox.last, entry);
        mailbox.sizes.insert(mailbox.last, envelope.size());
        let sequence = sequence(mailbox.last);
        self.events.push((to, Event::Stored { sequence, envelope, journey }));
        Ok(sequence)
    }

    pub(crate) fn open(&mut self, address: Address, session: SessionId) -> Option<Opening> {
        let mailbox = self.mailboxes.get_mut(&address)?;
        mailbox.generation += 1;
        mailbox.session = Some(session);
        mailbox.last_seen = self.now;
        let generation = Generation(mailbox.generation);
        self.events.push((address, Event::Opened { generation }));
        Some(Opening {
            epoch: Epoch(0),
            incarnation: FIRST,
            generation,
            last: sequence(mailbox.last),
            queued: mailbox.queue.len() as u64,
        })
    }

    pub(crate) fn read(&self, request: &ReadRequest) -> Read {
        let mailbox = self.mailboxes.get(&request.address).filter(|mailbox| mailbox.session == Some(request.session));
        let Some(mailbox) = mailbox else { return Read::Ended };
        let mut entries = Vec::new();
        let mut bytes = 0;
        for (number, entry) in mailbox.queue.range(request.after.get() + 1..) {
            bytes += entry.envelope.size() as u64;
            if entries.len() == request.max_messages as usize || bytes > request.max_bytes {
                return Read::Page(Page { entries, end: None });
            }
            entries.push(QueuedEntry { sequence: sequence(*number), entry: entry.clone() });
        }
        Read::Page(Page { entries, end: Some(sequence(mailbox.last)) })
    }

    pub(crate) fn acknowledge(&mut self, acknowledgement: &Acknowledgement) {
        if let Some(mailbox) = self.mailboxes.get_mut(&acknowledgement.address) {
            for (sequence, _) in &acknowledgement.entries {
                mailbox.queue.remove(&sequence.get());
            }
        }
    }

    pub(crate) fn acknowledge_by_session(&mut self, acknowledgement: SessionAcknowledgement) -> SessionOutcome {
        let SessionAcknowledgement { address, session, up_to, sequences } = acknowledgement;
        match self.mailboxes.get_mut(&address) {
            Some(mailbox) if mailbox.session == Some(session) => {
                mailbox.queue.retain(|number, _| *number > up_to.get() && !sequences.contains(&sequence(*number)));
                self.events.push((address, Event::Acknowledged { up_to, sequences }));
                SessionOutcome::Acknowledged
            }
            _ => SessionOutcome::SessionEnded,
        }
    }

    pub(crate) fn describe(&self, address: Address) -> Option<Description> {
        let mailbox = self.mailboxes.get(&address)?;
        let (queued_messages, queued_bytes) = mailbox.queued();
        let grant = |(key, expires): (&[u8; 32], &Option<Hour>)| Grant {
            key: DeliveryKeyHash::try_from(key.as_slice()).expect("32 bytes"),
            expires: *expires,
        };
        Some(Description {
            grants: mailbox.grants.iter().map(grant).collect(),
            card: Bytes::new(),
            last: sequence(mailbox.last),
            queued_messages,
            queued_bytes,
            generation: Generation(mailbox.generation),
            last_seen: mailbox.last_seen,
            reclaimed: mailbox.last_seen.saturating_add(self.limits.idle_ttl_hours + 1),
        })
    }

    /// All but what only a store itself uses.
    pub(crate) fn inspect(&self, address: Address, max_entries: u32) -> Option<(Description, Vec<QueuedEntry>)> {
        let queue = &self.mailboxes.get(&address)?.queue;
        let entries = queue.iter().take(max_entries as usize);
        let entry = |(number, entry): (&u64, &Entry)| QueuedEntry { sequence: sequence(*number), entry: entry.clone() };
        Some((self.describe(address)?, entries.map(entry).collect()))
    }

    /// What happened since this was last asked.
    pub(crate) fn take_events(&mut self) -> Vec<(Address, Event)> {
        std::mem::take(&mut self.events)
    }

    /// The size of an envelope, also of one that is gone.
    pub(crate) fn size(&self, address: Address, number: u64) -> Option<usize> {
        self.mailboxes.get(&address)?.sizes.get(&number).copied()
    }
}

impl Mailbox {
    fn queued(&self) -> (u64, u64) {
        (self.queue.len() as u64, self.queue.values().map(|entry| entry.envelope.size() as u64).sum())
    }
}

fn by_key(grants: &[Grant]) -> BTreeMap<[u8; 32], Option<Hour>> {
    grants.iter().map(|grant| (*grant.key.as_bytes(), grant.expires)).collect()
}
