//! Remembers what a store tells.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use sealpost::store::{Event, Wakes};
use sealpost_core::Address;
use tokio::sync::Notify;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// What was told of each mailbox and not yet asked for.
#[derive(Default)]
pub(crate) struct Recording {
    events: Mutex<HashMap<Address, VecDeque<Event>>>,
    told: Notify,
}

impl Recording {
    /// The next thing told of a mailbox. Interruptions are passed over: a store may tell of one at any time.
    pub(crate) async fn next(&self, address: &Address) -> Event {
        let next = async {
            loop {
                let told = self.told.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if let Some(event) = self.events.lock().get_mut(address).and_then(VecDeque::pop_front) {
                    return event;
                }
                told.await;
            }
        };
        timeout(PATIENCE, next).await.expect("the store tells what happened")
    }
}

impl Wakes for Recording {
    fn wake(&self, address: &Address, event: Event) {
        if !matches!(event, Event::Interrupted | Event::Missed) {
            self.events.lock().entry(*address).or_default().push_back(event);
            self.told.notify_waiters();
        }
    }
}
