//! Whether the server is the one that it was: started anew, it may have gone back to older data.

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError};

use crate::store::{Durability, Epoch};

/// The epochs of a server, shared by all connections to it.
pub(super) struct Epochs {
    durability: Durability,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// What the server calls this run of its process; empty before the first look.
    run: String,
    epoch: Epoch,
}

impl Epochs {
    pub(super) fn new(durability: Durability) -> Self {
        Self { durability, known: Mutex::default() }
    }

    /// The epoch in which a new connection is. Everything that is done on it happens in that epoch.
    pub(super) async fn observe(&self, connection: &mut MultiplexedConnection) -> Result<Epoch, RedisError> {
        let mut command = Cmd::new();
        command.arg("INFO").arg("server");
        let info: String = command.query_async(connection).await?;
        let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim();
        Ok(self.next(run))
    }

    fn next(&self, run: &str) -> Epoch {
        let mut known = self.known.lock();
        if known.run != run {
            // A server that stores before it answers loses nothing that anybody was told of.
            if !known.run.is_empty() && self.durability == Durability::Memory {
                known.epoch.0 += 1;
            }
            run.clone_into(&mut known.run);
        }
        known.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_with_the_servers_run_where_that_may_lose_something() {
        let numbers = |durability| {
            let epochs = Epochs::new(durability);
            ["a", "a", "b", "b", "a"].map(|run| epochs.next(run).0)
        };
        assert_eq!(numbers(Durability::Memory), [0, 0, 1, 1, 2]);
        assert_eq!(numbers(Durability::Fsync), [0, 0, 0, 0, 0]);
    }
}
