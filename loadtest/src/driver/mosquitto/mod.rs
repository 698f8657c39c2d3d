//! Mosquitto over MQTT 3.1.1: each mailbox is a topic with one subscriber, QoS 1, whose session is kept while it is away.

mod owner;
mod sender;

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, EventLoop, MqttOptions, NetworkOptions};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;

use super::Driver;
use super::wiring::{PATIENCE, Progress, Wiring, open_all};
use crate::board::Board;
use crate::pace::Queues;
use crate::problem::Problem;

/// A silent server is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// A packet is not larger: the largest envelope, and a topic.
const LARGEST_PACKET: usize = 128 * 1024;

/// Clients of an MQTT broker.
pub struct Mosquitto {
    wiring: Wiring,
    progress: Progress,
    tasks: JoinSet<()>,
}

impl Mosquitto {
    /// For the server of this wiring. `progress` is told how many mailboxes are open.
    pub fn new(wiring: Wiring, progress: Progress) -> Self {
        Self { wiring, progress, tasks: JoinSet::new() }
    }
}

impl Driver for Mosquitto {
    async fn open(&mut self, board: &Arc<Board>) -> Result<(), Problem> {
        let port = self.wiring.port;
        let owners = open_all(board, &self.progress, async |mailbox| owner::open(port, board, mailbox).await).await?;
        for owner in owners {
            self.tasks.spawn(owner.run(board.clone()));
        }
        Ok(())
    }

    async fn senders(&mut self, board: &Arc<Board>) -> Result<Queues, Problem> {
        let mut queues = Vec::new();
        for number in 0..self.wiring.connections.max(1) {
            let (queue, orders) = unbounded_channel();
            queues.push(queue);
            let name = format!("sender-{:x}-{number}", board.run());
            self.tasks.spawn(sender::run(name, self.wiring, orders, board.clone()));
        }
        Ok(queues.into())
    }

    /// The server keeps the owners' sessions.
    async fn close(mut self) -> Result<(), Problem> {
        self.tasks.shutdown().await;
        Ok(())
    }
}

/// The run's number is in it: what an earlier run left behind is not this one's.
fn topic(board: &Board, mailbox: u32) -> String {
    format!("mbox/{:x}-{mailbox}", board.run())
}

fn client(name: String, port: u16, change: impl FnOnce(&mut MqttOptions), room: usize) -> (AsyncClient, EventLoop) {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    options.set_keep_alive(KEEP_ALIVE).set_max_packet_size(LARGEST_PACKET, LARGEST_PACKET);
    change(&mut options);
    let (client, mut events) = AsyncClient::new(options, room);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(PATIENCE.as_secs());
    events.set_network_options(network);
    (client, events)
}
