//! The task behind a [`super::Sender`]: keeps a stream open and the outbox moving.

use std::future::pending;
use std::time::Duration;

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::{self, SendStreamResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;

use super::outbox::Outbox;
use super::{Entry, SenderOptions};
use crate::backoff::Backoff;
use crate::retry::{FIRST_DELAY, LONGEST_DELAY, answer_within};
use crate::{Error, Relay};

/// Batches that may wait for the connection. More would only hide that it is slow.
const BATCHES_WAITING: usize = 4;
/// How many messages are taken over at once.
const TAKEN_AT_ONCE: usize = 256;
/// No relay needs longer for an answer.
const LONGEST_ANSWER: Duration = Duration::from_secs(3600);
/// A stream that lived so long was a good one.
const STABLE: Duration = Duration::from_secs(60);

struct Worker {
    relay: Relay,
    options: SenderOptions,
    incoming: mpsc::Receiver<Entry>,
    /// All [`super::Sender`]s are gone.
    is_closed: bool,
    outbox: Outbox,
}

pub(super) async fn run(relay: Relay, options: SenderOptions, incoming: mpsc::Receiver<Entry>) {
    let mut worker =
        Worker { relay, options, incoming, is_closed: false, outbox: Outbox::new(options.max_outstanding_per_mailbox) };
    let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
    let mut earliest = Instant::now();
    while worker.wait_for_work(earliest).await {
        let begun = Instant::now();
        let Err(error) = worker.stream().await else { return };
        if begun.elapsed() >= STABLE {
            backoff.reset();
        }
        if error.is_retryable() {
            earliest = Instant::now() + backoff.next(error.retry_after());
            worker.outbox.broken(&error);
        } else {
            worker.outbox.fail_all(&error);
        }
    }
}

impl Worker {
    /// Waits until there is something to send and a new stream may be opened. `false`: there will be nothing more.
    async fn wait_for_work(&mut self, earliest: Instant) -> bool {
        loop {
            let now = Instant::now();
            self.outbox.tick(now);
            if self.is_closed && self.outbox.is_empty() {
                return false;
            }
            let ready = self.outbox.has_ready();
            if ready && earliest <= now {
                return true;
            }
            let opening = ready.then_some(earliest);
            let wake = opening.into_iter().chain(self.outbox.next_tick()).min();
            tokio::select! {
                () = self.take() => {}
                () = at(wake) => {}
            }
        }
    }

    /// Serves one stream to its end. `Ok`: there is nothing more to do.
    async fn stream(&mut self) -> Result<(), Error> {
        let answer = self.relay.inner.timeouts.answer;
        let (requests, outgoing) = mpsc::channel(BATCHES_WAITING);
        self.send_batch(requests.try_reserve().map_err(|_| Error::Closed)?);
        // A connection of its own: after a failure, the old one may lead to the relay that is going away.
        let mut service = DeliveryServiceClient::new(self.relay.inner.dialer.dial());
        let mut results = answer_within(answer, service.send_stream(ReceiverStream::new(outgoing))).await?;
        let mut heard = Instant::now();
        loop {
            self.outbox.tick(Instant::now());
            if self.is_closed && self.outbox.is_empty() {
                return Ok(());
            }
            if !self.outbox.has_under_way() {
                heard = Instant::now();
            }
            let wake = self.outbox.has_under_way().then_some(heard + answer.min(LONGEST_ANSWER));
            let tick = self.outbox.next_tick();
            tokio::select! {
                biased;
                arrived = results.message() => {
                    heard = Instant::now();
                    let answer = arrived?.ok_or_else(|| Error::Unreachable("the stream ended".into()))?;
                    decide(&mut self.outbox, answer, heard)?;
                }
                () = self.take() => {}
                room = requests.reserve(), if self.outbox.has_ready() => {
                    self.send_batch(room.map_err(|_| Error::Unreachable("the stream broke".into()))?);
                }
                () = at(tick) => {}
                () = at(wake) => return Err(Error::TimedOut),
            }
        }
    }

    /// Takes over what was submitted. Never ends once there is nothing more to come.
    async fn take(&mut self) {
        if self.is_closed {
            return pending().await;
        }
        let mut taken = Vec::new();
        self.is_closed = self.incoming.recv_many(&mut taken, TAKEN_AT_ONCE).await == 0;
        taken.into_iter().for_each(|entry| self.outbox.push(entry));
    }

    fn send_batch(&mut self, room: mpsc::Permit<'_, v1::SendStreamRequest>) {
        let sends = self.outbox.batch(self.options.max_batch);
        if !sends.is_empty() {
            room.send(v1::SendStreamRequest { sends });
        }
    }
}

/// The relay's word on some messages.
pub(super) fn decide(outbox: &mut Outbox, answer: SendStreamResponse, now: Instant) -> Result<(), Error> {
    for v1::SendResult { tag, refusal } in answer.results {
        let result = refusal.map_or(Ok(()), |refusal| Err(refused(refusal)));
        if !outbox.decide(tag, result, now) {
            return Err(Error::Contract("a result for a message that is not under way"));
        }
    }
    Ok(())
}

fn refused(refusal: v1::Refusal) -> Error {
    let reason = Reason::try_from(refusal.reason).unwrap_or(Reason::Unspecified);
    let mut failure = Failure::new(reason, refusal.message);
    if refusal.retry_after_ms > 0 {
        failure = failure.retry_after(Duration::from_millis(refusal.retry_after_ms.into()));
    }
    failure.into()
}

/// Waits until then, or for ever.
async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}
