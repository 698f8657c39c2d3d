//! Forgetting envelopes.

use sealpost::store::{Grant, Incarnation, NewMailbox, SessionAcknowledgement, SessionOutcome};

use crate::fixture::Fixture;
use crate::scene::{Scene, sequence, session};

pub(crate) async fn acknowledged_envelopes_are_gone<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for _ in 0..4 {
        scene.send(100).await;
    }
    scene.open(1).await;
    scene.acknowledge(&[(1, 100), (3, 100)]).await;
    assert_eq!(scene.waiting(1).await, [2, 4]);
}

pub(crate) async fn acknowledging_twice_or_for_nothing_changes_nothing<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for _ in 0..3 {
        scene.send(100).await;
    }
    scene.acknowledge(&[(2, 100)]).await;
    scene.acknowledge(&[(2, 100)]).await;
    scene.acknowledge(&[(2, 100), (7, 100)]).await;
    scene.acknowledge(&[]).await;
    scene.store().acknowledge(&[]).await.expect("the store works");
    assert_eq!(scene.queued().await, (2, 200));
    scene.acknowledge(&[(1, 100), (3, 100)]).await;
    scene.acknowledge(&[(1, 100), (3, 100)]).await;
    assert_eq!(scene.queued().await, (0, 0));
    assert_eq!(scene.send(50).await, 4);
    assert_eq!(scene.queued().await, (1, 50));
}

pub(crate) async fn bytes_are_accounted_exactly<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for size in [10, 1000, 10, 65_536, 33] {
        scene.send(size).await;
    }
    assert_eq!(scene.queued().await, (5, 66_589));
    scene.acknowledge(&[(1, 10), (2, 1000), (4, 65_536)]).await;
    assert_eq!(scene.queued().await, (2, 43));
    scene.open(1).await;
    let rest = SessionAcknowledgement {
        address: scene.address,
        session: session(1),
        up_to: sequence(3),
        sequences: vec![sequence(5), sequence(5), sequence(9)],
    };
    assert_eq!(scene.store().acknowledge_by_session(rest).await, Ok(SessionOutcome::Acknowledged));
    assert_eq!(scene.queued().await, (0, 0));
}

pub(crate) async fn a_session_acknowledges_a_range_and_single_ones<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for _ in 0..8 {
        scene.send(10).await;
    }
    scene.open(1).await;
    let done = SessionAcknowledgement {
        address: scene.address,
        session: session(1),
        up_to: sequence(3),
        sequences: vec![sequence(7), sequence(5)],
    };
    for _ in 0..2 {
        assert_eq!(scene.store().acknowledge_by_session(done.clone()).await, Ok(SessionOutcome::Acknowledged));
        assert_eq!(scene.waiting(1).await, [4, 6, 8]);
    }
}

pub(crate) async fn a_session_that_ended_acknowledges_nothing<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    let by = |number| SessionAcknowledgement {
        address: scene.address,
        session: session(number),
        up_to: sequence(1),
        sequences: Vec::new(),
    };
    let store = scene.store();
    assert_eq!(store.acknowledge_by_session(by(1)).await, Ok(SessionOutcome::SessionEnded));
    scene.open(1).await;
    scene.open(2).await;
    assert_eq!(store.acknowledge_by_session(by(1)).await, Ok(SessionOutcome::SessionEnded));
    assert_eq!(scene.waiting(2).await, [1]);
    assert_eq!(store.acknowledge_by_session(by(2)).await, Ok(SessionOutcome::Acknowledged));
    assert_eq!(scene.waiting(2).await, [0; 0]);
}

pub(crate) async fn a_late_acknowledgement_for_a_deleted_mailbox_is_ignored<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.store().delete(scene.address).await.expect("the store works");
    scene.acknowledge(&[(1, 10)]).await;
    assert_eq!(scene.store().describe(scene.address).await, Ok(None));
    scene.make(scene.address, scene.key).await;
    assert_eq!(scene.queued().await, (0, 0));
}

pub(crate) async fn p2_a_late_acknowledgement_does_not_reach_a_mailbox_made_anew<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.store().delete(scene.address).await.expect("the store works");
    let incarnation = Incarnation([2; 8]);
    let grants = vec![Grant { key: scene.key, expires: None }];
    let new = NewMailbox { address: scene.address, incarnation, grants, card: Default::default() };
    scene.store().create(new).await.expect("the store works");
    assert_eq!(scene.open(1).await.incarnation, incarnation);
    assert_eq!(scene.send(10).await, 1);
    // It was for the first envelope of the mailbox that is gone.
    scene.acknowledge(&[(1, 10)]).await;
    assert_eq!(scene.waiting(1).await, [1]);
}
