//! The steady traffic of a run: mailboxes, each with an owner and its senders, spread over the relays.

use std::sync::Arc;
use std::time::Duration;

use sealpost_core::{Address, DeliveryKey, IdentityKey};
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::history::SENDERS_A_MAILBOX;
use crate::journal::Journal;
use crate::owner::Owner;
use crate::relays::Relay;
use crate::sender::Sender;

/// How many there are.
pub(crate) const MAILBOXES: usize = 16;
/// Letters of all senders in a second, as long as nothing is wrong.
const RATE: f64 = 300.0;

/// Owners and senders at work; they end when this is dropped.
pub(crate) struct Traffic {
    pub(crate) addresses: Vec<Address>,
    owners: JoinSet<()>,
    senders: JoinSet<()>,
    stop: watch::Sender<bool>,
    acknowledging: watch::Sender<bool>,
}

impl Traffic {
    /// Makes the mailboxes, and begins.
    pub(crate) async fn begin(relays: &[Relay], journal: &Arc<Journal>) -> Self {
        let run = rand::random();
        let mut traffic = Self {
            addresses: Vec::new(),
            owners: JoinSet::new(),
            senders: JoinSet::new(),
            stop: watch::Sender::new(false),
            acknowledging: watch::Sender::new(true),
        };
        let pace = Duration::from_secs_f64(f64::from(SENDERS_A_MAILBOX) * MAILBOXES as f64 / RATE);
        for mailbox in 0..MAILBOXES {
            let owner = Owner {
                mailbox,
                run,
                identity: IdentityKey::generate(&mut rand::rng()),
                key: DeliveryKey::generate(&mut rand::rng()),
                clients: relays.iter().map(|relay| MailboxServiceClient::new(relay.channel())).collect(),
                journal: journal.clone(),
                acknowledging: traffic.acknowledging.subscribe(),
            };
            owner.create_mailbox().await;
            traffic.addresses.push(owner.address());
            for place in 0..SENDERS_A_MAILBOX {
                let sender = Sender {
                    number: u32::try_from(mailbox).unwrap() * SENDERS_A_MAILBOX + place,
                    run,
                    to: owner.address(),
                    key: owner.key.clone(),
                    clients: relays.iter().map(|relay| DeliveryServiceClient::new(relay.channel())).collect(),
                    journal: journal.clone(),
                    pace,
                };
                traffic.senders.spawn(sender.run(traffic.stop.subscribe()));
            }
            traffic.owners.spawn(owner.run());
        }
        traffic
    }

    /// Has owners stop to acknowledge, so that they soon get nothing more, or go on.
    pub(crate) fn let_owners_acknowledge(&self, acknowledging: bool) {
        self.acknowledging.send_replace(acknowledging);
    }

    /// Has senders finish what they have begun.
    pub(crate) async fn stop_sending(&mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.senders.join_next().await {
            ended.expect("no sender failed");
        }
    }

    /// Fails where a sender or an owner has.
    pub(crate) fn check(&mut self) {
        for tasks in [&mut self.owners, &mut self.senders] {
            if let Some(ended) = tasks.try_join_next() {
                ended.expect("nobody failed");
            }
        }
    }
}
