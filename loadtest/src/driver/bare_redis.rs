//! The floor: what Redis takes for the bare work, without anything around it.
//!
//! A mailbox is a stream. Due messages are gathered into one pipeline that adds them; when it is answered they are
//! accepted, and a second pipeline over the same connection reads and removes what was added. That is two turns for up
//! to [`AT_ONCE`] messages, three commands for each, and no owner: nothing that keeps messages in Redis can cost it less.
//!
//! It is no messaging system. What was added when a connection breaks stays there unread: lost, if it was accepted.

use std::io;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::Driver;
use super::resp::{Connection, Reply, begin, command, word};
use super::wiring::{Wiring, within};
use crate::board::{Board, Order, Posted};
use crate::ledger::Answer;
use crate::pace::Queues;
use crate::problem::{During as _, Problem};

/// A pipeline adds no more than this.
const AT_ONCE: usize = 64;

/// Clients of a Redis server.
#[derive(Debug)]
pub struct BareRedis {
    wiring: Wiring,
    tasks: JoinSet<()>,
}

impl BareRedis {
    /// For the server of this wiring.
    pub fn new(wiring: Wiring) -> Self {
        Self { wiring, tasks: JoinSet::new() }
    }
}

impl Driver for BareRedis {
    /// A stream is there when something is added to it. Its name holds the run's number, so it is new.
    async fn open(&mut self, _: &Arc<Board>) -> Result<(), Problem> {
        let mut ping = Vec::new();
        command(&mut ping, &[b"PING"]);
        let asking = "asking Redis whether it is there";
        let answer = async {
            let mut connection = Connection::open(self.wiring.port).await?;
            connection.send(&ping).await?;
            connection.reply(|reply| *reply == Reply::Bytes(b"PONG")).await
        };
        match within(asking, answer).await?.during(asking)? {
            true => Ok(()),
            false => Err(Problem::new("Redis answers, but not to a client without a password")),
        }
    }

    async fn senders(&mut self, board: &Arc<Board>) -> Result<Queues, Problem> {
        // All messages to a mailbox go over one connection, as its numbers have to rise, and its entries are read in order.
        let (queue, orders) = unbounded_channel();
        let mut lanes = Vec::new();
        for _ in 0..self.wiring.connections.max(1) {
            let (lane, orders) = unbounded_channel();
            lanes.push(lane);
            self.tasks.spawn(send(self.wiring, orders, board.clone()));
        }
        self.tasks.spawn(distribute(orders, lanes));
        Ok(Arc::new([queue]))
    }

    async fn close(mut self) -> Result<(), Problem> {
        self.tasks.shutdown().await;
        Ok(())
    }
}

async fn distribute(mut orders: UnboundedReceiver<Order>, lanes: Vec<UnboundedSender<Order>>) {
    while let Some(order) = orders.recv().await {
        let lane = usize::try_from(order.mailbox).unwrap_or_default() % lanes.len().max(1);
        // A lane ends only after this.
        let _ = lanes.get(lane).map(|lane| lane.send(order));
    }
}

async fn send(wiring: Wiring, mut orders: UnboundedReceiver<Order>, board: Arc<Board>) {
    let mut connection = None;
    let mut batch = Batch::default();
    let mut due = Vec::with_capacity(AT_ONCE);
    while orders.recv_many(&mut due, AT_ONCE).await > 0 {
        batch.post(&board, &mut due);
        let carried = within("a pipeline", batch.carry(&mut connection, wiring, &board)).await;
        if !matches!(carried, Ok(Ok(()))) {
            connection = None;
            board.error("a pipeline to Redis failed");
            batch.unanswered().iter().for_each(|posted| board.answer(posted, Answer::Unknown));
        }
    }
}

/// Messages that go together.
#[derive(Debug, Default)]
struct Batch {
    run: u64,
    /// Those of a mailbox stand together, in order.
    posted: Vec<Posted>,
    /// The first so many are answered.
    answered: usize,
    commands: Vec<u8>,
}

