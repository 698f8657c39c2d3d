//! Who sends to all mailboxes.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;

use parking_lot::Mutex;
use rumqttc::{AsyncClient, ClientError, ConnectionError, Event, EventLoop, Incoming, MqttOptions, Outgoing, QoS};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{client, topic};
use crate::board::{Board, Order, Posted};
use crate::driver::wiring::{AGAIN_AFTER, Wiring};
use crate::ledger::Answer;

/// A sender waits for no more answers than this.
const UNDER_WAY: u16 = 1_000;
/// Messages that wait to be sent, besides. Orders that wait for room are late.
const ROOM: usize = 64;

/// What was given to the client and is not answered.
#[derive(Default)]
struct UnderWay {
    /// In the order in which it will send them.
    waiting: VecDeque<Posted>,
    /// By their packets' numbers.
    sent: HashMap<u16, Posted>,
}

/// Sends what is due, with a new client whenever the connection broke: what became of what was under way is not known.
/// Ends when it is aborted.
pub(super) async fn run(name: String, wiring: Wiring, mut orders: UnboundedReceiver<Order>, board: Arc<Board>) {
    let mut connected = true;
    loop {
        let settings = |options: &mut MqttOptions| {
            options.set_clean_session(true).set_inflight(UNDER_WAY);
        };
        let (client, mut events) = client(name.clone(), wiring.port, settings, ROOM);
        let under_way = Mutex::default();
        if events.poll().await.is_ok() {
            connected = true;
            tokio::select! {
                Err(_) = send(&client, wiring, &mut orders, &board, &under_way) => {}
                Err(_) = hear(&mut events, &board, &under_way) => {}
            }
        }
        if std::mem::take(&mut connected) {
            board.error("a sender's connection to Mosquitto broke");
        }
        let UnderWay { waiting, sent } = under_way.into_inner();
        waiting.iter().chain(sent.values()).for_each(|posted| board.answer(posted, Answer::Unknown));
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

async fn send(
    client: &AsyncClient,
    wiring: Wiring,
    orders: &mut UnboundedReceiver<Order>,
    board: &Board,
    under_way: &Mutex<UnderWay>,
) -> Result<Infallible, ClientError> {
    while let Some(order) = orders.recv().await {
        let posted = board.post(order);
        let bytes = wiring.bytes(board, &posted);
        under_way.lock().waiting.push_back(posted);
        client.publish(topic(board, posted.mailbox()), QoS::AtLeastOnce, false, bytes).await?;
    }
    // No more will come, but answers will.
    std::future::pending().await
}

async fn hear(
    events: &mut EventLoop,
    board: &Board,
    under_way: &Mutex<UnderWay>,
) -> Result<Infallible, ConnectionError> {
    loop {
        match events.poll().await? {
            Event::Outgoing(Outgoing::Publish(packet)) => {
                let mut under_way = under_way.lock();
                if let Some(posted) = under_way.waiting.pop_front() {
                    under_way.sent.insert(packet, posted);
                }
            }
            Event::Incoming(Incoming::PubAck(answer)) => {
                let answered = under_way.lock().sent.remove(&answer.pkid);
                if let Some(posted) = answered {
                    board.answer(&posted, Answer::Accepted);
                }
            }
            _ => {}
        }
    }
}
