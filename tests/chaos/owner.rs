//! A mailbox's owner: one stream at a time, at the other relay when it ends; acknowledges what came.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sealpost_client::low_level::{Operation, Prover};
use sealpost_core::{Address, DeliveryKey, IdentityKey};
use sealpost_proto::Reason;
use sealpost_proto::v1;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::history::{Stream, What, Why};
use crate::journal::Journal;
use crate::letter::Letter;
use crate::pause;
use crate::relays::{NAME, PING_MS};

/// The longest wait for a stream to open.
const DEADLINE: Duration = Duration::from_secs(5);
/// Envelopes that may be unacknowledged: few, so that it runs out now and then.
const CREDIT: u32 = 32;
/// Without a word for so long a stream is dead.
const SILENCE: Duration = Duration::from_millis(3 * PING_MS);

pub(crate) struct Owner {
    pub(crate) mailbox: usize,
    pub(crate) run: u64,
    pub(crate) identity: IdentityKey,
    pub(crate) key: DeliveryKey,
    /// For each relay.
    pub(crate) clients: Vec<MailboxServiceClient<Channel>>,
    pub(crate) journal: Arc<Journal>,
    /// While it is false, nothing is acknowledged.
    pub(crate) acknowledging: watch::Receiver<bool>,
}

/// A stream of envelopes, open.
struct Receiving {
    stream: Stream,
    asks: mpsc::UnboundedSender<v1::ReceiveRequest>,
    responses: Streaming<v1::ReceiveResponse>,
    /// The last that came, and whether it was acknowledged.
    last: u64,
    acknowledged: bool,
}

impl Owner {
    pub(crate) fn address(&self) -> Address {
        self.identity.address()
    }

    /// Makes the mailbox.
    pub(crate) async fn create_mailbox(&self) {
        let hash = self.key.hash(&self.address()).as_bytes().to_vec().into();
        let request = v1::CreateMailboxRequest {
            proof: Some(self.proof(Operation::CreateMailbox)),
            delivery_keys: vec![v1::DeliveryKeyGrant { hash, expires_hour: 0 }],
            ..Default::default()
        };
        self.clients[0].clone().create_mailbox(request).await.expect("the mailbox is made");
    }

    /// Takes envelopes for ever.
    pub(crate) async fn run(self) {
        for relay in (0..self.clients.len()).cycle().skip(self.mailbox) {
            let opening = timeout(DEADLINE, self.open(relay)).await.unwrap_or(Err(Why::Silent));
            match opening {
                Ok(mut receiving) => {
                    let stream = receiving.stream;
                    self.journal.write(What::Opened { stream, relay });
                    let why = self.listen(&mut receiving).await;
                    self.journal.write(What::Ended { stream, why });
                }
                Err(why) => self.journal.write(What::NotOpened { mailbox: self.mailbox, relay, why }),
            }
            pause().await;
        }
    }

    async fn open(&self, relay: usize) -> Result<Receiving, Why> {
        let (asks, asked) = mpsc::unbounded_channel();
        let proofs = vec![self.proof(Operation::OpenMailbox)];
        let open = Ask::Open(v1::Open { proofs, max_outstanding_messages: CREDIT, max_outstanding_bytes: 0 });
        asks.send(v1::ReceiveRequest { kind: Some(open) }).map_err(|_| Why::Broken)?;
        let mut client = self.clients[relay].clone();
        let opened = client.receive(UnboundedReceiverStream::new(asked)).await.map_err(|status| Why::from(&status))?;
        let mut responses = opened.into_inner();
        let first = responses.message().await.map_err(|status| Why::from(&status))?.ok_or(Why::Broken)?;
        assert!(matches!(first.kind, Some(Said::Opened(_))), "the first message is `opened`: {first:?}");
        let number = u32::try_from(self.journal.number()).unwrap();
        let stream = Stream { mailbox: self.mailbox, number };
        Ok(Receiving { stream, asks, responses, last: 0, acknowledged: true })
    }

    /// Listens until the stream ends.
    async fn listen(&self, receiving: &mut Receiving) -> Why {
        loop {
            let said = match timeout(SILENCE, receiving.responses.message()).await {
                Ok(Ok(Some(message))) => message.kind.expect("a known kind"),
                Ok(Ok(None)) => return Why::Broken,
                Ok(Err(status)) => return Why::from(&status),
                Err(_) => return Why::Silent,
            };
            match said {
                Said::Deliveries(deliveries) => {
                    for delivery in deliveries.deliveries {
                        let letter = Letter::read(&delivery.envelope, self.run);
                        let (stream, sequence) = (receiving.stream, delivery.sequence);
                        self.journal.write(What::Delivered { stream, sequence, letter });
                        receiving.last = receiving.last.max(sequence);
                        receiving.acknowledged = false;
                    }
                    // Now and then it takes its time, so that there is something to deliver again.
                    if rand::rng().random_ratio(3, 4) {
                        self.acknowledge(receiving);
                    }
                }
                Said::Ping(ping) => {
                    receiving.say(Ask::Pong(v1::Pong { number: ping.number }));
                    self.acknowledge(receiving);
                }
                Said::CaughtUp(_) => {}
                Said::Closing(closing) => return Why::Reason(Reason::try_from(closing.reason).unwrap()),
                other @ (Said::Opened(_) | Said::MailboxClosed(_)) => panic!("not expected: {other:?}"),
            }
        }
    }

    fn acknowledge(&self, receiving: &mut Receiving) {
        if *self.acknowledging.borrow() && !std::mem::replace(&mut receiving.acknowledged, true) {
            let (stream, up_to) = (receiving.stream, receiving.last);
            self.journal.write(What::Acknowledged { stream, up_to });
            receiving.say(Ask::Ack(v1::Ack { mailbox: 0, up_to, sequences: Vec::new() }));
        }
    }

    fn proof(&self, operation: Operation) -> v1::Proof {
        Prover::new(NAME.parse().unwrap()).prove(&self.identity, operation)
    }
}

impl Receiving {
    fn say(&self, kind: Ask) {
        // The relay may have ended the stream meanwhile.
        let _ = self.asks.send(v1::ReceiveRequest { kind: Some(kind) });
    }
}
