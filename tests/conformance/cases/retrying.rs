//! Sending what may have been sent before.

use sealpost::store::{Append, AppendError, Event, QueueLimits};

use crate::fixture::Fixture;
use crate::scene::{Scene, address, key, sequence};

fn again(message: &Append) -> Append {
    Append { retried: true, ..message.clone() }
}

pub(crate) async fn a_retry_gets_the_first_answer_and_tells_nobody<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    let first = scene.message(10);
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(1)));
    let second = scene.message(10);
    assert_eq!(scene.try_send(second.clone()).await, Ok(sequence(2)));
    for _ in 0..2 {
        assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(1)));
        assert_eq!(scene.try_send(again(&second)).await, Ok(sequence(2)));
    }
    assert_eq!(scene.queued().await, (2, 20));
    let stored = |number, Append { envelope, journey, .. }: Append| Event::Stored {
        sequence: sequence(number),
        envelope,
        journey,
    };
    assert_eq!(scene.told().await, [stored(1, first), stored(2, second)]);
    assert_eq!(scene.send(10).await, 3);
}

pub(crate) async fn a_retry_succeeds_in_a_full_mailbox<F: Fixture>() {
    let scene = Scene::<F>::with(QueueLimits { max_messages: 1, ..QueueLimits::default() }).await;
    let first = scene.message(10);
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(1)));
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(1)));
    assert_eq!(scene.try_send(again(&scene.message(10))).await, Err(AppendError::Full));
    assert_eq!(scene.try_send(Append { key: key(9), ..again(&first) }).await, Err(AppendError::Refused));
}

pub(crate) async fn a_retry_that_was_never_queued_is_queued<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    let message = again(&scene.message(10));
    assert_eq!(scene.try_send(message.clone()).await, Ok(sequence(1)));
    let Append { envelope, journey, .. } = message;
    assert_eq!(scene.told().await, [Event::Stored { sequence: sequence(1), envelope, journey }]);
}

pub(crate) async fn a_retry_looks_only_so_far_back<F: Fixture>() {
    let scene = Scene::<F>::with(QueueLimits { retry_window: 20, ..QueueLimits::default() }).await;
    let first = scene.message(10);
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(1)));
    for _ in 0..19 {
        scene.send(10).await;
    }
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(1)), "it is the twentieth from the end");
    scene.send(10).await;
    scene.acknowledge(&[(11, 10)]).await;
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(1)), "what was acknowledged does not count");
    scene.send(10).await;
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(23)), "it is too far back");
}

pub(crate) async fn a_retry_of_what_was_acknowledged_is_queued<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let first = scene.message(10);
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(1)));
    scene.acknowledge(&[(1, 10)]).await;
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(2)));
}

pub(crate) async fn a_message_id_means_nothing_across_mailboxes<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.make(address(2), key(2)).await;
    let first = scene.message(10);
    scene.send(10).await;
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(2)));
    let elsewhere = Append { to: address(2), key: key(2), ..again(&first) };
    assert_eq!(scene.try_send(elsewhere).await, Ok(sequence(1)));
}

pub(crate) async fn without_retry_the_same_id_is_queued_again<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let first = scene.message(10);
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(1)));
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(2)));
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(2)), "the latest is found first");
}

pub(crate) async fn a_retry_is_known_after_a_restart<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    let first = scene.message(10);
    assert_eq!(scene.try_send(first.clone()).await, Ok(sequence(1)));
    scene.fixture.crash().await;
    assert_eq!(scene.try_send(again(&first)).await, Ok(sequence(1)));
    assert_eq!(scene.queued().await, (1, 10));
}
