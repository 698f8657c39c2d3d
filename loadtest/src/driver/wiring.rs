//! What the drivers of other systems have in common: how they reach their server, and how they open many mailboxes.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::board::{Board, Posted};
use crate::problem::Problem;
use crate::scenario::Scenario;
use crate::target::system::System;

/// How a driver reaches a server that was started here.
#[derive(Debug, Clone, Copy)]
pub struct Wiring {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Over how many connections messages are sent.
    pub connections: usize,
    /// Bytes of a message.
    pub payload_bytes: usize,
}

/// Is told how many mailboxes are open, after each.
pub type Progress = Arc<dyn Fn(usize) + Send + Sync>;

/// How long a server may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
/// Until a connection that could not be made is tried again.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How many mailboxes are opened at the same time.
const AT_ONCE: usize = 32;

impl Wiring {
    /// To a server that was started for a scenario.
    pub fn to(system: &System, scenario: &Scenario) -> Self {
        Self {
            port: system.port,
            connections: scenario.senders.connections,
            payload_bytes: scenario.load.payload_bytes,
        }
    }

    /// The bytes of a message.
    pub(super) fn bytes(&self, board: &Board, posted: &Posted) -> Vec<u8> {
        let mut bytes = vec![0; self.payload_bytes];
        board.write(posted, &mut bytes);
        bytes
    }
}

/// Opens all mailboxes, some at a time, and gives what `open` gave for each, in no order.
pub(super) async fn open_all<T>(
    board: &Board,
    progress: &Progress,
    open: impl AsyncFn(u32) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let numbers = 0..u32::try_from(board.mailboxes()).unwrap_or(u32::MAX);
    let opened = stream::iter(numbers).map(|mailbox| open(mailbox)).buffer_unordered(AT_ONCE);
    opened.enumerate().map(|(number, opened)| opened.inspect(|_| progress(number + 1))).try_collect().await
}

/// Waits for an answer, but not forever.
pub(super) async fn within<T>(doing: &str, answer: impl Future<Output = T>) -> Result<T, Problem> {
    let late = |_| {
        Problem::new(format!("{doing} took longer than {} s", PATIENCE.as_secs()))
            .remedy("take fewer mailboxes, or a machine with less to do")
    };
    tokio::time::timeout(PATIENCE, answer).await.map_err(late)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn all_are_opened_and_counted() {
        let told: Arc<Mutex<Vec<usize>>> = Arc::default();
        let progress: Progress = {
            let told = told.clone();
            Arc::new(move |open| told.lock().push(open))
        };
        let board = Board::new(100, None);
        let mut opened = open_all(&board, &progress, async |mailbox| Ok(mailbox)).await.unwrap();
        opened.sort_unstable();
        assert_eq!(opened, (0..100).collect::<Vec<_>>());
        assert_eq!(*told.lock(), (1..=100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn one_that_cannot_be_opened_is_the_end() {
        let progress: Progress = Arc::new(|_| ());
        let open = async |mailbox| if mailbox == 7 { Err(Problem::new("no seventh")) } else { Ok(()) };
        let problem = open_all(&Board::new(100, None), &progress, open).await.unwrap_err();
        assert_eq!(problem.to_string(), "no seventh");
    }
}
