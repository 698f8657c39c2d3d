//! The outbox against a model of a relay that refuses at times, and of a connection that breaks.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use sealpost_core::{Address, DeliveryKey, MessageId};
use sealpost_proto::Reason;
use sealpost_proto::v1::TaggedSend;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

use super::Entry;
use super::outbox::Outbox;
use crate::{Error, Sealed};

const MAILBOXES: u8 = 3;
const PER_MAILBOX: usize = 4;

#[derive(Debug, Clone)]
enum Step {
    /// A message for this mailbox.
    Push(u8),
    /// A batch goes out.
    Batch,
    /// The relay takes the next one from the wire: whether it accepts it.
    Take(bool),
    /// The client hears the next result.
    Hear,
    /// The connection breaks; what is on the wire and the results are lost.
    Break,
    /// Time passes.
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..MAILBOXES).prop_map(Step::Push),
        3 => Just(Step::Batch),
        6 => prop::bool::weighted(0.8).prop_map(Step::Take),
        6 => Just(Step::Hear),
        1 => Just(Step::Break),
        2 => Just(Step::Tick),
    ]
}

struct Model {
    outbox: Outbox,
    now: Instant,
    room: Arc<Semaphore>,
    pushed: Vec<(u8, oneshot::Receiver<Result<(), Error>>)>,
    wire: VecDeque<TaggedSend>,
    results: VecDeque<(u64, Result<(), Error>)>,
    /// By number, in the order of storing.
    stored: Vec<usize>,
}

impl Model {
    fn new() -> Self {
        Self {
            outbox: Outbox::new(PER_MAILBOX),
            now: Instant::now(),
            room: Arc::new(Semaphore::new(10_000)),
            pushed: Vec::new(),
            wire: VecDeque::new(),
            results: VecDeque::new(),
            stored: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Push(mailbox) => self.push(*mailbox),
            Step::Batch => {
                self.wire.extend(self.outbox.batch(5));
                let under_way =
                    |mailbox| self.wire.iter().filter(move |sent| sent.send.as_ref().unwrap().to[0] == mailbox);
                (0..MAILBOXES).for_each(|mailbox| assert!(under_way(mailbox).count() <= PER_MAILBOX));
            }
            Step::Take(accepts) => {
                let Some(sent) = self.wire.pop_front() else { return };
                let send = sent.send.unwrap();
                let number = usize::from(u16::from_be_bytes([send.message_id[0], send.message_id[1]]));
                let known = send.attempt > 0 && self.stored.contains(&number);
                if *accepts && !known {
                    self.stored.push(number);
                }
                let result = if *accepts || known { Ok(()) } else { Err(Error::refused(Reason::MailboxFull)) };
                self.results.push_back((sent.tag, result));
            }
            Step::Hear => {
                let Some((tag, result)) = self.results.pop_front() else { return };
                assert!(self.outbox.decide(tag, result, self.now));
            }
            Step::Break => {
                // Where a refusal is lost, nobody can know that later messages have overtaken it.
                while self.results.iter().any(|(_, result)| result.is_err()) {
                    self.step(&Step::Hear);
                }
                self.wire.clear();
                self.results.clear();
                self.outbox.broken(&Error::Unreachable(String::new()));
                assert!(!self.outbox.has_under_way());
            }
            Step::Tick => {
                self.now += Duration::from_secs(11);
                self.outbox.tick(self.now);
            }
        }
    }

    fn push(&mut self, mailbox: u8) {
        let number = u16::try_from(self.pushed.len()).unwrap();
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        let key = DeliveryKey::try_from(&[0; 32][..]).unwrap();
        let to = Address::from_bytes([mailbox; 32]);
        let sealed = Sealed::opaque(to, key, MessageId::from_bytes(id), vec![0; 8]);
        let permit = || self.room.clone().try_acquire_owned().unwrap();
        let (result, pending) = oneshot::channel();
        let deadline = self.now + Duration::from_secs(1_000_000);
        self.outbox.push(Entry { sealed, deadline, result, _room: (permit(), permit()) });
        self.pushed.push((mailbox, pending));
    }

    fn finish(&mut self) {
        for _ in 0..10_000 {
            if self.outbox.is_empty() {
                return;
            }
            [Step::Tick, Step::Batch, Step::Take(true), Step::Hear].iter().for_each(|step| self.step(step));
        }
        panic!("something is stuck");
    }
}

proptest! {
    #[test]
    fn p3_each_mailbox_gets_its_messages_once_and_in_order(steps in prop::collection::vec(step(), 0..300)) {
        let mut model = Model::new();
        steps.iter().for_each(|step| model.step(step));
        model.finish();
        prop_assert_eq!(model.outbox.next_tick(), None);
        prop_assert_eq!(model.room.available_permits(), 10_000);
        for mailbox in 0..MAILBOXES {
            let of_mailbox = |number: &&usize| model.pushed[**number].0 == mailbox;
            let stored: Vec<usize> = model.stored.iter().filter(of_mailbox).copied().collect();
            prop_assert!(stored.is_sorted_by(|one, next| one < next), "{stored:?}");
        }
        for (number, (_, pending)) in model.pushed.iter_mut().enumerate() {
            let result = pending.try_recv().expect("each message has a result");
            prop_assert_eq!(result.is_ok(), model.stored.contains(&number));
        }
    }

    #[test]
    fn without_refusals_everything_is_stored(steps in prop::collection::vec(step(), 0..300)) {
        let mut model = Model::new();
        for step in &steps {
            model.step(if matches!(step, Step::Take(_)) { &Step::Take(true) } else { step });
        }
        model.finish();
        prop_assert_eq!(model.stored.len(), model.pushed.len());
    }
}
