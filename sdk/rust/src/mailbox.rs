//! What an owner does with a mailbox.

use bytes::Bytes;
use sealpost_core::{Hour, Operation, Voucher};
use sealpost_proto::{Reason, v1};

use crate::proofs::copied;
use crate::{Device, Error, Relay};

/// Everything that the relay holds on a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailboxDescription {
    /// The hours in which its delivery keys end, in the relay's order; `None` for one that does not.
    pub delivery_keys: Vec<Option<Hour>>,
    /// Whether it has a card.
    pub has_card: bool,
    /// The number of the envelope accepted last, 0 if there was none.
    pub last_sequence: u64,
    /// Envelopes that wait.
    pub queued_messages: u64,
    /// Their size in bytes.
    pub queued_bytes: u64,
    /// How often the mailbox was opened.
    pub generation: u64,
    /// The hour in which the owner was last here.
    pub last_seen: Hour,
    /// The hour in which the mailbox is reclaimed if its owner does not come.
    pub reclaimed: Hour,
}

impl Relay {
    /// Makes the device's mailbox, with its delivery keys and card. A try whose answer was lost and that had succeeded
    /// counts as success.
    ///
    /// # Errors
    /// Reasons `MAILBOX_EXISTS`, `VOUCHER_…`, `PROOF_…`, and those of the connection.
    pub async fn create_mailbox(&self, device: &Device, voucher: Option<&Voucher>) -> Result<(), Error> {
        let voucher = voucher.map(Voucher::to_bytes).map(Bytes::from).unwrap_or_default();
        let (created, undecided) = self
            .as_owner(&device.identity, Operation::CreateMailbox, |mut service, proof| {
                let request = v1::CreateMailboxRequest {
                    proof: Some(proof),
                    delivery_keys: grants(device),
                    card: device.card.to_bytes().into(),
                    voucher: voucher.clone(),
                };
                async move { service.create_mailbox(request).await }
            })
            .await;
        settled(created, undecided, Reason::MailboxExists)
    }

    /// Tells the relay the device's present delivery keys and card. Keys that the device no longer has end at once.
    ///
    /// # Errors
    /// Reasons `MAILBOX_UNKNOWN`, `PROOF_…`, and those of the connection.
    pub async fn update_mailbox(&self, device: &Device) -> Result<(), Error> {
        let (updated, _) = self
            .as_owner(&device.identity, Operation::UpdateMailbox, |mut service, proof| {
                let request = v1::UpdateMailboxRequest {
                    proof: Some(proof),
                    delivery_keys: Some(v1::DeliveryKeyGrants { grants: grants(device) }),
                    card: Some(device.card.to_bytes().into()),
                };
                async move { service.update_mailbox(request).await }
            })
            .await;
        updated.map(|_| ())
    }

    /// Deletes the device's mailbox with all that it holds. It cannot be undone.
    ///
    /// # Errors
    /// Reasons `MAILBOX_UNKNOWN`, `PROOF_…`, and those of the connection.
    pub async fn delete_mailbox(&self, device: &Device) -> Result<(), Error> {
        let (deleted, undecided) = self
            .as_owner(&device.identity, Operation::DeleteMailbox, |mut service, proof| {
                let request = v1::DeleteMailboxRequest { proof: Some(proof) };
                async move { service.delete_mailbox(request).await }
            })
            .await;
        settled(deleted, undecided, Reason::MailboxUnknown)
    }

    /// All that the relay holds on the device's mailbox.
    ///
    /// # Errors
    /// Reasons `MAILBOX_UNKNOWN`, `PROOF_…`, and those of the connection.
    pub async fn describe_mailbox(&self, device: &Device) -> Result<MailboxDescription, Error> {
        let (described, _) = self
            .as_owner(&device.identity, Operation::DescribeMailbox, |mut service, proof| {
                let request = v1::DescribeMailboxRequest { proof: Some(proof) };
                async move { service.describe_mailbox(request).await }
            })
            .await;
        described.map(MailboxDescription::from)
    }
}

impl From<v1::DescribeMailboxResponse> for MailboxDescription {
    fn from(answer: v1::DescribeMailboxResponse) -> Self {
        let ends = |grant: &v1::DeliveryKeyGrant| (grant.expires_hour != 0).then_some(Hour(grant.expires_hour));
        Self {
            delivery_keys: answer.delivery_keys.iter().map(ends).collect(),
            has_card: !answer.card.is_empty(),
            last_sequence: answer.last_sequence,
            queued_messages: answer.queued_messages,
            queued_bytes: answer.queued_bytes,
            generation: answer.generation,
            last_seen: Hour(answer.last_seen_hour),
            reclaimed: Hour(answer.reclaimed_hour),
        }
    }
}

/// A refusal that says that it is done already is a success, if an earlier try may have done it.
fn settled<T>(answer: Result<T, Error>, undecided: bool, done_already: Reason) -> Result<(), Error> {
    match answer {
        Err(error) if undecided && error.reason() == Some(done_already) => Ok(()),
        answer => answer.map(|_| ()),
    }
}

fn grants(device: &Device) -> Vec<v1::DeliveryKeyGrant> {
    let address = device.address();
    let grant = |grant: &crate::DeliveryGrant| v1::DeliveryKeyGrant {
        hash: copied(grant.key.hash(&address).as_bytes()),
        expires_hour: grant.expires.map_or(0, |hour| hour.0),
    };
    device.delivery_keys.iter().map(grant).collect()
}
