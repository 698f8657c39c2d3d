//! Who has a mailbox.

use std::sync::Arc;

use rumqttc::{AsyncClient, ConnAck, ConnectionError, Event, EventLoop, Incoming, QoS};

use super::{client, topic};
use crate::board::Board;
use crate::driver::wiring::{AGAIN_AFTER, within};
use crate::problem::{During as _, Problem};

/// Requests that wait to be sent: a subscription, now and then.
const ROOM: usize = 4;

/// A subscriber with a session that the server keeps.
pub(super) struct Owner {
    mailbox: u32,
    topic: String,
    client: AsyncClient,
    events: EventLoop,
}

/// Connects and subscribes.
pub(super) async fn open(port: u16, board: &Board, mailbox: u32) -> Result<Owner, Problem> {
    let name = format!("owner-{:x}-{mailbox}", board.run());
    let keep_session = |options: &mut rumqttc::MqttOptions| {
        options.set_clean_session(false);
    };
    let (client, events) = client(name, port, keep_session, ROOM);
    let mut owner = Owner { mailbox, topic: topic(board, mailbox), client, events };
    within("subscribing to a mailbox of Mosquitto", owner.subscribed()).await?.during("subscribing to Mosquitto")?;
    Ok(owner)
}

impl Owner {
    async fn subscribed(&mut self) -> Result<(), ConnectionError> {
        loop {
            match self.events.poll().await? {
                Event::Incoming(Incoming::ConnAck(welcome)) => self.greet(&welcome),
                Event::Incoming(Incoming::SubAck(_)) => return Ok(()),
                _ => {}
            }
        }
    }

    /// Takes what comes. The client acknowledges it, and connects again when it is asked for more.
    pub(super) async fn run(mut self, board: Arc<Board>) {
        let mut connected = true;
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Incoming::Publish(message))) => board.deliver(self.mailbox, &message.payload),
                Ok(Event::Incoming(Incoming::ConnAck(welcome))) => {
                    connected = true;
                    self.greet(&welcome);
                }
                Ok(_) => {}
                Err(_) => {
                    if std::mem::take(&mut connected) {
                        board.error("an owner's connection to Mosquitto broke");
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    /// A server that does not know the session does not know what it subscribed to.
    fn greet(&self, welcome: &ConnAck) {
        if !welcome.session_present {
            // There is room: nothing else is asked for, and a connection that breaks takes with it what was.
            let _ = self.client.try_subscribe(&self.topic, QoS::AtLeastOnce);
        }
    }
}
