//! The wake path: one connection that listens to the channels of all mailboxes that are open at this relay.
//!
//! A task owns the connection. It subscribes and unsubscribes in batches, and when the connection breaks it makes a
//! new one, subscribes to everything again, and says [`Event::Missed`] for each mailbox. What is published goes from
//! the connection's reader straight to [`Wakes`], which does not wait.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, PushInfo, PushKind, RedisError, Value};
use sealpost_core::Address;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::events;
use super::keys;
use super::lane::timed;
use crate::store::{Event, StoreError, Wakes};

/// A handle to the task; the task ends when the last handle is gone.
pub(super) struct Subscriber {
    orders: mpsc::UnboundedSender<Order>,
    canary: Arc<Canary>,
}

enum Order {
    Watch(Address, oneshot::Sender<Result<(), StoreError>>),
    Unwatch(Address),
}

/// A channel of our own, by which we see that what is published arrives.
struct Canary {
    channel: String,
    heard: watch::Sender<u64>,
}

/// Subscriptions that leave in one pipeline.
const BATCH: usize = 512;

impl Subscriber {
    /// Starts listening; returns once it does, or after `timeout`.
    pub(super) async fn start(client: Client, timeout: Duration, wakes: Arc<dyn Wakes>) -> Self {
        let canary = Arc::new(Canary { channel: keys::canary(&rand::random()), heard: watch::Sender::new(0) });
        let (orders, inbox) = mpsc::unbounded_channel();
        let (ready, listening) = oneshot::channel();
        let (watched, ready) = (HashMap::new(), Some(ready));
        let task = Task { client, timeout, wakes, canary: canary.clone(), orders: inbox, watched, ready };
        tokio::spawn(task.run());
        // Where that takes too long, the relay starts all the same: it is not ready until the wake path works.
        let _ = tokio::time::timeout(timeout, listening).await;
        Self { orders, canary }
    }

    /// Subscribes to a mailbox's channel, from this call on; the future is ready when the server has confirmed it.
    pub(super) fn watch(&self, address: Address) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (done, confirmed) = oneshot::channel();
        let ordered = self.orders.send(Order::Watch(address, done));
        async move {
            let stopped = StoreError::Unavailable("the wake path has ended");
            ordered.map_err(|_| stopped)?;
            confirmed.await.map_err(|_| stopped)?
        }
    }

    /// Takes one [`watch`](Subscriber::watch) back.
    pub(super) fn unwatch(&self, address: Address) {
        // Fails only where the task has ended, and then nothing is watched.
        let _ = self.orders.send(Order::Unwatch(address));
    }

    /// The command that publishes to the canary channel.
    pub(super) fn canary(&self, number: u64) -> Cmd {
        let mut command = Cmd::new();
        command.arg("SPUBLISH").arg(&self.canary.channel).arg(&number.to_be_bytes());
        command
    }

    /// Waits until the canary with this number, or a later one, has arrived.
    pub(super) async fn canary_heard(&self, number: u64) {
        let mut heard = self.canary.heard.subscribe();
        // The sender lives as long as we do, so it ends only by being satisfied.
        let _ = heard.wait_for(|latest| *latest >= number).await;
    }
}

struct Task {
    client: Client,
    timeout: Duration,
    wakes: Arc<dyn Wakes>,
    canary: Arc<Canary>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// How often each mailbox is watched.
    watched: HashMap<Address, u32>,
    /// Told once, after the first connection.
    ready: Option<oneshot::Sender<()>>,
}

/// Why a connection's life ended.
enum End {
    /// It broke.
    Broken,
    /// Nobody holds the subscriber any more.
    Dropped,
}

impl Task {
    async fn run(mut self) {
        loop {
            let (lost, mut broken) = mpsc::unbounded_channel();
            match self.connect(lost).await {
                Ok(connection) => {
                    match self.ready.take() {
                        Some(ready) => drop(ready.send(())),
                        None => info!("the wake path is whole again"),
                    }
                    match self.serve(connection, &mut broken).await {
                        End::Broken => warn!("the wake path broke; reconnecting"),
                        End::Dropped => return,
                    }
                }
                Err(_) => {
                    if let End::Dropped = self.wait_out().await {
                        return;
                    }
                }
            }
        }
    }

