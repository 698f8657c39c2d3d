//! The mailboxes of a run: made before it, deleted after it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use sealpost_client::low_level::{Operation, v1};
use sealpost_client::{DeliveryKey, Device, Error, IdentityKey, Reason, Voucher};
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;

use super::lines::{Line, Relays};
use crate::problem::Problem;

/// All mailboxes of a run, by number.
#[derive(Default)]
pub struct Mailboxes {
    all: Vec<Mailbox>,
}

/// One mailbox, and who may do what with it.
pub(super) struct Mailbox {
    pub(super) identity: Secret,
    pub(super) address: Bytes,
    pub(super) delivery_key: Bytes,
    key_hash: Bytes,
}

/// What an owner keeps to itself.
pub(super) enum Secret {
    /// Where messages are opaque: enough for proofs.
    Identity(Box<IdentityKey>),
    /// Where they are sealed.
    Device(Box<Device>),
}

/// Calls at once.
const CALLS: usize = 64;
/// Connections that they share.
const CONNECTIONS: usize = 8;
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

impl Mailboxes {
    /// Makes so many, each with one of the vouchers, if there are any. `progress` hears how many are made.
    ///
    /// # Errors
    /// Where the relay refuses, or there are too few vouchers.
    pub async fn make(
        relays: &Arc<Relays>,
        count: usize,
        sealed: bool,
        vouchers: &[Voucher],
        mut progress: impl FnMut(usize),
    ) -> Result<Arc<Self>, Problem> {
        if !vouchers.is_empty() && vouchers.len() < count {
            let remedy =
                format!("issue {count} with `sealpost voucher issue --count {count}`, or have fewer mailboxes");
            return Err(
                Problem::usage(format!("there are {} vouchers for {count} mailboxes", vouchers.len())).remedy(remedy)
            );
        }
        let all: Vec<Mailbox> = (0..count).map(|_| Mailbox::new(sealed)).collect();
        let lines: Vec<Line> = (0..CONNECTIONS).map(|_| relays.line()).collect();
        let vouchers = vouchers.iter().map(Some).chain(std::iter::repeat(None));
        let calls = all.iter().zip(lines.iter().cycle()).zip(vouchers);
        let calls = calls.map(|((mailbox, line), voucher)| create(line, mailbox, voucher));
        let mut calls = futures_util::stream::iter(calls).buffer_unordered(CALLS).enumerate();
        while let Some((before, made)) = calls.next().await {
            made?;
            progress(before + 1);
        }
        drop(calls);
        Ok(Arc::new(Self { all }))
    }

    /// Deletes them with all that they hold.
    ///
    /// # Errors
    /// Where the relay refuses.
    pub async fn delete(&self, relays: &Arc<Relays>) -> Result<(), Problem> {
        let lines: Vec<Line> = (0..CONNECTIONS).map(|_| relays.line()).collect();
        let calls = self.all.iter().zip(lines.iter().cycle()).map(|(mailbox, line)| delete(line, mailbox));
        let mut calls = futures_util::stream::iter(calls).buffer_unordered(CALLS);
        while let Some(deleted) = calls.next().await {
            deleted?;
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, number: usize) -> Option<&Mailbox> {
        self.all.get(number)
    }
}

impl Mailbox {
    fn new(sealed: bool) -> Self {
        if sealed {
            let device = Device::new();
            let key = device.delivery_keys().first().map(|grant| grant.key.clone());
            let key = key.unwrap_or_else(|| DeliveryKey::generate(&mut rand::rng()));
            Self::of(Secret::Device(Box::new(device)), &key)
        } else {
            let identity = IdentityKey::generate(&mut rand::rng());
            Self::of(Secret::Identity(Box::new(identity)), &DeliveryKey::generate(&mut rand::rng()))
        }
    }

