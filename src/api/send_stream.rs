//! `SendStream`: many sends, in the order in which they came.
//!
//! What has arrived while a batch was being stored makes up the next batch: a lone send does not wait, and under load
//! batches form by themselves.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{FutureExt, Stream, StreamExt, stream};
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use tokio::time::Sleep;
use tonic::{Request, Status, Streaming};

use super::measured::{Measured, traceparent};
use super::{ApiConfig, failure, parse};
use crate::delivery::{Ending, Services};
use crate::store::{AppendError, Journey, StoreError};
use crate::telemetry::{Outcome, Procedure, TraceParent};

/// The results of a stream of sends.
pub(super) fn results(
    config: Arc<ApiConfig>,
    services: Arc<Services>,
    request: Request<Streaming<v1::SendStreamRequest>>,
) -> impl Stream<Item = Result<v1::SendStreamResponse, Status>> + Send {
    let traceparent = traceparent(request.metadata()).map(Into::into);
    let life = services.config.life().map(|life| Box::pin(tokio::time::sleep(life)));
    let requests = request.into_inner();
    let sending = Sending { config, services, traceparent, requests, life, failed: None, done: false };
    stream::unfold(sending, |mut sending| async move { sending.next().await.map(|results| (results, sending)) })
}

/// From so many bytes of envelopes on, a batch is not made larger by what has come meanwhile.
const BATCH_BYTES: usize = 1024 * 1024;

/// Of a batch that is traced, so many sends are followed to their owners.
const FOLLOWED: usize = 8;

struct Sending {
    config: Arc<ApiConfig>,
    services: Arc<Services>,
    /// What the client says is above each of its batches.
    traceparent: Option<Box<str>>,
    requests: Streaming<v1::SendStreamRequest>,
    /// Until it has lived long enough; `None`: it never has.
    life: Option<Pin<Box<Sleep>>>,
    /// What went wrong after the batch that is being stored.
    failed: Option<Failure>,
    done: bool,
}

impl Sending {
    async fn next(&mut self) -> Option<Result<v1::SendStreamResponse, Status>> {
        if self.done {
            return None;
        }
        let Some(sends) = self.gather().await else {
            self.done = true;
            let failure = self.failed.take()?;
            self.services.metrics.api.failures.count((Procedure::SendStream, failure.reason));
            return Some(Err(failure.into_status()));
        };
        let mut measured = Measured::begin(&self.services, Procedure::SendStream, self.traceparent.as_deref());
        measured.batch(sends.len());
        let results = self.store(sends, measured.context()).await;
        Some(measured.end(Ok(v1::SendStreamResponse { results })))
    }

    /// Waits for sends, then takes what is there. `None` at the end.
    async fn gather(&mut self) -> Option<Vec<v1::TaggedSend>> {
        if self.failed.is_some() {
            return None;
        }
        let first = tokio::select! {
            biased;
            // However busy its sender is, or it would never go where there is more room.
            () = over(&mut self.life) => Err(Ending::Rebalance),
            first = self.requests.next() => Ok(first?),
            // What was in flight has been answered.
            () = self.services.drain.begun() => Err(Ending::Draining),
        };
        let first = match first {
            Ok(first) => first,
            Err(ending) => {
                self.failed = Some(failure::of_ending(ending));
                return None;
            }
        };
        let mut sends = self.accept(first)?;
        let mut gathered = bytes(&sends);
        while sends.len() < self.config.max_batch && gathered < BATCH_BYTES {
            let Some(Some(more)) = self.requests.next().now_or_never() else { break };
            let Some(more) = self.accept(more) else { break };
            gathered += bytes(&more);
            sends.extend(more);
        }
        Some(sends)
    }

    fn accept(&mut self, message: Result<v1::SendStreamRequest, Status>) -> Option<Vec<v1::TaggedSend>> {
        match message {
            Ok(request) if request.sends.len() <= self.config.max_batch => Some(request.sends),
            Ok(_) => {
                self.failed = Some(parse::limit("sends of one message", self.config.max_batch));
                None
            }
            Err(status) => {
                self.failed = Some(failure::of_framework(&status));
                None
            }
        }
    }

    async fn store(&self, sends: Vec<v1::TaggedSend>, trace: Option<TraceParent>) -> Vec<v1::SendResult> {
        let metrics = &self.services.metrics.api;
        let begun = self.services.clock.now_millis();
        let mut results = Vec::with_capacity(sends.len());
        let mut appends = Vec::with_capacity(sends.len());
        let mut places = Vec::with_capacity(sends.len());
        for (place, v1::TaggedSend { tag, send }) in sends.into_iter().enumerate() {
            let journey = Journey::begin(begun, trace.filter(|_| place < FOLLOWED));
            let parsed = send
                .ok_or_else(|| Failure::field("send", "nothing to send"))
                .and_then(|send| parse::send(&self.config, send, journey));
            let refusal = match parsed {
                Ok(append) => {
                    places.push((results.len(), append.envelope.size()));
                    appends.push(append);
                    None
                }
                Err(failure) => {
                    metrics.sends.count(Outcome::Invalid);
                    Some(refusal(failure))
                }
            };
            results.push(v1::SendResult { tag, refusal });
        }
        if appends.is_empty() {
            return results;
        }
        let mut stored = self.services.store.append(appends).await.into_iter();
        for (place, size) in places {
            let missing = AppendError::Store(StoreError::Corrupt("the store gave no result"));
            let outcome = stored.next().unwrap_or(Err(missing));
            failure::count(metrics, &outcome, size);
            if let (Err(error), Some(result)) = (outcome, results.get_mut(place)) {
                result.refusal = Some(refusal(failure::of_append(error)));
            }
        }
        results
    }
}

async fn over(life: &mut Option<Pin<Box<Sleep>>>) {
    match life {
        Some(life) => life.await,
        None => std::future::pending().await,
    }
}

fn bytes(sends: &[v1::TaggedSend]) -> usize {
    sends.iter().filter_map(|tagged| tagged.send.as_ref()).map(|send| send.envelope.len()).sum()
}

fn refusal(failure: Failure) -> v1::Refusal {
    v1::Refusal {
        reason: i32::from(failure.reason),
        retry_after_ms: failure.retry_after.map_or(0, millis),
        message: failure.field.map_or(failure.message.clone(), |field| format!("{field}: {}", failure.message)),
    }
}

/// Whole milliseconds, at least one.
pub(super) fn millis(duration: std::time::Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX).max(1)
}