impl Batch {
    fn post(&mut self, board: &Board, due: &mut Vec<Order>) {
        self.run = board.run();
        self.answered = 0;
        self.posted.clear();
        self.posted.extend(due.drain(..).map(|order| board.post(order)));
        self.posted.sort_by_key(Posted::mailbox);
    }

    fn unanswered(&self) -> &[Posted] {
        self.posted.get(self.answered..).unwrap_or_default()
    }

    /// Each mailbox, with its first message, its last, and all.
    fn mailboxes(posted: &[Posted]) -> impl Iterator<Item = (&Posted, &Posted, &[Posted])> {
        let mailboxes = posted.chunk_by(|one, next| one.mailbox() == next.mailbox());
        mailboxes.filter_map(|all| Some((all.first()?, all.last()?, all)))
    }

    async fn carry(&mut self, connection: &mut Option<Connection>, wiring: Wiring, board: &Board) -> io::Result<()> {
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(Connection::open(wiring.port).await?),
        };
        self.add(connection, wiring, board).await?;
        self.take(connection, board).await
    }

    async fn add(&mut self, connection: &mut Connection, wiring: Wiring, board: &Board) -> io::Result<()> {
        self.commands.clear();
        for posted in &self.posted {
            let (key, bytes) = (key(self.run, posted), wiring.bytes(board, posted));
            command(&mut self.commands, &[b"XADD", &key, &id(posted), b"m", &bytes]);
        }
        connection.send(&self.commands).await?;
        for posted in &self.posted {
            let refusal = connection.reply(refusal).await?;
            self.answered += 1;
            match refusal {
                None => board.answer(posted, Answer::Accepted),
                Some(code) => {
                    board.error(&format!("Redis said {code}"));
                    board.answer(posted, Answer::Refused);
                }
            }
        }
        Ok(())
    }

    async fn take(&mut self, connection: &mut Connection, board: &Board) -> io::Result<()> {
        self.commands.clear();
        for (first, last, all) in Self::mailboxes(&self.posted) {
            let key = key(self.run, first);
            command(&mut self.commands, &[b"XRANGE", &key, &id(first), &id(last)]);
            begin(&mut self.commands, 2 + all.len());
            word(&mut self.commands, b"XDEL");
            word(&mut self.commands, &key);
            all.iter().for_each(|posted| word(&mut self.commands, &id(posted)));
        }
        connection.send(&self.commands).await?;
        for (first, ..) in Self::mailboxes(&self.posted) {
            let refused = connection.reply(|reply| deliver(reply, first.mailbox(), board)).await?;
            let removal = connection.reply(refusal).await?;
            if let Some(code) = refused.or(removal) {
                board.error(&format!("Redis said {code}"));
            }
        }
        Ok(())
    }
}

fn key(run: u64, posted: &Posted) -> Vec<u8> {
    format!("q:{run:x}:{}", posted.mailbox()).into_bytes()
}

fn id(posted: &Posted) -> Vec<u8> {
    format!("0-{}", posted.number()).into_bytes()
}

/// The first word of a refusal: its code.
fn refusal(reply: &Reply<'_>) -> Option<String> {
    let Reply::Error(text) = reply else { return None };
    Some(String::from_utf8_lossy(text.split(|byte| *byte == b' ').next().unwrap_or_default()).into_owned())
}

/// Of each entry, which is its id and its fields, the value of the one field.
fn deliver(reply: &Reply<'_>, mailbox: u32, board: &Board) -> Option<String> {
    if let Reply::Array(entries) = reply {
        for entry in entries {
            match entry {
                Reply::Array(parts) => match parts.as_slice() {
                    [_, Reply::Array(fields)] => match fields.as_slice() {
                        [_, Reply::Bytes(value)] => board.deliver(mailbox, value),
                        _ => board.corrupted(),
                    },
                    _ => board.corrupted(),
                },
                _ => board.corrupted(),
            }
        }
    }
    refusal(reply)
}
