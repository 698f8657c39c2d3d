//! Sending: one at a time and by stream, with everything that may go wrong on the way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic"
)]

mod fake;

use std::time::Duration;

use fake::Fake;
use sealpost_client::{
    Address, Contact, DeliveryKey, Device, Error, MessageId, Reason, Relay, RelayOptions, Sealed, SendOptions,
    SenderOptions, Timeouts, Trust, UnixTime,
};

async fn contact(fake: &Fake, device: &Device) -> Contact {
    fake.relay().accept(&device.invite(&fake.host()).unwrap()).await.unwrap()
}

fn opaque(to: &Device, number: u8) -> Sealed {
    let key = to.delivery_keys()[0].key.clone();
    Sealed::opaque(to.address(), key, MessageId::generate(&mut rand::rng()), vec![number; 1024])
}

fn stored(fake: &Fake, address: &Address) -> Vec<u8> {
    fake.state().mailboxes[address].queue.values().map(|envelope| envelope[0]).collect()
}

#[tokio::test]
async fn p1_a_lost_answer_does_not_store_twice() {
    let fake = Fake::start().await;
    let (alice, bob) = (fake.device().await, fake.device().await);
    let contact = contact(&fake, &bob).await;
    fake.faults(|faults| faults.lost_answers = 2);
    fake.relay().send(&alice, &contact, "Hello", &SendOptions::default()).await.unwrap();
    assert_eq!(fake.state().attempts, [0, 1, 2]);
    assert_eq!(fake.queued(&bob.address()), 1);
}

#[tokio::test]
async fn a_connection_that_does_not_answer_is_given_up() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    fake.faults(|faults| faults.hanging = 1);
    let timeouts = Timeouts::default().answer(Duration::from_millis(300));
    let options = RelayOptions::new(fake.host()).trust(Trust::Plaintext).timeouts(timeouts);
    Relay::connect(options).unwrap().deliver(&opaque(&bob, 1)).await.unwrap();
    assert_eq!(fake.state().senders.len(), 2);
}

#[tokio::test]
async fn p6_a_full_mailbox_is_tried_again() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    fake.faults(|faults| faults.full = 2);
    fake.relay().deliver(&opaque(&bob, 1)).await.unwrap();
    assert_eq!(fake.queued(&bob.address()), 1);
}

#[tokio::test]
async fn p6_a_mailbox_that_stays_full_is_a_typed_error() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    fake.faults(|faults| faults.full = u32::MAX);
    let timeouts = Timeouts::default().operation(Duration::from_millis(100));
    let options = RelayOptions::new(fake.host()).trust(Trust::Plaintext).timeouts(timeouts);
    let error = Relay::connect(options).unwrap().deliver(&opaque(&bob, 1)).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::MailboxFull));
    assert!(error.is_retryable());
    assert_eq!(error.retry_after(), Some(Duration::from_millis(5)));
}

#[tokio::test]
async fn p8_a_wrong_key_is_refused_at_once() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    let wrong = DeliveryKey::generate(&mut rand::rng());
    let id = MessageId::generate(&mut rand::rng());
    let sealed = Sealed::opaque(bob.address(), wrong, id, vec![0; 1024]);
    let error = fake.relay().deliver(&sealed).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::DeliveryRefused));
    assert_eq!(fake.state().attempts.len(), 1);
}

#[tokio::test]
async fn a_card_of_somebody_else_is_refused() {
    let fake = Fake::start().await;
    let (alice, bob) = (fake.device().await, fake.device().await);
    fake.state().mailboxes.get_mut(&bob.address()).unwrap().card = alice.card().to_bytes().into();
    let error = fake.relay().accept(&bob.invite(&fake.host()).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::Card(sealpost_core::CardError::WrongOwner)));
    fake.state().mailboxes.get_mut(&bob.address()).unwrap().card = Default::default();
    let error = fake.relay().accept(&bob.invite(&fake.host()).unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::NoCard));
}

