//! `Receive` and `Subscribe`: a [`Feed`] as a gRPC stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};
use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_request::Kind as Asked;
use sealpost_proto::v1::receive_response::Kind as Said;
use tonic::{Status, Streaming};

use super::body::Messages;
use super::proofs::Proofs;
use super::send_stream::millis;
use super::{ApiConfig, failure, parse};
use crate::delivery::{Feed, FeedError, Input, Output, Services};
use crate::telemetry::{Metrics, Procedure};

/// What the relay says on a stream.
pub(super) type Responses = Messages<v1::ReceiveResponse>;

type Inputs = Pin<Box<dyn Stream<Item = Result<Input, Failure>> + Send>>;

/// Opens what the first message asks for, and listens to the others.
pub(super) async fn receive(
    config: &Arc<ApiConfig>,
    services: &Arc<Services>,
    proofs: &Proofs,
    mut requests: Streaming<v1::ReceiveRequest>,
) -> Result<Responses, Failure> {
    let protocol = |problem| Failure::new(Reason::StreamProtocol, problem);
    let first = tokio::time::timeout(config.open_timeout, requests.message())
        .await
        .map_err(|_| failure::timed_out("the stream's first message, `open`, did not come"))?
        .map_err(|status| failure::of_framework(&status))?
        .ok_or_else(|| protocol("the stream ended before its first message, `open`"))?;
    let Some(Asked::Open(open)) = first.kind else { return Err(protocol("a stream's first message is `open`")) };
    let inputs = inputs(config.clone(), proofs.clone(), requests);
    respond(config, services, proofs, open, Some(inputs), Procedure::Receive).await
}

/// Opens what the request asks for.
pub(super) async fn subscribe(
    config: &Arc<ApiConfig>,
    services: &Arc<Services>,
    proofs: &Proofs,
    request: v1::SubscribeRequest,
) -> Result<Responses, Failure> {
    let open = request.open.ok_or_else(|| Failure::field("open", "what to open is missing"))?;
    respond(config, services, proofs, open, None, Procedure::Subscribe).await
}

async fn respond(
    config: &Arc<ApiConfig>,
    services: &Arc<Services>,
    proofs: &Proofs,
    open: v1::Open,
    inputs: Option<Inputs>,
    procedure: Procedure,
) -> Result<Responses, Failure> {
    if open.proofs.is_empty() {
        return Err(Failure::field("open.proofs", "there is nothing to open"));
    }
    // Before their signatures are checked, which costs more than anything else here.
    if open.proofs.len() > services.config.max_mailboxes {
        return Err(failure::of_feed(FeedError::TooMany(services.config.max_mailboxes)));
    }
    let credit = parse::credit(config, &open)?;
    let addresses = proofs.verify_all(open.proofs).await?;
    let feed = Feed::open(services.clone(), addresses, credit, inputs).await.map_err(failure::of_feed)?;
    let ping_interval_ms = millis(services.config.ping_interval);
    let metrics = services.metrics.clone();
    let responding = Responding { feed, ping_interval_ms, metrics, procedure, last: None, done: false };
    Ok(Messages::new(responding))
}

struct Responding {
    feed: Feed<Inputs, Failure>,
    ping_interval_ms: u32,
    metrics: Arc<Metrics>,
    procedure: Procedure,
    /// The status after `closing`.
    last: Option<Failure>,
    done: bool,
}

impl Stream for Responding {
    type Item = Result<v1::ReceiveResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.done {
            return Poll::Ready(None);
        }
        if let Some(failure) = self.last.take() {
            self.done = true;
            return Poll::Ready(Some(Err(failure.into_status())));
        }
        let output = ready!(self.feed.poll_next(context));
        Poll::Ready(output.map(|output| Ok(self.say(output))))
    }
}

impl Responding {
    fn say(&mut self, output: Output<Failure>) -> v1::ReceiveResponse {
        let kind = match output {
            Output::Opened(mailboxes) => Said::Opened(v1::Opened {
                mailboxes: mailboxes
                    .into_iter()
                    .map(|(mailbox, address, session)| v1::OpenedMailbox {
                        mailbox,
                        address: address.as_bytes().to_vec().into(),
                        session: session.0.to_vec().into(),
                    })
                    .collect(),
                ping_interval_ms: self.ping_interval_ms,
            }),
            Output::Deliveries(deliveries) => Said::Deliveries(v1::Deliveries {
                deliveries: deliveries
                    .into_iter()
                    .map(|(mailbox, sequence, envelope)| v1::Delivery {
                        mailbox,
                        sequence: sequence.get(),
                        envelope: envelope.into_bytes(),
                    })
                    .collect(),
            }),
            Output::CaughtUp(mailbox) => Said::CaughtUp(v1::CaughtUp { mailbox }),
            Output::Ping(number) => Said::Ping(v1::Ping { number }),
            Output::MailboxClosed(mailbox, ending) => {
                Said::MailboxClosed(v1::MailboxClosed { mailbox, reason: i32::from(failure::of_ending(ending).reason) })
            }
            Output::Closing(error) => Said::Closing(self.close(error)),
        };
        v1::ReceiveResponse { kind: Some(kind) }
    }

    fn close(&mut self, error: FeedError<Failure>) -> v1::Closing {
        let failure = failure::of_feed(error);
        self.metrics.api.failures.count((self.procedure, failure.reason));
        let closing =
            v1::Closing { reason: i32::from(failure.reason), retry_after_ms: failure.retry_after.map_or(0, millis) };
        self.last = Some(failure);
        closing
    }
}

fn inputs(config: Arc<ApiConfig>, proofs: Proofs, requests: Streaming<v1::ReceiveRequest>) -> Inputs {
    let shared = Arc::new((config, proofs));
    Box::pin(requests.then(move |message| {
        let shared = shared.clone();
        async move { input(&shared.0, &shared.1, message).await }
    }))
}

async fn input(
    config: &ApiConfig,
    proofs: &Proofs,
    message: Result<v1::ReceiveRequest, Status>,
) -> Result<Input, Failure> {
    let message = message.map_err(|status| failure::of_framework(&status))?;
    match message.kind {
        Some(Asked::Ack(ack)) => Ok(Input::Acknowledge {
            mailbox: ack.mailbox,
            up_to: parse::up_to(ack.up_to),
            sequences: parse::sequences(config, &ack.sequences)?,
        }),
        Some(Asked::Pong(_)) => Ok(Input::Pong),
        // In a box, for it is rare and needs much room.
        Some(Asked::Add(add)) => {
            Box::pin(proofs.verify(add.proof.as_ref(), Operation::OpenMailbox)).await.map(Input::Add)
        }
        Some(Asked::Remove(remove)) => Ok(Input::Remove(remove.mailbox)),
        Some(Asked::Open(_)) => Err(Failure::new(Reason::StreamProtocol, "`open` comes once; use `add` for more")),
        None => Err(Failure::new(Reason::StreamProtocol, "the message says nothing that this relay knows")),
    }
}