    /// Connects and subscribes to all that is watched.
    async fn connect(&self, lost: mpsc::UnboundedSender<()>) -> Result<MultiplexedConnection, RedisError> {
        let (wakes, canary) = (self.wakes.clone(), self.canary.clone());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            .set_push_sender(move |push: PushInfo| {
                match push.kind {
                    PushKind::SMessage => hear(push.data, wakes.as_ref(), &canary),
                    // A server takes a subscription away when the channel's slot moves.
                    PushKind::Disconnection => drop(lost.send(())),
                    _ => {}
                }
                Ok::<(), redis::aio::SendError>(())
            });
        let mut connection =
            timed(self.timeout, self.client.get_multiplexed_async_connection_with_config(&config)).await?;
        let mut pipeline = Pipeline::new();
        pipeline.add_command(one("SSUBSCRIBE", self.canary.channel.as_bytes()));
        send(&mut connection, &pipeline).await?;

        let addresses: Vec<Address> = self.watched.keys().copied().collect();
        for batch in addresses.chunks(BATCH) {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for address in batch {
                // Nothing that is heard is to be trusted before the first read; and what was queued before the server
                // confirms is heard of by the second.
                self.wakes.wake(address, Event::Missed);
                pipeline.add_command(one("SSUBSCRIBE", &keys::channel(address)));
            }
            send(&mut connection, &pipeline).await?;
            for address in batch {
                self.wakes.wake(address, Event::Missed);
            }
        }
        Ok(connection)
    }

    /// Carries out orders until the connection breaks.
    async fn serve(&mut self, mut connection: MultiplexedConnection, broken: &mut mpsc::UnboundedReceiver<()>) -> End {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                _ = broken.recv() => return End::Broken,
                taken = self.orders.recv_many(&mut batch, BATCH) => if taken == 0 { return End::Dropped },
            }
            let mut pipeline = Pipeline::with_capacity(batch.len());
            let mut waiting = Vec::new();
            for order in batch.drain(..) {
                match order {
                    Order::Watch(address, done) => {
                        let count = self.watched.entry(address).or_insert(0);
                        *count += 1;
                        if *count == 1 {
                            pipeline.add_command(one("SSUBSCRIBE", &keys::channel(&address)));
                        }
                        waiting.push(done);
                    }
                    Order::Unwatch(address) => {
                        if self.release(address) {
                            pipeline.add_command(one("SUNSUBSCRIBE", &keys::channel(&address)));
                        }
                    }
                }
            }
            let outcome = if pipeline.is_empty() { Ok(()) } else { send(&mut connection, &pipeline).await };
            for done in waiting {
                // Who gave up waiting takes the watch back by itself.
                let _ = done.send(outcome.as_ref().map_err(super::lane::classify).copied());
            }
            if outcome.is_err() {
                return End::Broken;
            }
        }
    }

    /// While there is no connection: refuses what is asked, for about a tenth of a second.
    async fn wait_out(&mut self) -> End {
        let pause = tokio::time::sleep(Duration::from_millis(rand::rng().random_range(50..150)));
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return End::Broken,
                order = self.orders.recv() => match order {
                    Some(Order::Watch(address, done)) => {
                        *self.watched.entry(address).or_insert(0) += 1;
                        let _ = done.send(Err(StoreError::Unavailable("Redis cannot be reached")));
                    }
                    Some(Order::Unwatch(address)) => {
                        self.release(address);
                    }
                    None => return End::Dropped,
                },
            }
        }
    }

    /// Counts one watch less; true if it was the last.
    fn release(&mut self, address: Address) -> bool {
        match self.watched.entry(address) {
            Slot::Occupied(mut watched) if *watched.get() > 1 => {
                *watched.get_mut() -= 1;
                false
            }
            Slot::Occupied(watched) => {
                watched.remove();
                true
            }
            Slot::Vacant(_) => false,
        }
    }
}

async fn send(connection: &mut MultiplexedConnection, pipeline: &Pipeline) -> Result<(), RedisError> {
    for answer in connection.send_packed_commands(pipeline, 0, pipeline.len()).await? {
        if let Value::ServerError(error) = answer {
            return Err(RedisError::from(error));
        }
    }
    Ok(())
}

fn one(name: &str, channel: &[u8]) -> Cmd {
    let mut command = Cmd::new();
    command.arg(name).arg(channel);
    command
}

fn hear(data: Vec<Value>, wakes: &dyn Wakes, canary: &Canary) {
    let mut data = data.into_iter();
    let (Some(Value::BulkString(channel)), Some(Value::BulkString(payload))) = (data.next(), data.next()) else {
        return;
    };
    if let Some(address) = keys::address_of_channel(&channel) {
        // What is none of ours is passed over: the channel is only a hint.
        if let Some(event) = events::decode(Bytes::from(payload)) {
            wakes.wake(&address, event);
        }
    } else if channel == canary.channel.as_bytes()
        && let Ok(number) = payload.try_into().map(u64::from_be_bytes)
    {
        canary.heard.send_if_modified(|latest| std::mem::replace(latest, number.max(*latest)) < number);
    }
}
