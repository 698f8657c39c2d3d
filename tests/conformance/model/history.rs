//! A history, on a store and in the model at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sealpost::store::{
    Acknowledgement, Append, Epoch, Event, Grant, MailboxChange, NewMailbox, QueueLimits, ReadRequest,
    SessionAcknowledgement, SessionId, Store, Urgency,
};
use sealpost_core::{Address, MessageId, Sequence};

use super::plain::Plain;
use super::step::{Message, Step};
use crate::fixture::Fixture;
use crate::scene::{FIRST, address, envelope, journey, key, message_id, sequence};

/// Small, so that short histories meet them.
const LIMITS: QueueLimits =
    QueueLimits { max_messages: 6, max_bytes: 600, message_ttl_hours: 2, idle_ttl_hours: 10_000, retry_window: 4 };

/// Does every step, and compares every answer and every event.
pub(crate) async fn replay<F: Fixture>(steps: &[Step]) {
    let fixture = F::new(LIMITS).await;
    let plain = Plain::new(LIMITS, fixture.clock().now().hour());
    let mut history = History {
        fixture,
        plain,
        expected: HashMap::new(),
        watched: HashMap::new(),
        sent: HashMap::new(),
        expired: HashSet::new(),
        sessions: HashMap::new(),
        made: 0,
    };
    for mailbox in [0, 1] {
        history.step(&Step::Create { mailbox }).await;
        history.step(&Step::Watch { mailbox }).await;
    }
    for step in steps {
        history.step(step).await;
    }
    for mailbox in [0, 1] {
        history.listen(address(mailbox)).await;
        history.step(&Step::Inspect { mailbox, max_entries: 100 }).await;
    }
}

struct History<F> {
    fixture: F,
    plain: Plain,
    /// What happened in each mailbox and was not compared yet, and whether it must be told.
    expected: HashMap<Address, Vec<(Event, bool)>>,
    watched: HashMap<Address, u32>,
    /// Ids of what was sent to each mailbox, queued or not.
    sent: HashMap<Address, Vec<MessageId>>,
    /// Ids of what expired: whether a retry finds it after that is not promised.
    expired: HashSet<MessageId>,
    /// The sessions that each mailbox had.
    sessions: HashMap<Address, Vec<SessionId>>,
    made: u64,
}

impl<F: Fixture> History<F> {
    async fn step(&mut self, step: &Step) {
        let store = self.fixture.store();
        match step.clone() {
            Step::Create { mailbox } => {
                let (address, grants) = (address(mailbox), vec![Grant { key: key(1), expires: None }]);
                let expected = self.plain.create(address, &grants);
                let new = NewMailbox { address, incarnation: FIRST, grants, card: Bytes::new() };
                assert_eq!(store.create(new).await, Ok(expected));
            }
            Step::Delete { mailbox } => {
                assert_eq!(store.delete(address(mailbox)).await, Ok(self.plain.delete(address(mailbox))));
            }
            Step::Rekey { mailbox, keys } => self.rekey(address(mailbox), &keys).await,
            Step::Append(messages) => {
                let batch: Vec<_> = messages.iter().map(|message| self.append_of(message)).collect();
                let expected: Vec<_> = batch.iter().map(|append| self.plain.append(append.clone())).collect();
                assert_eq!(store.append(batch).await, expected);
            }
            Step::Open { mailbox } => {
                self.made += 1;
                let session = SessionId(u128::from(self.made).to_be_bytes());
                self.sessions.entry(address(mailbox)).or_default().push(session);
                // How many of the expired ones are counted is the store's affair.
                let expected = self.plain.open(address(mailbox), session);
                let opening = store.open(address(mailbox), session).await.expect("the store works");
                let known = |opening: &sealpost::store::Opening| (opening.generation, opening.last);
                assert_eq!(opening.as_ref().map(known), expected.as_ref().map(known));
                assert!(opening.map(|opening| opening.queued) >= expected.map(|expected| expected.queued));
            }
            Step::Read { mailbox, session, after, max_messages, max_bytes } => {
                let session = self.session(address(mailbox), session);
                let after = sequence(after);
                let request =
                    ReadRequest { address: address(mailbox), session, epoch: Epoch(0), after, max_messages, max_bytes };
                assert_eq!(store.read(request).await, Ok(self.plain.read(&request)));
            }
            Step::Acknowledge { mailbox, sequences } => {
                let sized = |number: &u64| {
                    let size = self.plain.size(address(mailbox), *number).unwrap_or(10);
                    (sequence(*number), u32::try_from(size).expect("it is small"))
                };
                let entries = sequences.iter().filter(|number| **number > 0).map(sized).collect();
                let acknowledgement =
                    Acknowledgement { address: address(mailbox), epoch: Epoch(0), incarnation: FIRST, entries };
                self.plain.acknowledge(&acknowledgement);
                assert_eq!(store.acknowledge(&[acknowledgement]).await, Ok(()));
            }
            Step::AcknowledgeBySession { mailbox, session, up_to, sequences } => {
                let acknowledgement = SessionAcknowledgement {
                    address: address(mailbox),
                    session: self.session(address(mailbox), session),
                    up_to: sequence(up_to),
                    sequences: sequences.into_iter().filter_map(Sequence::new).collect(),
                };
                let expected = self.plain.acknowledge_by_session(acknowledgement.clone());
                assert_eq!(store.acknowledge_by_session(acknowledgement).await, Ok(expected));
            }
            Step::Describe { mailbox } => {
                assert_eq!(store.describe(address(mailbox)).await, Ok(self.plain.describe(address(mailbox))));
            }
            Step::Inspect { mailbox, max_entries } => {
                let expected = self.plain.inspect(address(mailbox), max_entries);
                let found = store.inspect(address(mailbox), max_entries).await.expect("the store works");
                assert_eq!(found.map(|held| (held.description, held.entries)), expected);
            }
            Step::PassHours(hours) => self.pass_hours(hours),
            Step::Restart => self.restart(store).await,
            Step::Listen { mailbox } => self.listen(address(mailbox)).await,
            Step::Watch { mailbox } => {
                *self.watched.entry(address(mailbox)).or_default() += 1;
                assert_eq!(store.watch(address(mailbox)).await, Ok(()));
            }
            Step::Unwatch { mailbox } => {
                // Before the last one, what was told must have come.
                self.listen(address(mailbox)).await;
                if let Some(count @ 1..) = self.watched.get_mut(&address(mailbox)) {
                    *count -= 1;
                    store.unwatch(address(mailbox));
                }
            }
        }
        for (address, event) in self.plain.take_events() {
            // A watch that was taken back ends soon, not at once.
            let watched = self.watched.get(&address).is_some_and(|count| *count > 0);
            self.expected.entry(address).or_default().push((event, watched));
        }
    }

