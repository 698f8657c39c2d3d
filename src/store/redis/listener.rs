//! The wake path from one node: a connection that is subscribed to the channels of mailboxes that are open here.
//!
//! A task owns the connection. It subscribes and unsubscribes in batches; when the connection breaks it makes a new one
//! and subscribes to everything again, and says [`Event::Missed`] for each mailbox once that is confirmed. What is
//! published goes from the connection's reader straight to [`Wakes`], which does not wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sealpost_core::Address;
use tokio::sync::{mpsc, oneshot, watch};

use super::breaker::pause;
use super::node::{self, NodeId, Shared, refusal, server_error};
use super::wake_path::Watched;
use super::wire::{DialError, Endpoint, Fault, Hear, Link};
use super::{events, keys};
use crate::store::{Event, StoreError, Wakes};
use crate::telemetry::{info, warn};

/// A handle to the task, which ends when this is gone.
pub(super) struct Listener {
    orders: mpsc::UnboundedSender<Order>,
    canary: Arc<Canary>,
}

/// Which slots a node serves, as far as its canary must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// All of them.
    All,
    /// This one, among others.
    Slot(u16),
    /// None yet.
    Nothing,
}

/// What the task is told.
pub(super) enum Order {
    /// Listen to a mailbox.
    Subscribe(Address, Then),
    /// Do not listen any more.
    Unsubscribe(Address),
}

/// What is to be done once the node has confirmed a subscription.
pub(super) enum Then {
    /// Somebody waits for it.
    Answer(oneshot::Sender<Result<(), StoreError>>),
    /// Its stream listened elsewhere, and may have missed something meanwhile.
    Missed,
}

/// A channel of our own, by which we see that what is published arrives.
struct Canary {
    channel: Mutex<String>,
    sent: AtomicU64,
    heard: watch::Sender<u64>,
    listening: watch::Sender<bool>,
}

/// Subscriptions that leave in one pipeline.
const BATCH: usize = 512;
/// Bytes of one, about.
const SIZE: usize = 80;

impl Listener {
    pub(super) fn start(
        id: NodeId,
        at: Endpoint,
        run: String,
        home: watch::Receiver<Home>,
        shared: Arc<Shared>,
    ) -> Self {
        let canary = Arc::new(Canary {
            channel: Mutex::default(),
            sent: AtomicU64::new(0),
            heard: watch::Sender::new(0),
            listening: watch::Sender::new(false),
        });
        let (orders, inbox) = mpsc::unbounded_channel();
        let (lost, losses) = mpsc::unbounded_channel();
        let ear = Arc::new(Ear {
            id,
            wakes: shared.wakes.clone(),
            watched: shared.watched.clone(),
            reader: Mutex::new(events::Reader::new(events::tag(&run))),
            canary: canary.clone(),
            asked: Mutex::default(),
            lost,
        });
        let (canary_of_task, lost) = (canary.clone(), Vec::new());
        tokio::spawn(
            Task { id, at, run, home, shared, canary: canary_of_task, ear, orders: inbox, losses, lost }.run(),
        );
        Self { orders, canary }
    }

    pub(super) fn order(&self, order: Order) {
        // It fails only where the task has ended with its runtime.
        let _ = self.orders.send(order);
    }

    /// Waits until it listens.
    pub(super) async fn listening(&self) {
        // The sender lives as long as we do.
        let _ = self.canary.listening.subscribe().wait_for(|listening| *listening).await;
    }

