//! A sender that uses `SendStream`: what is due goes together, and many messages are under way at once.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sealpost_client::low_level::{Channel, v1};
use sealpost_client::{Error, Reason};
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::fate::{self, Fate};
use super::lines::Line;
use super::mailboxes::Mailboxes;
use super::wrap::Wrap;
use crate::board::{Board, Order, Posted};
use crate::ledger::Answer;

/// What every sender needs.
pub(super) struct Post {
    pub(super) board: Arc<Board>,
    pub(super) line: Line,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) wrap: Arc<Wrap>,
    pub(super) retries: u32,
}

/// A message under way, and how often it was sent before.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    pub(super) posted: Posted,
    pub(super) attempt: u32,
}

/// Messages of one batch.
const BATCH: usize = 256;
/// Batches that wait for the connection to take them: what is due later joins the next one.
const BATCHES: usize = 2;

impl Post {
    /// The request for a message; `None` if it cannot be made, which counts as a refusal.
    pub(super) fn request(&self, sent: &Sent, buffer: &mut BytesMut) -> Option<v1::SendRequest> {
        let posted = &sent.posted;
        let mailbox = self.mailboxes.get(usize::try_from(posted.mailbox()).ok()?)?;
        let envelope = match self.wrap.wrap(&self.board, posted, buffer) {
            Ok(envelope) => envelope,
            Err(problem) => {
                self.board.error(&problem.to_string());
                self.board.answer(posted, Answer::Refused);
                return None;
            }
        };
        Some(v1::SendRequest {
            to: mailbox.address.clone(),
            delivery_key: mailbox.delivery_key.clone(),
            message_id: self.message_id(posted),
            envelope,
            attempt: sent.attempt,
            ..v1::SendRequest::default()
        })
    }

    /// The same each time that the message is sent.
    fn message_id(&self, posted: &Posted) -> Bytes {
        let number = u64::from(posted.mailbox()) << 40 | posted.number();
        Bytes::from(([self.board.run().to_be_bytes(), number.to_be_bytes()]).concat())
    }

    /// A message failed. Gives when to send it again, if it is to be.
    pub(super) fn failed(&self, sent: &Sent, fate: Fate) -> Option<Duration> {
        match fate.again {
            Some(pause) if sent.attempt < self.retries => {
                self.board.retry();
                Some(pause)
            }
            _ => {
                self.board.answer(&sent.posted, fate.answer);
                None
            }
        }
    }
}

struct Sender {
    post: Post,
    orders: mpsc::UnboundedReceiver<Order>,
    /// By tag.
    under_way: HashMap<u64, Sent>,
    next_tag: u64,
    /// To be sent again, in the order in which they failed.
    again: VecDeque<(Instant, Sent)>,
    buffer: BytesMut,
    taken: Vec<Order>,
}

/// Sends what is ordered, until there are no more orders and all are answered.
pub(super) async fn run(post: Post, orders: mpsc::UnboundedReceiver<Order>) {
    let mut sender = Sender {
        post,
        orders,
        under_way: HashMap::new(),
        next_tag: 0,
        again: VecDeque::new(),
        buffer: BytesMut::new(),
        taken: Vec::with_capacity(BATCH),
    };
    loop {
        let connection = sender.post.line.connection();
        let Err(error) = sender.stream(DeliveryServiceClient::new(connection.channel)).await else { return };
        sender.post.board.error(&fate::name(&error));
        if fate::is_of_the_connection(&error) {
            sender.post.line.renew(connection.number);
        }
        let fate = fate::of_error(&error);
        let mut undecided: Vec<(u64, Sent)> = sender.under_way.drain().collect();
        // In the order in which they were sent first.
        undecided.sort_unstable_by_key(|(tag, _)| *tag);
        undecided.into_iter().for_each(|(_, sent)| sender.failed(sent, fate));
        tokio::time::sleep(fate.again.unwrap_or_default()).await;
    }
}

impl Sender {
    /// One stream, to its end; `Ok` if there is nothing more to do.
    async fn stream(&mut self, mut service: DeliveryServiceClient<Channel>) -> Result<(), Error> {
        let (requests, to_send) = mpsc::channel(BATCHES);
        let mut responses = service.send_stream(ReceiverStream::new(to_send)).await?.into_inner();
        let mut ordered = true;
        loop {
            if !ordered && self.under_way.is_empty() && self.again.is_empty() {
                return Ok(());
            }
            let next_again = self.again.front().map(|(when, _)| *when);
            tokio::select! {
                biased;
                response = responses.message() => match response? {
                    Some(response) => self.hear(response),
                    None => return Err(Error::Contract("a stream ended without a reason")),
                },
                // Only when the connection takes a batch are messages made of orders: then they are really sent.
                took = take(&requests, &mut self.orders, &mut self.taken), if ordered => match took {
                    Some(permit) => permit.send(self.batch()),
                    None => ordered = false,
                },
                () = until(next_again) => {
                    if let Ok(permit) = requests.reserve().await {
                        let sends = self.again_now();
                        permit.send(v1::SendStreamRequest { sends });
                    }
                }
            }
        }
    }

    fn batch(&mut self) -> v1::SendStreamRequest {
        let mut sends = Vec::with_capacity(self.taken.len());
        for order in std::mem::take(&mut self.taken) {
            let posted = self.post.board.post(order);
            sends.extend(self.send(Sent { posted, attempt: 0 }));
        }
        v1::SendStreamRequest { sends }
    }

    fn again_now(&mut self) -> Vec<v1::TaggedSend> {
        let now = Instant::now();
        let mut sends = Vec::new();
        while sends.len() < BATCH
            && let Some((when, _)) = self.again.front()
            && *when <= now
            && let Some((_, sent)) = self.again.pop_front()
        {
            sends.extend(self.send(Sent { attempt: sent.attempt + 1, ..sent }));
        }
        sends
    }

    fn send(&mut self, sent: Sent) -> Option<v1::TaggedSend> {
        let request = self.post.request(&sent, &mut self.buffer)?;
        let tag = self.next_tag;
        self.next_tag += 1;
        self.under_way.insert(tag, sent);
        Some(v1::TaggedSend { tag, send: Some(request) })
    }

    fn hear(&mut self, response: v1::SendStreamResponse) {
        for result in response.results {
            let Some(sent) = self.under_way.remove(&result.tag) else {
                self.post.board.error("an answer to nothing");
                continue;
            };
            match result.refusal {
                None => self.post.board.answer(&sent.posted, Answer::Accepted),
                Some(refusal) => {
                    let reason = Reason::try_from(refusal.reason).unwrap_or(Reason::Unspecified);
                    let retry_after = Duration::from_millis(refusal.retry_after_ms.into());
                    self.post.board.error(reason.name());
                    self.failed(sent, fate::of_reason(reason, (!retry_after.is_zero()).then_some(retry_after)));
                }
            }
        }
    }

    fn failed(&mut self, sent: Sent, fate: Fate) {
        if let Some(pause) = self.post.failed(&sent, fate) {
            self.again.push_back((Instant::now() + pause, sent));
        }
    }
}

async fn take<'a>(
    requests: &'a mpsc::Sender<v1::SendStreamRequest>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    taken: &mut Vec<Order>,
) -> Option<mpsc::Permit<'a, v1::SendStreamRequest>> {
    let permit = requests.reserve().await.ok()?;
    (orders.recv_many(taken, BATCH).await > 0).then_some(permit)
}

async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