    async fn rekey(&mut self, address: Address, keys: &[(u8, Option<u8>)]) {
        let end = |hours: u8| self.plain.now.saturating_add(u32::from(hours));
        let grants: Vec<_> =
            keys.iter().map(|(number, hours)| Grant { key: key(*number), expires: hours.map(end) }).collect();
        let expected = self.plain.rekey(address, &grants);
        let change = MailboxChange { grants: Some(grants), card: None };
        assert_eq!(self.fixture.store().update(address, change).await, Ok(expected));
    }

    fn append_of(&mut self, message: &Message) -> Append {
        let Message { mailbox, key: number, size, ephemeral, retried, same_as } = message.clone();
        self.made += 1;
        let sent = self.sent.entry(address(mailbox)).or_default();
        let earlier = same_as.and_then(|back| sent.iter().rev().nth(usize::from(back)).copied());
        let id = earlier.filter(|id| !self.expired.contains(id)).unwrap_or_else(|| message_id(self.made));
        sent.push(id);
        Append {
            to: address(mailbox),
            key: key(number),
            message_id: id,
            envelope: envelope(self.made, size),
            urgency: [Urgency::Low, Urgency::Normal, Urgency::High][size % 3],
            ephemeral,
            retried,
            journey: journey(self.made),
        }
    }

    /// The session that the mailbox had so many openings ago; one that it never had if there were not so many.
    fn session(&self, address: Address, back: u8) -> SessionId {
        let sessions = self.sessions.get(&address);
        sessions
            .and_then(|sessions| sessions.iter().rev().nth(usize::from(back)).copied())
            .unwrap_or(SessionId([0xEE; 16]))
    }

    fn pass_hours(&mut self, hours: u8) {
        let queued = |plain: &Plain| -> HashSet<MessageId> {
            let all = [0, 1].into_iter().filter_map(|mailbox| plain.inspect(address(mailbox), u32::MAX));
            all.flat_map(|(_, entries)| entries).map(|entry| entry.entry.message_id).collect()
        };
        let before = queued(&self.plain);
        self.fixture.clock().advance(u64::from(hours) * 3600);
        self.plain.pass_hours(u32::from(hours));
        self.expired.extend(before.difference(&queued(&self.plain)));
    }

    /// Watches do not outlive the store, so what was told must come before.
    async fn restart(&mut self, store: Arc<dyn Store>) {
        for mailbox in [0, 1] {
            self.listen(address(mailbox)).await;
        }
        drop(store);
        self.fixture.restart().await;
        for (address, count) in &self.watched {
            for _ in 0..*count {
                assert_eq!(self.fixture.store().watch(*address).await, Ok(()));
            }
        }
    }

    /// Sends an ephemeral envelope as the end, and compares everything that was told before it.
    async fn listen(&mut self, address: Address) {
        if self.watched.get(&address).is_none_or(|count| *count == 0) {
            return;
        }
        if !self.plain.exists(address) {
            let grants = vec![Grant { key: key(1), expires: None }];
            let expected = self.plain.create(address, &grants);
            let new = NewMailbox { address, incarnation: FIRST, grants, card: Bytes::new() };
            assert_eq!(self.fixture.store().create(new).await, Ok(expected));
        }
        self.rekey(address, &[(1, None)]).await;
        self.made += 1;
        let end = envelope(self.made, 100);
        let append = Append {
            to: address,
            key: key(1),
            message_id: message_id(self.made),
            envelope: end.clone(),
            urgency: Urgency::Normal,
            ephemeral: true,
            retried: false,
            journey: journey(self.made),
        };
        assert_eq!(self.fixture.store().append(vec![append]).await, [Ok(Sequence::NONE)]);
        let mut told = Vec::new();
        loop {
            match self.fixture.recording().next(&address).await {
                Event::Ephemeral { envelope, .. } if envelope == end => break,
                event => told.push(event),
            }
        }
        let mut expected = self.expected.remove(&address).unwrap_or_default();
        // What need not be told comes before what must, so the two are matched from the end.
        let mut rest = told.iter().rev().peekable();
        expected.reverse();
        expected.retain(|(event, must)| rest.next_if_eq(&event).is_some() || *must);
        expected.reverse();
        assert_eq!(told, expected.into_iter().map(|(event, _)| event).collect::<Vec<_>>());
    }
}
