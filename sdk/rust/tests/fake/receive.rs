//! The receive stream.

use std::collections::{BTreeSet, HashMap};

use sealpost_client::{Address, Reason};
use sealpost_core::Operation;
use sealpost_proto::status::{self, Failure};
use sealpost_proto::v1::receive_request::Kind as Said;
use sealpost_proto::v1::receive_response::Kind as Say;
use sealpost_proto::v1::{self, ReceiveRequest, ReceiveResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use super::{Fake, take};

struct Open {
    fake: Fake,
    answers: mpsc::Sender<Result<ReceiveResponse, Status>>,
    mailboxes: HashMap<u32, OpenMailbox>,
    credit: usize,
    next_number: u32,
    ending: u64,
    pinged: u32,
    silent: bool,
}

struct OpenMailbox {
    address: Address,
    generation: u64,
    sent_up_to: u64,
    /// Sent on this stream and not acknowledged.
    under_way: BTreeSet<u64>,
    /// What `caught_up` waits for.
    backlog: Option<u64>,
}

/// The address of a mailbox that nobody asked for.
const OTHER: &[u8] = &[9; 32];

type Answers = Response<ReceiverStream<Result<ReceiveResponse, Status>>>;

impl Fake {
    pub async fn open_stream(&self, mut requests: Streaming<ReceiveRequest>) -> Result<Answers, Status> {
        let first = requests.message().await?.and_then(|request| request.kind);
        let Some(Said::Open(open)) = first else { return Err(status::of(Reason::StreamProtocol, "")) };
        let (answers, stream) = mpsc::channel(64);
        let mut changed = self.changed.subscribe();
        let (ending, silent) = {
            let mut state = self.state();
            state.opens += 1;
            (state.ending, take(&mut state.faults.silent_streams))
        };
        let credit = usize::try_from(open.max_outstanding_messages).unwrap();
        let mailboxes = HashMap::new();
        let mut stream_state =
            Open { fake: self.clone(), answers, mailboxes, credit, next_number: 0, ending, pinged: 0, silent };
        stream_state.add(open.proofs).await?;
        tokio::spawn(async move {
            while stream_state.deliver().await {
                tokio::select! {
                    _ = changed.changed() => {}
                    request = requests.message() => match request {
                        Ok(Some(ReceiveRequest { kind: Some(said) })) => stream_state.hear(said).await,
                        _ => return,
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

impl Open {
    async fn add(&mut self, proofs: Vec<v1::Proof>) -> Result<(), Status> {
        // It pings when a test asks for it; so seldom, nobody misses them.
        let ping_interval_ms = if self.silent { 300 } else { 20_000 };
        let mut opened = v1::Opened { ping_interval_ms, ..Default::default() };
        for (place, proof) in proofs.into_iter().enumerate() {
            let address = self.fake.prove(Some(proof), Operation::OpenMailbox)?;
            let mut state = self.fake.state();
            let Some(mailbox) = state.mailboxes.get_mut(&address) else {
                let unknown = Failure::new(Reason::MailboxUnknown, "");
                let field = Some(format!("open.proofs[{place}]"));
                return Err(Failure { field, ..unknown }.into_status());
            };
            mailbox.generation += 1;
            let (generation, backlog) = (mailbox.generation, Some(mailbox.last));
            let under_way = BTreeSet::new();
            let open = OpenMailbox { address, generation, sent_up_to: 0, under_way, backlog };
            let number = self.next_number;
            self.next_number += 1;
            self.mailboxes.insert(number, open);
            let other = take(&mut state.faults.others_opened);
            let address = if other { OTHER.into() } else { address.as_bytes().to_vec().into() };
            opened.mailboxes.push(v1::OpenedMailbox { mailbox: number, address, session: vec![0; 16].into() });
        }
        if take(&mut self.fake.state().faults.more_opened) {
            let (mailbox, session) = (self.next_number, vec![0; 16].into());
            opened.mailboxes.push(v1::OpenedMailbox { mailbox, address: OTHER.into(), session });
        }
        self.say(Say::Opened(opened)).await;
        self.fake.wake();
        Ok(())
    }

    async fn hear(&mut self, said: Said) {
        match said {
            Said::Open(_) => panic!("opened twice"),
            Said::Add(add) => self.add(add.proof.into_iter().collect()).await.unwrap(),
            Said::Remove(v1::Remove { mailbox }) => {
                self.mailboxes.remove(&mailbox).unwrap();
                self.say(Say::MailboxClosed(v1::MailboxClosed { mailbox, reason: 0 })).await;
            }
            Said::Pong(_) => self.fake.state().pongs += 1,
            Said::Ack(ack) => {
                let open = self.mailboxes.get_mut(&ack.mailbox).unwrap();
                assert!(ack.sequences.iter().all(|sequence| open.under_way.contains(sequence)), "not under way");
                let mut state = self.fake.state();
                let mailbox = state.mailboxes.get_mut(&open.address).unwrap();
                let prefix: Vec<u64> = open.under_way.range(..=ack.up_to).copied().collect();
                for sequence in prefix.iter().chain(&ack.sequences) {
                    open.under_way.remove(sequence);
                    mailbox.queue.remove(sequence);
                }
                state.acks.push(ack);
            }
        }
        self.fake.wake();
    }

    /// Sends what can be sent. `false`: the stream has ended.
    async fn deliver(&mut self) -> bool {
        let (ending, last_word) = {
            let state = self.fake.state();
            (state.ending, state.ends_with)
        };
        if ending != self.ending {
            if let Some(closing) = last_word {
                self.say(Say::Closing(closing)).await;
            }
            return false;
        }
        if self.silent {
            return true;
        }
        let pings = self.fake.state().pings;
        if pings > self.pinged {
            self.pinged = pings;
            self.say(Say::Ping(v1::Ping { number: pings })).await;
        }
        for said in self.due() {
            if let Say::Closing(_) = said {
                self.say(said).await;
                return false;
            }
            self.say(said).await;
        }
        true
    }

    fn due(&mut self) -> Vec<Say> {
        let mut due = Vec::new();
        let state = self.fake.state();
        let mut room = self.credit - self.mailboxes.values().map(|open| open.under_way.len()).sum::<usize>();
        let count = self.mailboxes.len();
        let mut ended = Vec::new();
        for (number, open) in &mut self.mailboxes {
            let mailbox = state.mailboxes.get(&open.address);
            let reason = match mailbox {
                None => Some(Reason::MailboxDeleted),
                Some(mailbox) if mailbox.generation != open.generation => Some(Reason::Displaced),
                Some(_) => None,
            };
            if let Some(reason) = reason {
                let reason = reason.into();
                ended.push(*number);
                due.push(match count {
                    1 => Say::Closing(v1::Closing { reason, retry_after_ms: 0 }),
                    _ => Say::MailboxClosed(v1::MailboxClosed { mailbox: *number, reason }),
                });
                continue;
            }
            let mailbox = mailbox.unwrap();
            let mut deliveries = Vec::new();
            for (sequence, envelope) in mailbox.queue.range(open.sent_up_to + 1..).take(room) {
                open.sent_up_to = *sequence;
                open.under_way.insert(*sequence);
                deliveries.push(v1::Delivery { mailbox: *number, sequence: *sequence, envelope: envelope.clone() });
            }
            room -= deliveries.len();
            if !deliveries.is_empty() {
                due.push(Say::Deliveries(v1::Deliveries { deliveries }));
            }
            let rest = mailbox.queue.range(open.sent_up_to + 1..).next().map_or(u64::MAX, |(sequence, _)| *sequence);
            if open.backlog.is_some_and(|backlog| rest > backlog) {
                open.backlog = None;
                due.push(Say::CaughtUp(v1::CaughtUp { mailbox: *number }));
            }
        }
        ended.iter().for_each(|number| drop(self.mailboxes.remove(number)));
        due
    }

    async fn say(&self, kind: Say) {
        // A client that has gone is noticed by its requests.
        let _ = self.answers.send(Ok(ReceiveResponse { kind: Some(kind) })).await;
    }
}
