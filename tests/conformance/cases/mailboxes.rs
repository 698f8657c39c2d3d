//! Making, changing, describing and deleting mailboxes.

use std::sync::Arc;

use bytes::Bytes;
use sealpost::store::{
    Append, AppendError, Creation, Description, Event, Generation, Grant, MailboxChange, NewMailbox, Read,
    SessionAcknowledgement, SessionOutcome, Store, StoreError,
};
use sealpost_core::{Address, Hour, Sequence};

use crate::fixture::Fixture;
use crate::scene::{FIRST, Scene, address, journey, key, sequence, session};

pub(crate) async fn making_one_again_changes_nothing<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    let before = scene.describe().await;
    scene.pass_hours(1);
    let again = NewMailbox {
        address: scene.address,
        incarnation: FIRST,
        grants: Vec::new(),
        card: Bytes::from_static(b"other"),
    };
    assert_eq!(scene.store().create(again).await, Ok(Creation::Exists));
    assert_eq!(scene.describe().await, before);
}

pub(crate) async fn an_unknown_mailbox_is_none_everywhere<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let (store, nobody) = (scene.store(), address(9));
    assert_eq!(store.describe(nobody).await, Ok(None));
    assert_eq!(store.inspect(nobody, 5).await, Ok(None));
    assert_eq!(store.update(nobody, MailboxChange::default()).await, Ok(false));
    assert_eq!(store.delete(nobody).await, Ok(false));
    assert_eq!(store.open(nobody, session(1)).await, Ok(None));
    let scene = Scene { address: nobody, ..scene };
    assert_eq!(scene.try_read(1, 0, 10, 100).await, Read::Ended);
    let acknowledgement =
        SessionAcknowledgement { address: nobody, session: session(1), up_to: sequence(1), sequences: Vec::new() };
    assert_eq!(store.acknowledge_by_session(acknowledgement).await, Ok(SessionOutcome::SessionEnded));
    assert_eq!(store.describe(nobody).await, Ok(None), "none of this made one");
}

pub(crate) async fn describe_is_complete<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let made = scene.hour();
    let there = address(2);
    let grants = vec![Grant { key: key(8), expires: None }, Grant { key: key(3), expires: Some(Hour(made.0 + 100)) }];
    let card = Bytes::from_static(b"a card");
    let new = NewMailbox { address: there, incarnation: FIRST, grants: grants.clone(), card: card.clone() };
    assert_eq!(scene.store().create(new).await, Ok(Creation::Created));
    let scene = Scene { address: there, key: key(8), ..scene };
    let reclaimed = |seen: Hour| seen.saturating_add(365 * 24 + 1);
    let mut expected = Description {
        grants: vec![grants[1], grants[0]],
        card,
        last: Sequence::NONE,
        queued_messages: 0,
        queued_bytes: 0,
        generation: Generation(0),
        last_seen: made,
        reclaimed: reclaimed(made),
    };
    assert_eq!(scene.describe().await, expected);

    scene.pass_hours(3);
    scene.send(100).await;
    scene.send(200).await;
    scene.open(1).await;
    scene.open(2).await;
    scene.acknowledge(&[(1, 100)]).await;
    expected.last = sequence(2);
    (expected.queued_messages, expected.queued_bytes) = (1, 200);
    expected.generation = Generation(2);
    expected.last_seen = Hour(made.0 + 3);
    expected.reclaimed = reclaimed(expected.last_seen);
    assert_eq!(scene.describe().await, expected);
}

pub(crate) async fn inspect_shows_the_first_entries<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for _ in 0..5 {
        scene.send(10).await;
    }
    scene.open(1).await;
    scene.acknowledge(&[(2, 10)]).await;
    let all = scene.page(1, 0, 100, 1000).await.entries;
    for count in [0, 1, 3, 4, 100] {
        let inspection =
            scene.store().inspect(scene.address, count).await.expect("the store works").expect("a mailbox");
        assert_eq!(inspection.description, scene.describe().await);
        assert_eq!(inspection.entries, all[..all.len().min(count as usize)]);
    }
}

pub(crate) async fn a_change_leaves_the_rest<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let store = scene.store();
    let first = Bytes::from_static(b"first");
    let change = MailboxChange { grants: None, card: Some(first.clone()) };
    assert_eq!(store.update(scene.address, change).await, Ok(true));
    let grants = vec![Grant { key: key(5), expires: None }];
    let change = MailboxChange { grants: Some(grants.clone()), card: None };
    assert_eq!(store.update(scene.address, change).await, Ok(true));
    let description = scene.describe().await;
    assert_eq!((description.grants, description.card), (grants.clone(), first));
    let change = MailboxChange { grants: None, card: Some(Bytes::new()) };
    assert_eq!(store.update(scene.address, change).await, Ok(true));
    let description = scene.describe().await;
    assert_eq!((description.grants, description.card), (grants, Bytes::new()));
}

