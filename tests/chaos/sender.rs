//! A sender: one request at a time, and again with the same ids until the relays have accepted all of it.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use sealpost_core::{Address, DeliveryKey};
use sealpost_proto::Reason;
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::history::{What, Why};
use crate::journal::Journal;
use crate::letter::Letter;
use crate::{PATIENCE, pause};

/// The longest wait for an answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// Letters of one message on a stream.
const BATCH: u64 = 8;

pub(crate) struct Sender {
    pub(crate) number: u32,
    pub(crate) run: u64,
    pub(crate) to: Address,
    pub(crate) key: DeliveryKey,
    /// For each relay.
    pub(crate) clients: Vec<DeliveryServiceClient<Channel>>,
    pub(crate) journal: Arc<Journal>,
    /// The time for one letter.
    pub(crate) pace: Duration,
}

/// A letter that waits to be accepted.
struct Waiting {
    letter: Letter,
    id: [u8; 16],
    attempt: u32,
}

/// An open `SendStream`.
struct Sending {
    relay: usize,
    asks: mpsc::UnboundedSender<v1::SendStreamRequest>,
    results: Streaming<v1::SendStreamResponse>,
}

impl Sender {
    /// Sends until it is told to stop; what is under way then is finished, unless that takes too long.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut relay = self.number as usize % self.clients.len();
        let mut sending = None;
        let mut last = 0;
        while !*stop.borrow() {
            let many = if rand::rng().random() { 1 } else { rand::rng().random_range(1..=BATCH) };
            let singly = many == 1 && rand::rng().random();
            let letters = (last + 1..=last + many).map(|number| Letter { sender: self.number, number });
            let mut waiting: Vec<_> =
                letters.map(|letter| Waiting { letter, id: rand::rng().random(), attempt: 0 }).collect();
            last += many;
            let request = self.journal.number();
            let mut give_up = None;
            while !waiting.is_empty() {
                for Waiting { letter, .. } in &waiting {
                    self.journal.write(What::Asked { letter: *letter, request, relay });
                }
                let outcome = match singly {
                    true => self.send(relay, &waiting).await,
                    false => self.stream(relay, &waiting, &mut sending).await,
                };
                waiting = self.take_note(waiting, outcome);
                if !waiting.is_empty() {
                    relay = (relay + 1) % self.clients.len();
                    pause().await;
                }
                if *stop.borrow() && Instant::now() > *give_up.get_or_insert_with(|| Instant::now() + PATIENCE) {
                    return;
                }
            }
            let rest = self.pace.mul_f64(rand::rng().random_range(0.5..1.5)) * u32::try_from(many).unwrap();
            // Stopped, or the time is over.
            let _ = timeout(rest, stop.wait_for(|stop| *stop)).await;
        }
    }

    /// Writes down what became of each letter; those that were not accepted are left.
    fn take_note(&self, waiting: Vec<Waiting>, mut outcome: Vec<Option<Why>>) -> Vec<Waiting> {
        // Where there is no answer for it, none came.
        outcome.resize(waiting.len(), Some(Why::Broken));
        let mut left = Vec::new();
        for (waiting, refused) in waiting.into_iter().zip(outcome) {
            let letter = waiting.letter;
            match refused {
                None => self.journal.write(What::Accepted { letter }),
                Some(why) => {
                    self.journal.write(What::Refused { letter, why });
                    left.push(Waiting { attempt: waiting.attempt + 1, ..waiting });
                }
            }
        }
        left
    }

    /// One unary call for each.
    async fn send(&self, relay: usize, waiting: &[Waiting]) -> Vec<Option<Why>> {
        let mut client = self.clients[relay].clone();
        let mut outcome = Vec::new();
        for waiting in waiting {
            outcome.push(match timeout(DEADLINE, client.send(self.request(waiting))).await {
                Ok(Ok(_)) => None,
                Ok(Err(status)) => Some(Why::from(&status)),
                Err(_) => Some(Why::Silent),
            });
        }
        outcome
    }

    /// One message on a stream that stays open for the next ones.
    async fn stream(&self, relay: usize, waiting: &[Waiting], sending: &mut Option<Sending>) -> Vec<Option<Why>> {
        let mut outcome: Vec<Option<Option<Why>>> = waiting.iter().map(|_| None).collect();
        let failed = match timeout(DEADLINE, self.say(relay, waiting, sending, &mut outcome)).await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(_) => Some(Why::Silent),
        };
        if failed.is_some() {
            *sending = None;
        }
        outcome.into_iter().map(|decided| decided.unwrap_or(failed)).collect()
    }

    async fn say(
        &self,
        relay: usize,
        waiting: &[Waiting],
        sending: &mut Option<Sending>,
        outcome: &mut [Option<Option<Why>>],
    ) -> Result<(), Why> {
        let stream = match sending.take().filter(|sending| sending.relay == relay) {
            Some(stream) => sending.insert(stream),
            None => sending.insert(self.open(relay).await?),
        };
        let sends = (0..).zip(waiting);
        let sends = sends.map(|(tag, waiting)| v1::TaggedSend { tag, send: Some(self.request(waiting)) }).collect();
        stream.asks.send(v1::SendStreamRequest { sends }).map_err(|_| Why::Broken)?;
        while outcome.iter().any(Option::is_none) {
            let answer = stream.results.message().await.map_err(|status| Why::from(&status))?;
            for result in answer.ok_or(Why::Broken)?.results {
                let why = |refusal: v1::Refusal| Why::Reason(Reason::try_from(refusal.reason).unwrap());
                outcome[usize::try_from(result.tag).unwrap()] = Some(result.refusal.map(why));
            }
        }
        Ok(())
    }

    async fn open(&self, relay: usize) -> Result<Sending, Why> {
        let (asks, asked) = mpsc::unbounded_channel();
        let opened = self.clients[relay].clone().send_stream(UnboundedReceiverStream::new(asked)).await;
        Ok(Sending { relay, asks, results: opened.map_err(|status| Why::from(&status))?.into_inner() })
    }

    fn request(&self, waiting: &Waiting) -> v1::SendRequest {
        v1::SendRequest {
            to: self.to.as_bytes().to_vec().into(),
            delivery_key: self.key.as_bytes().to_vec().into(),
            message_id: waiting.id.to_vec().into(),
            envelope: waiting.letter.envelope(self.run),
            attempt: waiting.attempt,
            ..Default::default()
        }
    }
}
