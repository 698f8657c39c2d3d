//! Somebody who keeps to the rules: sends letters to a mailbox and receives them, one after another, while others attack.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::RngExt;
use sealpost_client::low_level::{Operation, Prover, v1};
use sealpost_core::{DeliveryKey, IdentityKey};
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::PATIENCE;
use crate::relay::{NAME, Relay};

/// A mailbox's owner.
pub(crate) struct Owner {
    identity: IdentityKey,
    key: DeliveryKey,
}

/// An owner with an open stream, and a sender.
pub(crate) struct Bystander {
    owner: Owner,
    senders: DeliveryServiceClient<Channel>,
    asks: mpsc::UnboundedSender<v1::ReceiveRequest>,
    responses: Streaming<v1::ReceiveResponse>,
}

/// A bystander at work in the background.
pub(crate) struct AtWork {
    times: Arc<Mutex<Vec<Duration>>>,
    task: JoinHandle<()>,
}

/// Between two letters.
const PACE: Duration = Duration::from_millis(5);

impl Owner {
    /// Somebody with a mailbox.
    pub(crate) async fn with_mailbox(relay: &Relay) -> Self {
        let mut rng = rand::rng();
        let owner = Self { identity: IdentityKey::generate(&mut rng), key: DeliveryKey::generate(&mut rng) };
        let hash = owner.key.hash(&owner.identity.address()).as_bytes().to_vec().into();
        let request = v1::CreateMailboxRequest {
            proof: Some(owner.proof(Operation::CreateMailbox)),
            delivery_keys: vec![v1::DeliveryKeyGrant { hash, expires_hour: 0 }],
            ..Default::default()
        };
        MailboxServiceClient::new(relay.channel()).create_mailbox(request).await.expect("the mailbox is made");
        owner
    }

    fn proof(&self, operation: Operation) -> v1::Proof {
        Prover::new(NAME.parse().unwrap()).prove(&self.identity, operation)
    }

    /// What opens the mailbox.
    pub(crate) fn open(&self, messages: u32, bytes: u64) -> v1::ReceiveRequest {
        let proofs = vec![self.proof(Operation::OpenMailbox)];
        let open = v1::Open { proofs, max_outstanding_messages: messages, max_outstanding_bytes: bytes };
        v1::ReceiveRequest { kind: Some(Ask::Open(open)) }
    }

    /// A letter to this owner.
    pub(crate) fn letter(&self, size: usize) -> v1::SendRequest {
        v1::SendRequest {
            to: self.identity.address().as_bytes().to_vec().into(),
            delivery_key: self.key.as_bytes().to_vec().into(),
            message_id: rand::rng().random::<[u8; 16]>().to_vec().into(),
            envelope: vec![0xEE; size].into(),
            ..Default::default()
        }
    }
}

impl Bystander {
    pub(crate) async fn new(relay: &Relay) -> Self {
        let owner = Owner::with_mailbox(relay).await;
        let (asks, asked) = mpsc::unbounded_channel();
        asks.send(owner.open(256, 1 << 20)).unwrap();
        let mut owners = MailboxServiceClient::new(relay.channel());
        let responses = owners.receive(UnboundedReceiverStream::new(asked)).await.expect("it opens").into_inner();
        let mut bystander = Self { owner, senders: DeliveryServiceClient::new(relay.channel()), asks, responses };
        // All that is made once is made by the first.
        bystander.exchange().await;
        bystander
    }

    /// Sends a letter and waits until it is delivered; how long that took.
    pub(crate) async fn exchange(&mut self) -> Duration {
        let begin = Instant::now();
        let exchange = async {
            self.senders.send(self.owner.letter(1024)).await.expect("it is accepted");
            loop {
                let said = self.responses.message().await.expect("the stream lives").expect("it does not end");
                match said.kind.expect("a known kind") {
                    Said::Deliveries(deliveries) => {
                        let up_to = deliveries.deliveries.last().expect("one at least").sequence;
                        let ack = v1::Ack { mailbox: 0, up_to, sequences: Vec::new() };
                        self.asks.send(v1::ReceiveRequest { kind: Some(Ask::Ack(ack)) }).expect("the stream lives");
                        return;
                    }
                    Said::Ping(ping) => {
                        let pong = Ask::Pong(v1::Pong { number: ping.number });
                        self.asks.send(v1::ReceiveRequest { kind: Some(pong) }).expect("the stream lives");
                    }
                    Said::Opened(_) | Said::CaughtUp(_) => {}
                    other => panic!("not expected: {other:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, exchange).await.expect("a letter arrives in time");
        begin.elapsed()
    }

    /// Exchanges letters from now on.
    pub(crate) fn work(mut self) -> AtWork {
        let times = Arc::new(Mutex::new(Vec::new()));
        let noted = times.clone();
        let task = tokio::spawn(async move {
            loop {
                let time = self.exchange().await;
                noted.lock().unwrap().push(time);
                tokio::time::sleep(PACE).await;
            }
        });
        AtWork { times, task }
    }
}

impl AtWork {
    /// How many letters have arrived.
    pub(crate) fn arrived(&self) -> usize {
        assert!(!self.task.is_finished(), "the bystander was not served");
        self.times.lock().unwrap().len()
    }

    /// The longest that one of them took, of those behind the first `skip`.
    pub(crate) fn worst(&self, skip: usize) -> Duration {
        self.times.lock().unwrap().iter().skip(skip).max().copied().unwrap_or_default()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.task.abort();
    }
}