#[tokio::test]
async fn a_contact_at_another_relay_is_not_asked_for_here() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    let invite = bob.invite(&"elsewhere.example".parse().unwrap()).unwrap();
    assert!(matches!(fake.relay().accept(&invite).await, Err(Error::OtherRelay)));
}

#[tokio::test]
async fn a_contact_learns_the_newer_card() {
    let fake = Fake::start().await;
    let mut bob = fake.device().await;
    let mut contact = contact(&fake, &bob).await;
    assert!(!fake.relay().refresh(&mut contact).await.unwrap());
    let issued = contact.card().issued();
    bob.rotate(&mut rand::rng(), UnixTime(issued.as_secs() + 5));
    fake.relay().update_mailbox(&bob).await.unwrap();
    assert!(fake.relay().refresh(&mut contact).await.unwrap());
    assert!(contact.card() == bob.card());
}

#[tokio::test]
async fn p3_a_stream_keeps_the_order_over_cuts() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    fake.faults(|faults| faults.cut_batches = 2);
    let sender = fake.relay().sender(SenderOptions::default().max_batch(8));
    let mut results = Vec::new();
    for number in 0..100 {
        results.push(sender.submit(opaque(&bob, number)).await.unwrap());
    }
    for result in results {
        result.await.unwrap();
    }
    assert_eq!(stored(&fake, &bob.address()), (0..100).collect::<Vec<u8>>());
}

#[tokio::test]
async fn p3_a_stream_keeps_the_order_over_refusals() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    fake.faults(|faults| faults.full = 3);
    let sender = fake.relay().sender(SenderOptions::default().max_batch(4));
    let mut results = Vec::new();
    for number in 0..20 {
        results.push((number, sender.submit(opaque(&bob, number)).await.unwrap()));
    }
    let mut accepted = Vec::new();
    for (number, result) in results {
        match result.await {
            Ok(()) => accepted.push(number),
            // Overtaken by one that was under way: refused rather than stored out of its order.
            Err(error) => assert_eq!(error.reason(), Some(Reason::MailboxFull)),
        }
    }
    assert_eq!(stored(&fake, &bob.address()), accepted);
    assert!(accepted.len() >= 17, "{accepted:?}");
}

#[tokio::test]
async fn one_mailbox_that_refuses_does_not_stop_the_others() {
    let fake = Fake::start().await;
    let (bob, carol) = (fake.device().await, fake.device().await);
    fake.state().mailboxes.get_mut(&carol.address()).unwrap().grants.clear();
    let sender = fake.relay().sender(SenderOptions::default());
    let to_carol = sender.submit(opaque(&carol, 1)).await.unwrap();
    let to_bob = sender.submit(opaque(&bob, 1)).await.unwrap();
    assert_eq!(to_carol.await.unwrap_err().reason(), Some(Reason::DeliveryRefused));
    to_bob.await.unwrap();
}

#[tokio::test]
async fn p10_a_sender_takes_no_more_than_its_limits() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    fake.faults(|faults| faults.full = u32::MAX);
    let sender = fake.relay().sender(SenderOptions::default().max_outstanding_messages(2));
    let first = sender.submit(opaque(&bob, 1)).await.unwrap();
    let _second = sender.submit(opaque(&bob, 2)).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(50), sender.submit(opaque(&bob, 3)));
    assert!(more.await.is_err(), "there is no room");
    fake.faults(|faults| faults.full = 0);
    first.await.unwrap();
    sender.submit(opaque(&bob, 3)).await.unwrap().await.unwrap();
}

#[tokio::test]
async fn a_dropped_sender_still_delivers() {
    let fake = Fake::start().await;
    let bob = fake.device().await;
    let sender = fake.relay().sender(SenderOptions::default());
    drop(sender.submit(opaque(&bob, 1)).await.unwrap());
    drop(sender);
    fake.until(|state| state.mailboxes[&bob.address()].queue.len() == 1).await;
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_unreachable() {
    let timeouts = Timeouts::default().operation(Duration::from_millis(50));
    let options = RelayOptions::from_url("http://127.0.0.1:1").unwrap().timeouts(timeouts);
    let error = Relay::connect(options).unwrap().describe_mailbox(&Device::new()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}