pub(crate) async fn a_card_is_for_the_holders_of_a_key<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let store = scene.store();
    assert_eq!(store.card(scene.address, scene.key).await, Ok(Some(Bytes::new())));
    let card = Bytes::from(vec![9; 5000]);
    let change = MailboxChange { grants: None, card: Some(card.clone()) };
    assert_eq!(store.update(scene.address, change).await, Ok(true));
    assert_eq!(store.card(scene.address, scene.key).await, Ok(Some(card)));
    assert_eq!(store.card(scene.address, key(2)).await, Ok(None));
}

pub(crate) async fn deleting_ends_everything<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.open(1).await;
    scene.watch().await;
    let store = scene.store();
    assert_eq!(store.delete(scene.address).await, Ok(true));
    assert_eq!(scene.recording().next(&scene.address).await, Event::Deleted);
    assert_eq!(store.delete(scene.address).await, Ok(false));
    assert_eq!(store.describe(scene.address).await, Ok(None));
    assert_eq!(store.card(scene.address, scene.key).await, Ok(None));
    assert_eq!(scene.try_read(1, 0, 10, 100).await, Read::Ended);
    assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Refused));
    assert_eq!(scene.try_send(Append { ephemeral: true, ..scene.message(10) }).await, Err(AppendError::Refused));
    assert_eq!(store.open(scene.address, session(2)).await, Ok(None));
}

pub(crate) async fn one_made_anew_starts_clean<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.send(10).await;
    scene.open(1).await;
    let change = MailboxChange { grants: None, card: Some(Bytes::from_static(b"old")) };
    assert_eq!(scene.store().update(scene.address, change).await, Ok(true));
    assert_eq!(scene.store().delete(scene.address).await, Ok(true));
    scene.make(scene.address, key(7)).await;

    assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Refused), "the old key is gone");
    assert_eq!(scene.try_read(1, 0, 10, 100).await, Read::Ended, "the old session is gone");
    let description = scene.describe().await;
    assert_eq!((description.last, description.queued_messages, description.queued_bytes), (Sequence::NONE, 0, 0));
    assert_eq!((description.generation, description.card), (Generation(0), Bytes::new()));
    let scene = Scene { key: key(7), ..scene };
    assert_eq!(scene.open(1).await.generation, Generation(1));
    assert_eq!(scene.send(30).await, 1);
    assert_eq!(scene.waiting(1).await, [1], "the old queue is gone");
}

pub(crate) async fn mailboxes_do_not_touch_each_other<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.make(address(0), key(2)).await;
    scene.make(address(2), key(2)).await;
    for _ in 0..3 {
        scene.send(10).await;
        for other in [0, 2] {
            let message = Append { to: address(other), key: key(2), ..scene.message(20) };
            scene.try_send(message).await.expect("it is accepted");
        }
    }
    assert_eq!(scene.store().delete(address(0)).await, Ok(true));
    let rest = SessionAcknowledgement {
        address: address(2),
        session: session(2),
        up_to: sequence(u64::from(u32::MAX)),
        sequences: Vec::new(),
    };
    assert!(matches!(scene.store().open(address(2), session(2)).await, Ok(Some(_))));
    assert_eq!(scene.store().acknowledge_by_session(rest).await, Ok(SessionOutcome::Acknowledged));
    scene.open(1).await;
    assert_eq!(scene.waiting(1).await, [1, 2, 3]);
    assert_eq!(scene.queued().await, (3, 30));
}

pub(crate) async fn an_unreadable_entry_is_an_error<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.open(1).await;
    scene.fixture.spoil(scene.address).await;
    let request = sealpost::store::ReadRequest {
        address: scene.address,
        session: session(1),
        epoch: sealpost::store::Epoch(0),
        after: Sequence::NONE,
        max_messages: 10,
        max_bytes: 1000,
    };
    assert!(matches!(scene.store().read(request).await, Err(StoreError::Corrupt(_))));
    assert!(matches!(scene.store().inspect(scene.address, 5).await, Err(StoreError::Corrupt(_))));
    assert_eq!(scene.store().check().await, Ok(()), "the store as a whole works on");
    assert_eq!(scene.store().delete(scene.address).await, Ok(true), "and the mailbox can be deleted");
}

pub(crate) async fn the_store_is_healthy<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    assert_eq!(scene.store().check().await, Ok(()));
    scene.fixture.restart().await;
    assert_eq!(scene.store().check().await, Ok(()));
}

/// Makes a mailbox with session 1 and one queued entry in another store, where there is one in this.
pub(crate) async fn copy(from: &Arc<dyn Store>, to: &Arc<dyn Store>, address: Address) {
    let description = from.describe(address).await.expect("the store works").expect("there is a mailbox");
    let grants = description.grants;
    let to_key = grants[0].key;
    to.create(NewMailbox { address, incarnation: FIRST, grants, card: description.card })
        .await
        .expect("the store works");
    to.open(address, session(1)).await.expect("the store works");
    let entries = from.inspect(address, 1).await.expect("the store works").expect("there is a mailbox").entries;
    let batch = entries.into_iter().map(|entry| Append {
        to: address,
        key: to_key,
        message_id: entry.entry.message_id,
        envelope: entry.entry.envelope,
        urgency: entry.entry.urgency,
        ephemeral: false,
        retried: false,
        journey: journey(0),
    });
    assert!(to.append(batch.collect()).await.iter().all(Result::is_ok));
}
