//! What ends by time.

use sealpost::store::{AppendError, Creation, NewMailbox, NonceMark, QueueLimits, Read};
use sealpost_core::Hour;

use crate::fixture::Fixture;
use crate::scene::{FIRST, Scene, sequence};

const TWO_HOURS: QueueLimits =
    QueueLimits { max_messages: 2, max_bytes: 1000, message_ttl_hours: 2, idle_ttl_hours: 10, retry_window: 8 };

pub(crate) async fn expired_envelopes_are_left_out<F: Fixture>() {
    let scene = Scene::<F>::with(TWO_HOURS).await;
    scene.send(10).await;
    scene.pass_hours(1);
    scene.send(20).await;
    scene.open(1).await;
    scene.pass_hours(1);
    assert_eq!(scene.waiting(1).await, [1, 2], "two hours after its hour, an envelope is still there");
    scene.pass_hours(1);
    assert_eq!(scene.queued().await, (1, 20));
    assert_eq!(scene.waiting(1).await, [2]);
    let inspection = scene.store().inspect(scene.address, 10).await.expect("the store works").expect("a mailbox");
    assert_eq!(inspection.entries.len(), 1);
    scene.pass_hours(1);
    let page = scene.page(1, 0, 10, 1000).await;
    assert_eq!((page.entries, page.end), (Vec::new(), Some(sequence(2))));
    assert_eq!(scene.queued().await, (0, 0));
    assert_eq!(scene.send(10).await, 3);
}

pub(crate) async fn expired_envelopes_free_their_room<F: Fixture>() {
    let scene = Scene::<F>::with(TWO_HOURS).await;
    scene.send(900).await;
    scene.pass_hours(1);
    scene.send(100).await;
    assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Full));
    scene.pass_hours(2);
    assert_eq!(scene.send(900).await, 3);
    assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Full));
    assert_eq!(scene.queued().await, (2, 1000));
    scene.pass_hours(6);
    assert_eq!(scene.queued().await, (0, 0));
}

pub(crate) async fn a_mailbox_is_reclaimed_when_its_owner_stays_away<F: Fixture>() {
    if !F::ENDS_BY_CLOCK {
        return;
    }
    let scene = Scene::<F>::with(TWO_HOURS).await;
    scene.open(1).await;
    scene.send(10).await;
    let reclaimed = scene.describe().await.reclaimed;
    assert_eq!(reclaimed, scene.hour().saturating_add(11));
    scene.pass_hours(10);
    assert_eq!(scene.queued().await, (0, 0));
    scene.send(10).await;
    scene.pass_hours(1);
    let store = scene.store();
    assert_eq!(store.describe(scene.address).await, Ok(None));
    assert_eq!(store.card(scene.address, scene.key).await, Ok(None));
    assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Refused));
    assert_eq!(scene.try_read(1, 0, 1, 1000).await, Read::Ended);
    assert_eq!(store.update(scene.address, Default::default()).await, Ok(false));
    assert_eq!(store.delete(scene.address).await, Ok(false));
    let new = NewMailbox { address: scene.address, incarnation: FIRST, grants: Vec::new(), card: Default::default() };
    assert_eq!(store.create(new).await, Ok(Creation::Created));
    assert_eq!(scene.describe().await.last, sequence(0));
    assert_eq!(scene.queued().await, (0, 0));
}

pub(crate) async fn an_owner_who_comes_keeps_the_mailbox<F: Fixture>() {
    let scene = Scene::<F>::with(TWO_HOURS).await;
    for _ in 0..3 {
        scene.pass_hours(10);
        scene.open(1).await;
        assert_eq!(scene.describe().await.last_seen, scene.hour());
        scene.pass_hours(10);
        assert_eq!(scene.store().update(scene.address, Default::default()).await, Ok(true));
        let description = scene.describe().await;
        assert_eq!(description.last_seen, scene.hour());
        assert_eq!(description.reclaimed, scene.hour().saturating_add(11));
    }
    scene.pass_hours(5);
    scene.send(10).await;
    assert_eq!(scene.describe().await.last_seen, Hour(scene.hour().0 - 5), "a sender is not the owner");
}

pub(crate) async fn old_nonces_are_forgotten<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let mark = NonceMark { hour: scene.hour(), hash: [7; 16] };
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(true));
    scene.pass_hours(1);
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(false), "it is kept for the hour after its own");
    let other = NonceMark { hour: scene.hour(), hash: [7; 16] };
    assert_eq!(scene.store().remember_nonce(other).await, Ok(true), "a mark is of its hour");
}