    fn of(identity: Secret, key: &DeliveryKey) -> Self {
        let address = identity.identity().address();
        Self {
            identity,
            address: Bytes::copy_from_slice(address.as_bytes()),
            delivery_key: Bytes::copy_from_slice(key.as_bytes()),
            key_hash: Bytes::copy_from_slice(key.hash(&address).as_bytes()),
        }
    }
}

impl Secret {
    pub(super) fn identity(&self) -> &IdentityKey {
        match self {
            Self::Identity(identity) => identity,
            Self::Device(device) => device.identity(),
        }
    }
}

async fn create(line: &Line, mailbox: &Mailbox, voucher: Option<&Voucher>) -> Result<(), Problem> {
    let card = match &mailbox.identity {
        Secret::Identity(_) => Bytes::new(),
        Secret::Device(device) => Bytes::from(device.card().to_bytes()),
    };
    let voucher = voucher.map(|voucher| Bytes::from(voucher.to_bytes())).unwrap_or_default();
    let mut tried = false;
    let created = tries(line, async |mut service, line| {
        let request = v1::CreateMailboxRequest {
            proof: Some(line.prover().prove(mailbox.identity.identity(), Operation::CreateMailbox)),
            delivery_keys: vec![v1::DeliveryKeyGrant { hash: mailbox.key_hash.clone(), expires_hour: 0 }],
            card: card.clone(),
            voucher: voucher.clone(),
        };
        let answer = service.create_mailbox(request).await.map(drop).map_err(Error::from);
        match answer {
            // By a try whose answer was lost.
            Err(error) if tried && error.reason() == Some(Reason::MailboxExists) => Ok(()),
            answer => {
                tried = true;
                answer
            }
        }
    });
    created.await.map_err(|error| refused("making a mailbox", &error))
}

async fn delete(line: &Line, mailbox: &Mailbox) -> Result<(), Problem> {
    let deleted = tries(line, async |mut service, line| {
        let proof = Some(line.prover().prove(mailbox.identity.identity(), Operation::DeleteMailbox));
        match service.delete_mailbox(v1::DeleteMailboxRequest { proof }).await.map_err(Error::from) {
            Err(error) if error.reason() == Some(Reason::MailboxUnknown) => Ok(()),
            answer => answer.map(drop),
        }
    });
    deleted.await.map_err(|error| refused("deleting a mailbox", &error))
}

/// Some tries of a call, as long as another one may help.
async fn tries(
    line: &Line,
    mut call: impl AsyncFnMut(MailboxServiceClient<sealpost_client::low_level::Channel>, &Line) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut tries = 1..=TRIES;
    loop {
        let connection = line.connection();
        tries.next();
        match call(MailboxServiceClient::new(connection.channel), line).await {
            Err(error) if error.is_retryable() && !tries.is_empty() => {
                line.renew(connection.number);
                tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await;
            }
            outcome => return outcome,
        }
    }
}

fn refused(doing: &str, error: &Error) -> Problem {
    let problem = Problem::new(format!("{doing} failed: {error}"));
    match error {
        Error::Unreachable(_) | Error::TimedOut => {
            problem.remedy("does the relay run, at this address and port, with TLS or without as said?")
        }
        Error::Untrusted(_) => {
            problem.remedy("name the authority that signed its certificate with --ca FILE; check the host in the URL")
        }
        _ => match error.reason() {
            Some(Reason::VoucherRequired | Reason::VoucherInvalid | Reason::VoucherExpired | Reason::VoucherSpent) => {
                problem
                    .remedy("give vouchers with --vouchers FILE, one a line, as `sealpost voucher issue` prints them")
            }
            Some(Reason::ProofAudience) => {
                problem.remedy("the relay has another name: give it with --relay-name NAME (its --relay-names)")
            }
            Some(Reason::ProofStale) => problem.remedy("the clocks of this machine and the relay's differ: set them"),
            _ => problem,
        },
    }
}

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mailboxes", self.all.len())
    }
}
