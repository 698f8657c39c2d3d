//! A Receive stream of a raw client.

use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use crate::cluster::PATIENCE;
use crate::owner::{Owner, number};

/// A stream at work.
pub(crate) struct Stream {
    /// Drop it to say no more.
    pub(crate) asks: Option<mpsc::UnboundedSender<v1::ReceiveRequest>>,
    responses: Streaming<v1::ReceiveResponse>,
    pub(crate) opened: v1::Opened,
}

/// One envelope: mailbox, sequence, and the number that it tells.
pub(crate) type Delivered = (u32, u64, u64);

impl Stream {
    /// Opens one mailbox with the usual credit.
    pub(crate) async fn open(owners: &mut MailboxServiceClient<Channel>, owner: &Owner) -> Self {
        Self::open_with(owners, &[owner], 256, 1024 * 1024).await.expect("it opens")
    }

    /// Opens mailboxes with some credit.
    pub(crate) async fn open_with(
        owners: &mut MailboxServiceClient<Channel>,
        who: &[&Owner],
        messages: u32,
        bytes: u64,
    ) -> Result<Self, Status> {
        let (asks, asked) = mpsc::unbounded_channel();
        asks.send(ask(Ask::Open(v1::Open {
            proofs: who.iter().map(|owner| owner.proof(Operation::OpenMailbox)).collect(),
            max_outstanding_messages: messages,
            max_outstanding_bytes: bytes,
        })))
        .unwrap();
        let mut responses = owners.receive(UnboundedReceiverStream::new(asked)).await?.into_inner();
        let Some(Said::Opened(opened)) = responses.message().await?.expect("a first message").kind else {
            panic!("the first message is `opened`");
        };
        Ok(Self { asks: Some(asks), responses, opened })
    }

    /// The next message but pings, which are answered.
    pub(crate) async fn next(&mut self) -> Result<Option<Said>, Status> {
        // Pings are no news: they do not buy more time.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let message = tokio::time::timeout_at(deadline, self.responses.message()).await;
            let message = message.expect("a message in time")?;
            match message.map(|message| message.kind.expect("a known kind")) {
                Some(Said::Ping(ping)) => self.say(Ask::Pong(v1::Pong { number: ping.number })),
                other => return Ok(other),
            }
        }
    }

    /// Whatever is there now, without waiting.
    pub(crate) async fn is_silent_for(&mut self, time: std::time::Duration) -> bool {
        tokio::time::timeout(time, self.responses.message()).await.is_err()
    }

    /// Envelopes until there are so many.
    pub(crate) async fn take(&mut self, many: usize) -> Vec<Delivered> {
        let mut taken = Vec::new();
        while taken.len() < many {
            match self.next().await.expect("no failure").expect("no end") {
                Said::Deliveries(deliveries) => taken.extend(deliveries.deliveries.iter().map(delivered)),
                Said::CaughtUp(_) => {}
                other => panic!("not expected: {other:?}"),
            }
        }
        taken
    }

    /// Envelopes until the marker of mailbox 0.
    pub(crate) async fn until_caught_up(&mut self) -> Vec<Delivered> {
        let mut taken = Vec::new();
        loop {
            match self.next().await.expect("no failure").expect("no end") {
                Said::Deliveries(deliveries) => taken.extend(deliveries.deliveries.iter().map(delivered)),
                Said::CaughtUp(v1::CaughtUp { mailbox: 0 }) => return taken,
                other => panic!("not expected: {other:?}"),
            }
        }
    }

    pub(crate) fn say(&self, kind: Ask) {
        // The relay may have ended the stream meanwhile.
        if let Some(asks) = &self.asks {
            let _ = asks.send(ask(kind));
        }
    }

    pub(crate) fn acknowledge(&self, up_to: u64) {
        self.say(Ask::Ack(v1::Ack { mailbox: 0, up_to, sequences: Vec::new() }));
    }

    /// Passes over envelopes to the last message, and checks that the status says the same.
    pub(crate) async fn closing(mut self) -> v1::Closing {
        loop {
            match self.next().await.expect("`closing` comes before the status") {
                Some(Said::Closing(closing)) => {
                    let status = self.next().await.expect_err("a status after `closing`");
                    let failure = Failure::from_status(&status).expect("a typed status");
                    assert_eq!(i32::from(failure.reason), closing.reason);
                    return closing;
                }
                Some(Said::Deliveries(_) | Said::CaughtUp(_)) => {}
                other => panic!("not expected: {other:?}"),
            }
        }
    }

    pub(crate) async fn ends_with(self, reason: Reason) {
        let closing = self.closing().await;
        assert_eq!(Reason::try_from(closing.reason), Ok(reason));
    }
}

pub(crate) fn ask(kind: Ask) -> v1::ReceiveRequest {
    v1::ReceiveRequest { kind: Some(kind) }
}

fn delivered(delivery: &v1::Delivery) -> Delivered {
    (delivery.mailbox, delivery.sequence, number(&delivery.envelope))
}
