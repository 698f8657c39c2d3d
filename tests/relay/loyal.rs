//! A sender and an owner who do as clients should: they try again when they are told to.

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_response::Kind as Said;
use sealpost_testkit::eventually;
use tonic::Status;
use tonic::transport::Channel;

use crate::cluster::PATIENCE;
use crate::owner::{Owner, number};
use crate::stream::Stream;

/// Sends one envelope until it is accepted; only an unavailable store is a reason to try again.
pub(crate) async fn send(senders: &mut DeliveryServiceClient<Channel>, owner: &Owner, number: u64) {
    let send = owner.send(number);
    let mut attempt = 0;
    eventually("the envelope is accepted", PATIENCE, async || {
        let sent = senders.send(v1::SendRequest { attempt, ..send.clone() }).await;
        attempt += 1;
        sent.map_err(|status| come_again(&status)).ok()
    })
    .await;
}

/// Opens a mailbox as soon as it can be.
pub(crate) async fn open(owners: &mut MailboxServiceClient<Channel>, owner: &Owner) -> Stream {
    eventually("the mailbox opens", PATIENCE, async || {
        let opened = Stream::open_with(owners, &[owner], 1000, 16 << 20).await;
        opened.map_err(|status| come_again(&status)).ok()
    })
    .await
}

fn come_again(status: &Status) {
    let failure = Failure::from_status(status).expect("a typed status");
    assert_eq!(failure.reason, Reason::StoreUnavailable);
    assert!(failure.retry_after.is_some_and(|after| !after.is_zero()), "it is told when to come again");
}

/// An owner who opens the mailbox again whenever the store was unavailable, and acknowledges everything but the last.
pub(crate) struct Loyal<'owner> {
    owner: &'owner Owner,
    owners: MailboxServiceClient<Channel>,
    stream: Stream,
    /// The number that came last for the first time.
    latest: u64,
    /// How often the stream ended.
    pub(crate) ends: usize,
}

impl<'owner> Loyal<'owner> {
    /// Opens the mailbox, in which the numbers begin with 1.
    pub(crate) async fn new(mut owners: MailboxServiceClient<Channel>, owner: &'owner Owner) -> Self {
        let mut stream = open(&mut owners, owner).await;
        assert_eq!(stream.until_caught_up().await, []);
        Self { owner, owners, stream, latest: 0, ends: 0 }
    }

    /// Receives until this number has come. None may be missing before it; earlier ones may come again after an end.
    pub(crate) async fn until(&mut self, wanted: u64) {
        while self.latest < wanted {
            match self.stream.next().await.expect("`closing` comes before the status").expect("no end") {
                Said::Deliveries(deliveries) => {
                    for delivery in deliveries.deliveries {
                        let number = number(&delivery.envelope);
                        assert!(number <= self.latest + 1, "{number} came after {}", self.latest);
                        assert!(number > self.latest || self.ends > 0, "{number} came twice on one stream");
                        self.latest = self.latest.max(number);
                        self.stream.acknowledge(delivery.sequence - 1);
                    }
                }
                Said::CaughtUp(_) => {}
                Said::Closing(closing) => {
                    assert_eq!(Reason::try_from(closing.reason), Ok(Reason::StoreUnavailable));
                    assert!(closing.retry_after_ms > 0, "it is told when to come again");
                    self.ends += 1;
                    self.stream = open(&mut self.owners, self.owner).await;
                }
                other => panic!("not expected: {other:?}"),
            }
        }
    }
}