    /// A channel and a number to publish there; it must be [`heard`](Listener::heard).
    pub(super) fn canary(&self) -> (String, u64) {
        (self.canary.channel.lock().clone(), self.canary.sent.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Waits until the canary of this number, or a later one, has arrived.
    pub(super) async fn heard(&self, number: u64) {
        let _ = self.canary.heard.subscribe().wait_for(|latest| *latest >= number).await;
    }
}

/// What hears the connection.
struct Ear {
    id: NodeId,
    wakes: Arc<dyn Wakes>,
    watched: Arc<Watched>,
    reader: Mutex<events::Reader>,
    canary: Arc<Canary>,
    /// Mailboxes whose subscription was asked to end, in order.
    asked: Mutex<VecDeque<Address>>,
    /// Subscriptions that ended unasked.
    lost: mpsc::UnboundedSender<Lost>,
}

/// A subscription that is not there, or not any more.
#[derive(Debug, Clone, Copy)]
enum Lost {
    Mailbox(Address),
    Canary,
}

impl Ear {
    /// Tells of a mailbox, if it is (still) this node's.
    fn tell(&self, address: &Address, event: Event) {
        self.watched.while_at(address, self.id, || self.wakes.wake(address, event));
    }
}

impl Hear for Ear {
    fn published(&self, channel: &[u8], payload: &[u8]) {
        if let Some(address) = keys::address_of_channel(channel) {
            let event = self.reader.lock().hear(address, payload);
            if let Some(event) = event {
                self.tell(&address, event);
            }
        } else if let Ok(number) = payload.try_into().map(u64::from_be_bytes)
            && channel == self.canary.channel.lock().as_bytes()
        {
            self.canary.heard.send_if_modified(|latest| std::mem::replace(latest, number.max(*latest)) < number);
        }
    }

    fn unsubscribed(&self, channel: &[u8]) -> bool {
        let lost = match keys::address_of_channel(channel) {
            None => Lost::Canary,
            Some(address) => {
                let mut asked = self.asked.lock();
                if let Some(place) = asked.iter().position(|it| *it == address) {
                    asked.remove(place);
                    return true;
                }
                Lost::Mailbox(address)
            }
        };
        // The task outlives its connection.
        let _ = self.lost.send(lost);
        false
    }
}

struct Task {
    id: NodeId,
    at: Endpoint,
    run: String,
    home: watch::Receiver<Home>,
    shared: Arc<Shared>,
    canary: Arc<Canary>,
    ear: Arc<Ear>,
    orders: mpsc::UnboundedReceiver<Order>,
    losses: mpsc::UnboundedReceiver<Lost>,
    /// To be subscribed to again after the next look at who serves what, if they are still this node's then.
    lost: Vec<Lost>,
}

/// Why a connection's life ended.
enum End {
    /// It broke.
    Broken,
    /// Nobody holds the listener any more.
    Dropped,
}

impl Task {
    async fn run(mut self) {
        let mut failures = 0;
        let mut first = true;
        loop {
            match self.connect().await {
                Ok(link) => {
                    if !std::mem::take(&mut first) {
                        info!("the wake path is whole again");
                    }
                    failures = 0;
                    let end = self.serve(&link).await;
                    self.canary.listening.send_replace(false);
                    match end {
                        End::Broken => {
                            self.shared.metrics.store.wake_path_breaks.count();
                            warn!("the wake path broke; reconnecting");
                        }
                        End::Dropped => return,
                    }
                }
                Err(_) => {
                    // Somebody else may serve its mailboxes by now.
                    self.shared.nudge.now();
                    failures += 1;
                    if let End::Dropped = self.wait_out(pause(failures)).await {
                        return;
                    }
                }
            }
        }
    }

    /// Connects, and subscribes to all that is assigned to the node.
    async fn connect(&mut self) -> Result<Link, DialError> {
        self.canary.listening.send_replace(false);
        *self.ear.reader.lock() = events::Reader::new(events::tag(&self.run));
        self.ear.asked.lock().clear();
        self.lost.clear();
        let link = node::connect(&self.shared, &self.at, &self.run, None, Some(self.ear.clone())).await?;
        for batch in self.shared.watched.all_at(self.id).chunks(BATCH) {
            self.resubscribe(&link, batch).await?;
        }
        self.subscribe_canary(&link).await?;
        Ok(link)
    }

    /// Carries out orders until the connection breaks.
    async fn serve(&mut self, link: &Link) -> End {
        let mut orders = Vec::with_capacity(BATCH);
        loop {
            let done = if self.lost.is_empty() {
                tokio::select! {
                    biased;
                    () = link.over() => return End::Broken,
                    Ok(()) = self.home.changed() => self.subscribe_canary(link).await,
                    _ = self.losses.recv_many(&mut self.lost, BATCH) => Ok(()),
                    taken = self.orders.recv_many(&mut orders, BATCH) => match taken {
                        0 => return End::Dropped,
                        _ => self.carry_out(link, &mut orders).await,
                    },
                }
            } else {
                self.find_again(link).await
            };
            if done.is_err() {
                return End::Broken;
            }
        }
    }

    async fn carry_out(&mut self, link: &Link, orders: &mut Vec<Order>) -> Result<(), Fault> {
        for order in orders.iter() {
            match order {
                // Nothing that is heard is to be trusted before the stream has read again.
                Order::Subscribe(address, Then::Missed) => self.ear.tell(address, Event::Interrupted),
                Order::Subscribe(_, Then::Answer(_)) => {}
                Order::Unsubscribe(address) => self.ear.asked.lock().push_back(*address),
            }
        }
        let answers = link
            .call(orders.len() * SIZE, |out| {
                for order in orders.iter() {
                    let (command, address) = match order {
                        Order::Subscribe(address, _) => ("SSUBSCRIBE", address),
                        Order::Unsubscribe(address) => ("SUNSUBSCRIBE", address),
                    };
                    out.command(2).arg(command).arg(keys::channel(address));
                }
            })
            .await;
        let mut each = answers.as_deref().unwrap_or_default().iter();
        for order in orders.drain(..) {
            let refused = match each.next() {
                Some(answer) => server_error(answer).map(refusal),
                None => Some(BROKEN),
            };
            match (order, refused) {
                (Order::Subscribe(_, Then::Answer(done)), refused) => {
                    if refused.is_some() {
                        self.shared.nudge.now();
                    }
                    // Who gave up waiting takes the watch back by itself.
                    let _ = done.send(refused.map_or(Ok(()), Err));
                }
                (Order::Subscribe(address, Then::Missed), None) => self.ear.tell(&address, Event::Missed),
                (Order::Subscribe(address, Then::Missed), Some(_)) => self.lost.push(Lost::Mailbox(address)),
                // Refused, perhaps: then its slot has moved, and it has ended all the same.
                (Order::Unsubscribe(address), _) => self.ear.asked.lock().retain(|asked| *asked != address),
            }
        }
        answers.map(drop)
    }

    /// Subscribes again to what was lost and is still this node's.
    async fn find_again(&mut self, link: &Link) -> Result<(), Fault> {
        self.shared.nudge.refreshed().await;
        let mut addresses = Vec::new();
        let mut canary = false;
        for lost in self.lost.drain(..) {
            match lost {
                Lost::Mailbox(address) if self.shared.watched.is_at(&address, self.id) => addresses.push(address),
                Lost::Mailbox(_) => {}
                Lost::Canary => {
                    self.canary.listening.send_replace(false);
                    canary = true;
                }
            }
        }
        if canary {
            self.subscribe_canary(link).await?;
        }
        for batch in addresses.chunks(BATCH) {
            self.resubscribe(link, batch).await?;
        }
        Ok(())
    }

    /// Subscribes to mailboxes whose streams must read again then.
    async fn resubscribe(&mut self, link: &Link, addresses: &[Address]) -> Result<(), Fault> {
        for address in addresses {
            self.ear.tell(address, Event::Interrupted);
        }
        let answers = link.call(addresses.len() * SIZE, |out| {
            for address in addresses {
                out.command(2).arg("SSUBSCRIBE").arg(keys::channel(address));
            }
        });
        for (address, answer) in addresses.iter().zip(answers.await?) {
            match server_error(&answer) {
                None => self.ear.tell(address, Event::Missed),
                Some(_) => self.lost.push(Lost::Mailbox(*address)),
            }
        }
        Ok(())
    }

    async fn subscribe_canary(&mut self, link: &Link) -> Result<(), Fault> {
        let home = *self.home.borrow_and_update();
        if *self.canary.listening.borrow() {
            return Ok(());
        }
        let mut name: [u8; 16] = rand::random();
        match home {
            Home::All => {}
            // One in 16,384 is in that slot.
            Home::Slot(slot) => {
                while keys::slot_of_canary(&name) != slot {
                    name = rand::random();
                }
            }
            Home::Nothing => return Ok(()),
        }
        let channel = keys::canary(&name);
        channel.clone_into(&mut self.canary.channel.lock());
        let refused = server_error(&link.ask(&["SSUBSCRIBE", &channel]).await?).is_some();
        if refused {
            self.lost.push(Lost::Canary);
        }
        self.canary.listening.send_replace(!refused);
        Ok(())
    }

    /// While there is no connection: refuses what is asked.
    async fn wait_out(&mut self, time: Duration) -> End {
        let pause = tokio::time::sleep(time);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return End::Broken,
                order = self.orders.recv() => match order {
                    Some(Order::Subscribe(_, Then::Answer(done))) => drop(done.send(Err(BROKEN))),
                    // What is assigned to the node is subscribed to when there is a connection.
                    Some(_) => {}
                    None => return End::Dropped,
                },
            }
        }
    }
}

const BROKEN: StoreError = StoreError::Unavailable("the connection to Redis broke");
