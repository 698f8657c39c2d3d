//! An owner: one stream of one or more mailboxes, opened again whenever it ends; takes what comes and acknowledges it.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealpost_client::low_level::{Operation, v1};
use sealpost_client::{Error, Reason};
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;

use super::crowd::Crowd;
use super::lines::Line;
use super::mailboxes::Mailboxes;
use super::wrap::Wrap;
use super::{Topology, fate};
use crate::board::Board;
use crate::scenario::Owners;

/// What all owners are told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Orders {
    /// With each new number all connections are cut…
    pub(super) storm: u64,
    /// … and opened again within this time.
    pub(super) spread: Duration,
    /// Slow ones are slow no more.
    pub(super) hurry: bool,
}

pub(super) struct Owner {
    pub(super) board: Arc<Board>,
    pub(super) crowd: Arc<Crowd>,
    pub(super) line: Arc<Line>,
    pub(super) mailboxes: Arc<Mailboxes>,
    pub(super) which: Range<usize>,
    pub(super) settings: Owners,
    pub(super) wrap: Arc<Wrap>,
    pub(super) orders: watch::Receiver<Orders>,
    /// Who opens for the first time waits here for its turn.
    pub(super) gate: Arc<Semaphore>,
    pub(super) slow: bool,
}

/// A stream that is open.
struct Stream {
    asks: mpsc::UnboundedSender<v1::ReceiveRequest>,
    responses: Streaming<v1::ReceiveResponse>,
    /// By the stream's number of a mailbox: what is known of it.
    mailboxes: Vec<Opened>,
    /// Those with something to acknowledge.
    due: Vec<u32>,
    /// Envelopes among that.
    unacknowledged: u32,
    live: usize,
}

#[derive(Default)]
struct Opened {
    number: u32,
    /// The last that came.
    last: u64,
    is_due: bool,
}

/// Why a stream ended, and when to come back.
enum End {
    /// The relay said so.
    Closed(Duration),
    /// It broke, or was refused.
    Failed(Error),
    /// All were told to.
    Storm,
}

/// What a stream may have under way: the relay's default for an owner's own, the most that it grants for a gateway's.
const OWN_CREDIT: u32 = 256;
const MOST_CREDIT: u32 = 10_000;
const MOST_BYTES: u64 = 16 << 20;
/// Before a stream is opened again that was refused or broke, without a word of the relay's.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a slow owner reads.
const SLOW_PAUSE: Duration = Duration::from_secs(2);

