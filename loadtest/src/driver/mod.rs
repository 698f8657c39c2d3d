//! How messages get into a system and out of it: one driver for each, all behind the same schedule and the same checker.

pub mod bare_redis;
pub mod jetstream;
pub mod mosquitto;
mod resp;
pub mod sealpost;
pub mod wiring;

use std::sync::Arc;

use crate::board::Board;
use crate::pace::Queues;
use crate::problem::Problem;

/// The clients of one system, for one run.
#[allow(async_fn_in_trait, reason = "it is used with known types only")]
pub trait Driver {
    /// Opens a mailbox for each of the board, empty and durable, with an owner who takes what comes, gives it to
    /// [`Board::deliver`], and acknowledges it. Returns when all of them are open.
    async fn open(&mut self, board: &Arc<Board>) -> Result<(), Problem>;

    /// Starts senders. For each order of its queue a sender calls [`Board::post`] when it is about to send it,
    /// [`Board::write`] for its bytes, and [`Board::answer`] once it knows whether the system has it safely, or that it never
    /// will know.
    async fn senders(&mut self, board: &Arc<Board>) -> Result<Queues, Problem>;

    /// Ends all connections, and waits until they have.
    async fn close(self) -> Result<(), Problem>;
}
