//! A relay in memory that keeps the contract, and breaks it where a test asks for it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

mod delivery;
mod mailbox;
mod receive;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sealpost_client::{Address, Device, Reason, Relay, RelayHost, RelayOptions, Timeouts, Trust};
use sealpost_core::{Audience, IdentityPublicKey, Nonce, Operation, Proof, ProofError, Signature, UnixTime};
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_server::DeliveryServiceServer;
use sealpost_proto::v1::mailbox_service_server::MailboxServiceServer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;

/// A running relay.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    /// Raised by every change that a stream may want to know of.
    changed: watch::Sender<u64>,
    pub port: u16,
}

/// Everything that the relay knows, and what it is to do wrong.
#[derive(Default)]
pub struct State {
    pub mailboxes: HashMap<Address, Mailbox>,
    pub nonces: HashSet<Vec<u8>>,
    pub faults: Faults,
    /// The attempts of all sends, in order.
    pub attempts: Vec<u32>,
    /// The acknowledgements of all streams, in order.
    pub acks: Vec<v1::Ack>,
    pub opens: u32,
    pub pings: u32,
    pub pongs: u32,
    pub ephemeral: u32,
    /// The connections on which somebody sent, and those on which an owner was known.
    pub senders: HashSet<SocketAddr>,
    pub owners: HashSet<SocketAddr>,
    /// Raised to end all streams.
    pub ending: u64,
    pub ends_with: Option<v1::Closing>,
}

#[derive(Default)]
pub struct Faults {
    pub clock_ahead_secs: i64,
    /// So many proofs are called replayed.
    pub replays: u32,
    /// So many calls are done, and their answer lost.
    pub lost_answers: u32,
    /// So many sends are never answered.
    pub hanging: u32,
    /// So many sends find a full mailbox.
    pub full: u32,
    /// So many times the send stream breaks after half of a batch, without results.
    pub cut_batches: u32,
    /// So many streams fall silent once they are open.
    pub silent_streams: u32,
    /// So many times another mailbox is opened than the one that was asked for.
    pub others_opened: u32,
    /// So many times one mailbox more is opened than was asked for.
    pub more_opened: u32,
}

#[derive(Default)]
pub struct Mailbox {
    pub grants: Vec<v1::DeliveryKeyGrant>,
    pub card: Bytes,
    pub queue: BTreeMap<u64, Bytes>,
    pub last: u64,
    pub generation: u64,
    pub ids: Vec<Bytes>,
}

impl Fake {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fake = Self { state: Arc::default(), changed: watch::Sender::new(0), port };
        let server = tonic::transport::Server::builder()
            .add_service(DeliveryServiceServer::new(fake.clone()))
            .add_service(MailboxServiceServer::new(fake.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        fake
    }

    pub fn host(&self) -> RelayHost {
        format!("127.0.0.1:{}", self.port).parse().unwrap()
    }

    pub fn relay(&self) -> Relay {
        let timeouts = Timeouts::default().operation(Duration::from_secs(10));
        Relay::connect(RelayOptions::new(self.host()).trust(Trust::Plaintext).timeouts(timeouts)).unwrap()
    }

    /// A device with a mailbox here.
    pub async fn device(&self) -> Device {
        let device = Device::new();
        self.relay().create_mailbox(&device, None).await.unwrap();
        device
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.state().faults);
    }

    /// Ends all streams with a last word, or without one.
    pub fn end_streams(&self, reason: Option<Reason>, retry_after_ms: u32) {
        let mut state = self.state();
        state.ends_with = reason.map(|reason| v1::Closing { reason: reason.into(), retry_after_ms });
        state.ending += 1;
        drop(state);
        self.wake();
    }

    /// Pings all streams.
    pub fn ping(&self) {
        self.state().pings += 1;
        self.wake();
    }

    /// Puts a copy of the last envelope into the queue, under a number of its own.
    pub fn duplicate_last(&self, address: &Address) {
        let mut state = self.state();
        let mailbox = state.mailboxes.get_mut(address).unwrap();
        let (_, envelope) = mailbox.queue.last_key_value().unwrap();
        let envelope = envelope.clone();
        mailbox.push(envelope);
        drop(state);
        self.wake();
    }

    /// Queues any bytes.
    pub fn queue(&self, address: &Address, envelope: &[u8]) {
        self.state().mailboxes.get_mut(address).unwrap().push(Bytes::copy_from_slice(envelope));
        self.wake();
    }

    pub fn queued(&self, address: &Address) -> usize {
        self.state().mailboxes[address].queue.len()
    }

    /// Waits for a condition, within ten seconds.
    pub async fn until(&self, condition: impl Fn(&State) -> bool) {
        let mut changed = self.changed.subscribe();
        let reached = async {
            while !condition(&self.state()) {
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), reached).await.expect("the condition is met in time");
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn audience(&self) -> Audience {
        self.host().audience()
    }

    fn prove(&self, proof: Option<v1::Proof>, operation: Operation) -> Result<Address, Status> {
        let proof = proof.ok_or_else(|| Failure::field("proof", "is missing").into_status())?;
        let mut state = self.state();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let now = now.checked_add_signed(state.faults.clock_ahead_secs).unwrap();
        let parsed = Proof {
            audience: proof.audience.parse().unwrap(),
            public_key: IdentityPublicKey::try_from(&*proof.public_key).unwrap(),
            time: UnixTime(proof.unix_time),
            nonce: Nonce::try_from(&*proof.nonce).unwrap(),
            signature: Signature::try_from(&*proof.signature).unwrap(),
        };
        let refused = |reason| Failure::new(reason, "");
        let address = parsed.verify(&[self.audience()], operation, UnixTime(now), 60).map_err(|error| match error {
            ProofError::Stale => refused(Reason::ProofStale).with("relay_time", now.to_string()).into_status(),
            ProofError::WrongAudience => refused(Reason::ProofAudience).into_status(),
            ProofError::BadSignature => refused(Reason::ProofInvalid).into_status(),
        })?;
        if !state.nonces.insert(proof.nonce.to_vec()) || take(&mut state.faults.replays) {
            return Err(refused(Reason::ProofReplayed).into_status());
        }
        Ok(address)
    }
}

impl Mailbox {
    pub fn push(&mut self, envelope: Bytes) {
        self.last += 1;
        self.queue.insert(self.last, envelope);
    }
}

/// Uses a fault up.
fn take(count: &mut u32) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

fn lost() -> Status {
    Status::unavailable("the connection broke")
}
