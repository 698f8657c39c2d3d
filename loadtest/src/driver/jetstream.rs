//! NATS JetStream: one stream holds all messages until they are acknowledged, and each mailbox is a durable consumer of its
//! subject, whose owner pulls over a connection of its own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{ContextBuilder, DeleteStreamErrorKind, PublishError, PublishErrorKind};
use async_nats::jetstream::publish::PublishAck;
use async_nats::jetstream::stream::{Config, RetentionPolicy, StorageType};
use async_nats::jetstream::{Context, ErrorCode};
use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use super::Driver;
use super::wiring::{AGAIN_AFTER, PATIENCE, Progress, Wiring, open_all, within};
use crate::board::{Board, Order};
use crate::ledger::Answer;
use crate::pace::Queues;
use crate::problem::{During as _, Problem};

/// The one stream, and what its subjects begin with.
const STREAM: &str = "MBOX";
const SUBJECT: &str = "mbox";
/// By default a stream takes a thousand consumers.
const MAX_CONSUMERS: i32 = 1_000_000;
const MAX_AGE: Duration = Duration::from_secs(30 * 24 * 3600);
/// An owner who has not acknowledged a message for so long gets it again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// An owner has no more messages to acknowledge than this.
const MAX_ACK_PENDING: i64 = 256;
/// A sender waits for no more answers than this. A client's queue of commands has room for twice as many.
const UNDER_WAY: usize = 1_000;

/// Clients of a NATS server.
pub struct JetStream {
    wiring: Wiring,
    progress: Progress,
    tasks: JoinSet<()>,
    /// Every connection holds the sending end while it lives.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

impl JetStream {
    /// For the server of this wiring. To open mailboxes takes long: `progress` is told how many are.
    pub fn new(wiring: Wiring, progress: Progress) -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self { wiring, progress, tasks: JoinSet::new(), alive, ended }
    }

    async fn connect(&self, board: &Arc<Board>) -> Result<Context, Problem> {
        let (board, alive) = (board.clone(), self.alive.clone());
        let note = move |event| {
            let _ = &alive;
            match event {
                Event::Disconnected => board.error("a connection to NATS broke"),
                Event::SlowConsumer(_) => board.error("a client of NATS was too slow"),
                Event::ServerError(_) => board.error("NATS said what it did not like"),
                _ => {}
            }
            std::future::ready(())
        };
        let options = ConnectOptions::new()
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .reconnect_delay_callback(|_| AGAIN_AFTER)
            .event_callback(note);
        let client = options.connect(format!("127.0.0.1:{}", self.wiring.port)).await.during("connecting to NATS")?;
        Ok(context(client))
    }

    async fn open_mailbox(&self, mailbox: u32, board: &Arc<Board>) -> Result<(u32, PullConsumer), Problem> {
        let context = self.connect(board).await?;
        let wanted = pull::Config {
            durable_name: Some(mailbox.to_string()),
            filter_subject: subject(mailbox),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            max_ack_pending: MAX_ACK_PENDING,
            ..pull::Config::default()
        };
        let consumer =
            context.create_consumer_on_stream(wanted, STREAM).await.during("adding a consumer to JetStream")?;
        Ok((mailbox, consumer))
    }
}

impl Driver for JetStream {
    async fn open(&mut self, board: &Arc<Board>) -> Result<(), Problem> {
        make_stream(&self.connect(board).await?).await?;
        let consumers =
            open_all(board, &self.progress, async |mailbox| self.open_mailbox(mailbox, board).await).await?;
        for (mailbox, consumer) in consumers {
            self.tasks.spawn(own(consumer, mailbox, board.clone()));
        }
        Ok(())
    }

    async fn senders(&mut self, board: &Arc<Board>) -> Result<Queues, Problem> {
        let mut queues = Vec::new();
        for _ in 0..self.wiring.connections.max(1) {
            let context = self.connect(board).await?;
            let (queue, orders) = unbounded_channel();
            queues.push(queue);
            self.tasks.spawn(send(context, self.wiring, orders, board.clone()));
        }
        Ok(queues.into())
    }

    async fn close(mut self) -> Result<(), Problem> {
        self.tasks.shutdown().await;
        drop(self.alive);
        within("closing connections to NATS", self.ended.recv()).await.map(|_| ())
    }
}

fn context(client: Client) -> Context {
    // More than are ever under way, so that no permit is waited for.
    ContextBuilder::new().timeout(PATIENCE).max_ack_inflight(2 * UNDER_WAY).build(client)
}

fn subject(mailbox: u32) -> String {
    format!("{SUBJECT}.{mailbox}")
}

/// Makes it anew: whatever an earlier run left in it goes.
async fn make_stream(context: &Context) -> Result<(), Problem> {
    match context.delete_stream(STREAM).await {
        Ok(_) => {}
        Err(error) => match error.kind() {
            DeleteStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {}
            _ => return Err(error).during("removing an old stream from JetStream"),
        },
    }
    let wanted = Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{SUBJECT}.>")],
        retention: RetentionPolicy::WorkQueue,
        storage: StorageType::File,
        max_age: MAX_AGE,
        max_consumers: MAX_CONSUMERS,
        ..Config::default()
    };
    context.create_stream(wanted).await.during("adding a stream to JetStream").map(|_| ())
}

/// Takes what comes and acknowledges it, as long as the client lives. That one connects again by itself.
async fn own(consumer: PullConsumer, mailbox: u32, board: Arc<Board>) {
    while let Ok(mut messages) = consumer.messages().await {
        while let Some(next) = messages.next().await {
            let Ok(message) = next else {
                board.error("an owner's pull from JetStream failed");
                break;
            };
            board.deliver(mailbox, &message.payload);
            if message.ack().await.is_err() {
                board.error("an acknowledgement to JetStream failed");
            }
        }
        drop(messages);
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn send(context: Context, wiring: Wiring, mut orders: UnboundedReceiver<Order>, board: Arc<Board>) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some((posted, answer)) = under_way.next() => board.answer(&posted, answer),
            order = orders.recv(), if under_way.len() < UNDER_WAY => {
                let Some(order) = order else { break };
                let posted = board.post(order);
                let bytes = wiring.bytes(&board, &posted);
                let sent = context.publish(subject(posted.mailbox()), bytes.into()).await;
                let board = &board;
                under_way.push(async move {
                    let answer = match sent {
                        Ok(acknowledged) => acknowledged.await,
                        Err(error) => Err(error),
                    };
                    (posted, judge(answer, board))
                });
            }
        }
    }
    while let Some((posted, answer)) = under_way.next().await {
        board.answer(&posted, answer);
    }
}

fn judge(answer: Result<PublishAck, PublishError>, board: &Board) -> Answer {
    let error = match answer {
        Ok(_) => return Answer::Accepted,
        Err(error) => error,
    };
    board.error(&format!("JetStream did not accept: {}", error.kind()));
    match error.kind() {
        PublishErrorKind::StreamNotFound | PublishErrorKind::MaxPayloadExceeded => Answer::Refused,
        // An answer that it is full is one of these, too; that it is not stored matters to nobody.
        _ => Answer::Unknown,
    }
}
