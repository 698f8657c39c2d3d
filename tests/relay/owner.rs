//! A mailbox's owner, and what a sender needs to write to them.

use std::ops::RangeInclusive;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt;
use sealpost_core::{Address, Audience, DeliveryKey, IdentityKey, Nonce, Operation, Proof, UnixTime};
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_testkit::slot_of;
use tonic::Status;
use tonic::transport::Channel;

/// Somebody with a mailbox at `relay.test`.
pub(crate) struct Owner {
    pub(crate) identity: IdentityKey,
    pub(crate) key: DeliveryKey,
}

impl Owner {
    /// Somebody without a mailbox yet.
    pub(crate) fn new() -> Self {
        let mut rng = rand::rng();
        Self { identity: IdentityKey::generate(&mut rng), key: DeliveryKey::generate(&mut rng) }
    }

    /// Somebody with one.
    pub(crate) async fn with_mailbox(owners: &mut MailboxServiceClient<Channel>) -> Self {
        let owner = Self::new();
        owners.create_mailbox(owner.creation()).await.expect("the mailbox is made");
        owner
    }

    pub(crate) fn address(&self) -> Address {
        self.identity.address()
    }

    /// The slot of a Redis Cluster that the mailbox is in.
    pub(crate) fn slot(&self) -> u16 {
        slot_of(format!("m:{{{}}}", URL_SAFE_NO_PAD.encode(self.address().as_bytes())).as_bytes())
    }

    pub(crate) fn proof(&self, operation: Operation) -> v1::Proof {
        self.proof_at(operation, now(), "relay.test")
    }

    pub(crate) fn proof_at(&self, operation: Operation, time: UnixTime, relay: &str) -> v1::Proof {
        let relay: Audience = relay.parse().unwrap();
        let proof = Proof::sign(&self.identity, &relay, operation, time, Nonce::generate(&mut rand::rng()));
        v1::Proof {
            audience: proof.audience.as_str().to_owned(),
            public_key: proof.public_key.as_bytes().to_vec().into(),
            unix_time: proof.time.as_secs(),
            nonce: proof.nonce.as_bytes().to_vec().into(),
            signature: proof.signature.as_bytes().to_vec().into(),
        }
    }

    pub(crate) fn creation(&self) -> v1::CreateMailboxRequest {
        v1::CreateMailboxRequest {
            proof: Some(self.proof(Operation::CreateMailbox)),
            delivery_keys: vec![self.grant()],
            card: vec![7; 100].into(),
            voucher: Default::default(),
        }
    }

    pub(crate) fn grant(&self) -> v1::DeliveryKeyGrant {
        let hash = self.key.hash(&self.address()).as_bytes().to_vec().into();
        v1::DeliveryKeyGrant { hash, expires_hour: 0 }
    }

    /// A send to this owner, of an envelope whose bytes tell `number`.
    pub(crate) fn send(&self, number: u64) -> v1::SendRequest {
        self.send_sized(number, 1024)
    }

    pub(crate) fn send_sized(&self, number: u64, size: usize) -> v1::SendRequest {
        v1::SendRequest {
            to: self.address().as_bytes().to_vec().into(),
            delivery_key: self.key.as_bytes().to_vec().into(),
            message_id: rand::rng().random::<[u8; 16]>().to_vec().into(),
            envelope: envelope(number, size).into(),
            ..Default::default()
        }
    }

    /// Sends with these numbers, each accepted before the next.
    pub(crate) async fn is_sent(&self, senders: &mut DeliveryServiceClient<Channel>, numbers: RangeInclusive<u64>) {
        for number in numbers {
            senders.send(self.send(number)).await.expect("it is accepted");
        }
    }

    pub(crate) async fn describe(
        &self,
        owners: &mut MailboxServiceClient<Channel>,
    ) -> Result<v1::DescribeMailboxResponse, Status> {
        let proof = Some(self.proof(Operation::DescribeMailbox));
        Ok(owners.describe_mailbox(v1::DescribeMailboxRequest { proof }).await?.into_inner())
    }
}

/// Opaque bytes that tell a number.
pub(crate) fn envelope(number: u64, size: usize) -> Vec<u8> {
    let mut envelope = vec![0xEE; size];
    envelope[..8].copy_from_slice(&number.to_be_bytes());
    envelope
}

/// The number that an envelope tells.
pub(crate) fn number(envelope: &[u8]) -> u64 {
    u64::from_be_bytes(envelope[..8].try_into().unwrap())
}

pub(crate) fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}