impl Owner {
    /// Takes what comes, for ever.
    pub(super) async fn run(mut self) {
        let mut left: Option<(Instant, Duration)> = None;
        // It is never closed.
        let mut turn = self.gate.clone().acquire_owned().await.ok();
        loop {
            let connection = self.line.connection();
            let storm = self.orders.borrow_and_update().storm;
            let opened = self.open(MailboxServiceClient::new(connection.channel)).await;
            turn.take();
            let end = match opened {
                Ok(mut stream) => {
                    if let Some((since, asked)) = left.take() {
                        self.crowd.was_away(since.elapsed(), asked);
                    }
                    let end = self.attend(&mut stream, storm).await;
                    self.crowd.left(storm, stream.live);
                    end
                }
                Err(error) => End::Failed(error),
            };
            let pause = match &end {
                End::Closed(retry_after) => *retry_after,
                End::Storm => self.orders.borrow().spread.mul_f64(rand::random()),
                End::Failed(error) => {
                    self.board.error(&fate::name(error));
                    self.crowd.refused(error.to_string());
                    // So that not all who lost the same relay come back in the same moment.
                    error.retry_after().unwrap_or_else(|| PAUSE.mul_f64(0.5 + rand::random::<f64>()))
                }
            };
            left.get_or_insert((Instant::now(), pause));
            if !matches!(&end, End::Failed(error) if !fate::is_of_the_connection(error)) {
                self.line.renew(connection.number);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn open(
        &self,
        mut service: MailboxServiceClient<sealpost_client::low_level::Channel>,
    ) -> Result<Stream, Error> {
        let (asks, asked) = mpsc::unbounded_channel();
        let (credit, bytes) = match self.settings.topology {
            Topology::Own if self.settings.keep == 0 => (OWN_CREDIT, 0),
            Topology::Own | Topology::Gateway => (MOST_CREDIT, MOST_BYTES),
        };
        let identities = self.which.clone().filter_map(|number| self.mailboxes.get(number));
        let prover = self.line.prover();
        let open = v1::Open {
            proofs: identities
                .map(|mailbox| prover.prove(mailbox.identity.identity(), Operation::OpenMailbox))
                .collect(),
            max_outstanding_messages: credit,
            max_outstanding_bytes: bytes,
        };
        // The other end is in our hands.
        let _ = asks.send(v1::ReceiveRequest { kind: Some(Ask::Open(open)) });
        let responses = service.receive(UnboundedReceiverStream::new(asked)).await?.into_inner();
        let mailboxes = self
            .which
            .clone()
            .map(|number| Opened { number: u32::try_from(number).unwrap_or(u32::MAX), ..Opened::default() });
        let mailboxes = mailboxes.collect();
        Ok(Stream { asks, responses, mailboxes, due: Vec::new(), unacknowledged: 0, live: 0 })
    }

    /// Listens to a stream that was opened after this storm, until it ends.
    async fn attend(&mut self, stream: &mut Stream, storm: u64) -> End {
        let mut acknowledge = pin!(tokio::time::sleep(Duration::MAX));
        loop {
            tokio::select! {
                biased;
                message = stream.responses.message() => {
                    let was_due = !stream.due.is_empty();
                    match message {
                        Ok(Some(message)) => {
                            if let Some(end) = self.hear(stream, storm, message.kind) {
                                return end;
                            }
                        }
                        Ok(None) => return End::Failed(Error::Contract("a stream ended without a reason")),
                        Err(status) => return End::Failed(status.into()),
                    }
                    if self.slow && !self.orders.borrow().hurry {
                        self.dawdle().await;
                    } else if stream.unacknowledged >= OWN_CREDIT / 2 {
                        stream.acknowledge(self.settings.keep);
                    } else if !was_due && !stream.due.is_empty() {
                        let after = self.settings.acknowledge_after.0;
                        acknowledge.as_mut().reset(tokio::time::Instant::now() + after);
                    }
                }
                () = acknowledge.as_mut(), if !stream.due.is_empty() => stream.acknowledge(self.settings.keep),
                // The fleet outlives its owners.
                Ok(()) = self.orders.changed() => {
                    if self.orders.borrow_and_update().storm != storm {
                        return End::Storm;
                    }
                    stream.acknowledge(self.settings.keep);
                }
            }
        }
    }

    fn hear(&self, stream: &mut Stream, storm: u64, said: Option<Said>) -> Option<End> {
        match said? {
            Said::Deliveries(deliveries) => {
                for delivery in deliveries.deliveries {
                    let place = usize::try_from(delivery.mailbox).unwrap_or(usize::MAX);
                    let Some(mailbox) = stream.mailboxes.get_mut(place) else {
                        return Some(End::Failed(Error::Contract("a delivery for a mailbox that is not open")));
                    };
                    mailbox.last = mailbox.last.max(delivery.sequence);
                    if !std::mem::replace(&mut mailbox.is_due, true) {
                        stream.due.push(delivery.mailbox);
                    }
                    stream.unacknowledged += 1;
                    self.wrap.unwrap(&self.board, mailbox.number, &delivery.envelope);
                }
                None
            }
            Said::CaughtUp(_) => {
                stream.live += 1;
                self.crowd.joined(storm);
                None
            }
            Said::Ping(ping) => {
                stream.say(Ask::Pong(v1::Pong { number: ping.number }));
                None
            }
            Said::Closing(closing) => {
                let reason = Reason::try_from(closing.reason).unwrap_or(Reason::Unspecified);
                self.board.error(reason.name());
                Some(End::Closed(Duration::from_millis(closing.retry_after_ms.into())))
            }
            Said::Opened(_) => None,
            Said::MailboxClosed(_) => Some(End::Failed(Error::Contract("a mailbox was closed that nobody else opens"))),
        }
    }

    /// Reads nothing for a while.
    async fn dawdle(&mut self) {
        let hurried = self.orders.wait_for(|orders| orders.hurry);
        let _ = tokio::time::timeout(SLOW_PAUSE, hurried).await;
    }
}

impl Stream {
    fn say(&self, kind: Ask) {
        // The relay may have ended the stream meanwhile.
        let _ = self.asks.send(v1::ReceiveRequest { kind: Some(kind) });
    }

    /// Acknowledges what came, but for so many of the newest of each mailbox.
    fn acknowledge(&mut self, keep: u64) {
        for number in std::mem::take(&mut self.due) {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            let Some(mailbox) = self.mailboxes.get_mut(place) else { continue };
            mailbox.is_due = false;
            let up_to = mailbox.last.saturating_sub(keep);
            if up_to > 0 {
                self.say(Ask::Ack(v1::Ack { mailbox: number, up_to, sequences: Vec::new() }));
            }
        }
        self.unacknowledged = 0;
    }
}
