//! Sealpost itself, over its real contract: thousands of owners and senders in one process, each a task.

mod by_call;
mod by_stream;
mod crowd;
mod fate;
mod lines;
mod mailboxes;
mod owner;
mod wrap;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

pub use crowd::{Away, Crowd};
pub use lines::{Relays, Site};
pub use mailboxes::Mailboxes;

use crate::board::Board;
use crate::driver::Driver;
use crate::pace::Queues;
use crate::problem::Problem;
use crate::scenario::{Method, Scenario, Topology};
use lines::Line;
use owner::{Orders, Owner};
use wrap::Wrap;

/// Mailboxes of one stream: as many as a relay allows by default.
const MAILBOXES_OF_A_STREAM: usize = 1_000;
/// Streams that are opened for the first time at once: a storm is a scenario of its own.
const OPENED_AT_ONCE: usize = 64;

/// Owners and senders of one run.
#[derive(Debug)]
pub struct Fleet {
    relays: Arc<Relays>,
    mailboxes: Arc<Mailboxes>,
    scenario: Scenario,
    wrap: Arc<Wrap>,
    crowd: Arc<Crowd>,
    orders: watch::Sender<Orders>,
    gate: Arc<Semaphore>,
    owners: JoinSet<()>,
    senders: JoinSet<()>,
}

impl Fleet {
    /// For mailboxes that exist.
    ///
    /// # Errors
    /// Where messages cannot be sealed for them.
    pub fn new(relays: Arc<Relays>, mailboxes: Arc<Mailboxes>, scenario: &Scenario) -> Result<Self, Problem> {
        let wrap = Arc::new(Wrap::new(&relays, &mailboxes, &scenario.load)?);
        Ok(Self {
            relays,
            mailboxes,
            scenario: scenario.clone(),
            wrap,
            crowd: Arc::default(),
            orders: watch::Sender::new(Orders::default()),
            gate: Arc::new(Semaphore::new(OPENED_AT_ONCE)),
            owners: JoinSet::new(),
            senders: JoinSet::new(),
        })
    }

    /// How its owners are doing.
    pub fn crowd(&self) -> &Arc<Crowd> {
        &self.crowd
    }

    /// Opens the mailboxes with these numbers, and waits until each has caught up. `slow` owners barely read.
    ///
    /// # Errors
    /// Where they do not, with why.
    pub async fn open_some(&mut self, board: &Arc<Board>, which: Range<usize>, slow: bool) -> Result<(), Problem> {
        // Before the first of them may join.
        let all = self.crowd.live() + which.len();
        self.start_owners(board, which, slow);
        // A slow one is there, but does not catch up.
        if slow { Ok(()) } else { self.until_live(all).await }
    }

    /// Starts owners of these mailboxes, and does not wait for them.
    pub fn start_owners(&mut self, board: &Arc<Board>, which: Range<usize>, slow: bool) {
        let of_a_stream = match self.scenario.owners.topology {
            Topology::Own => 1,
            Topology::Gateway => which.len().div_ceil(self.scenario.owners.connections).clamp(1, MAILBOXES_OF_A_STREAM),
        };
        let starts: Vec<usize> = which.clone().step_by(of_a_stream).collect();
        let connections = match self.scenario.owners.topology {
            Topology::Own => starts.len(),
            Topology::Gateway => self.scenario.owners.connections.min(starts.len()),
        };
        let lines: Vec<Arc<Line>> = (0..connections).map(|_| Arc::new(self.relays.line())).collect();
        for (line, start) in lines.iter().cycle().zip(starts) {
            let owner = Owner {
                board: board.clone(),
                crowd: self.crowd.clone(),
                line: line.clone(),
                mailboxes: self.mailboxes.clone(),
                which: start..(start + of_a_stream).min(which.end),
                settings: self.scenario.owners.clone(),
                wrap: self.wrap.clone(),
                orders: self.orders.subscribe(),
                gate: self.gate.clone(),
                slow,
            };
            self.owners.spawn(owner.run());
        }
    }

    /// Waits until so many mailboxes are open and have caught up.
    ///
    /// # Errors
    /// Where nothing more happens for as long as the scenario has patience.
    pub async fn until_live(&self, mailboxes: usize) -> Result<(), Problem> {
        self.crowd.until_live(mailboxes, self.scenario.load.patience.0).await
    }

    /// Cuts the connections of all owners. They come back within `spread`.
    pub fn storm(&self, spread: Duration) {
        self.orders.send_modify(|orders| {
            (orders.storm, orders.spread) = (orders.storm + 1, spread);
            // Before any of them can have come back.
            self.crowd.all_go(orders.storm);
        });
    }

    /// From now on slow owners read like the others.
    pub fn hurry(&self) {
        self.orders.send_modify(|orders| orders.hurry = true);
    }
}

impl Driver for Fleet {
    async fn open(&mut self, board: &Arc<Board>) -> Result<(), Problem> {
        self.open_some(board, 0..board.mailboxes(), false).await
    }

    async fn senders(&mut self, board: &Arc<Board>) -> Result<Queues, Problem> {
        let mut queues = Vec::new();
        for _ in 0..self.scenario.senders.connections {
            let (queue, orders) = mpsc::unbounded_channel();
            let post = by_stream::Post {
                board: board.clone(),
                line: self.relays.line(),
                mailboxes: self.mailboxes.clone(),
                wrap: self.wrap.clone(),
                retries: self.scenario.senders.retries,
            };
            match self.scenario.senders.method {
                Method::Stream => self.senders.spawn(by_stream::run(post, orders)),
                Method::Unary => self.senders.spawn(by_call::run(post, orders)),
            };
            queues.push(queue);
        }
        Ok(queues.into())
    }

    async fn close(mut self) -> Result<(), Problem> {
        self.senders.shutdown().await;
        self.owners.shutdown().await;
        Ok(())
    }
}
