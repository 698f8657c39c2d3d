//! What an owner does: proofs, wrong clocks, lost answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic"
)]

mod fake;

use fake::Fake;
use sealpost_client::{Device, Reason};

#[tokio::test]
async fn a_mailbox_lives_from_its_creation_to_its_deletion() {
    let fake = Fake::start().await;
    let (relay, device) = (fake.relay(), Device::new());
    relay.create_mailbox(&device, None).await.unwrap();
    let described = relay.describe_mailbox(&device).await.unwrap();
    assert_eq!((described.delivery_keys, described.has_card), (vec![None], true));
    let again = relay.create_mailbox(&device, None).await.unwrap_err();
    assert_eq!(again.reason(), Some(Reason::MailboxExists));
    relay.delete_mailbox(&device).await.unwrap();
    let gone = relay.describe_mailbox(&device).await.unwrap_err();
    assert_eq!(gone.reason(), Some(Reason::MailboxUnknown));
}

#[tokio::test]
async fn a_lost_answer_counts_as_success() {
    let fake = Fake::start().await;
    let device = Device::new();
    fake.faults(|faults| faults.lost_answers = 1);
    fake.relay().create_mailbox(&device, None).await.unwrap();
    fake.faults(|faults| faults.lost_answers = 1);
    fake.relay().delete_mailbox(&device).await.unwrap();
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_once_and_remembered() {
    for hours in [-30, 30] {
        let fake = Fake::start().await;
        fake.faults(|faults| faults.clock_ahead_secs = hours * 3600);
        let (relay, device) = (fake.relay(), Device::new());
        relay.create_mailbox(&device, None).await.unwrap();
        let used = fake.state().nonces.len();
        relay.describe_mailbox(&device).await.unwrap();
        assert_eq!(fake.state().nonces.len(), used + 1);
    }
}

#[tokio::test]
async fn a_replayed_proof_is_made_anew_once() {
    let fake = Fake::start().await;
    fake.faults(|faults| faults.replays = 1);
    let (relay, device) = (fake.relay(), Device::new());
    relay.create_mailbox(&device, None).await.unwrap();
    fake.faults(|faults| faults.replays = 2);
    let error = relay.describe_mailbox(&device).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ProofReplayed));
}
