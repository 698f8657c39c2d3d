//! What a store tells, and to whom.

use sealpost::store::{Append, AppendError, Event, QueueLimits, SessionAcknowledgement, SessionOutcome};

use crate::fixture::Fixture;
use crate::scene::{Scene, address, key, sequence, session};

fn stored(number: u64, message: &Append) -> Event {
    Event::Stored { sequence: sequence(number), envelope: message.envelope.clone(), journey: message.journey.clone() }
}

pub(crate) async fn events_come_in_order_and_whole<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    let messages: Vec<_> = (0..20).map(|number| scene.message(20 + number)).collect();
    let typing = Append { ephemeral: true, ..scene.message(30) };
    let mut expected = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        expected.push(stored(number as u64 + 1, message));
    }
    assert!(scene.store().append(messages).await.iter().all(Result::is_ok));
    assert_eq!(scene.try_send(typing.clone()).await, Ok(sequence(0)));
    expected.push(Event::Ephemeral { envelope: typing.envelope, journey: typing.journey });
    let generation = scene.open(1).await.generation;
    expected.push(Event::Opened { generation });
    let large = scene.message(65_536);
    assert_eq!(scene.try_send(large.clone()).await, Ok(sequence(21)));
    expected.push(stored(21, &large));
    scene.acknowledge(&[(1, 20)]).await;
    assert_eq!(scene.told().await, expected, "acknowledging at the stream's own relay is no event");
}

pub(crate) async fn nobody_hears_of_a_mailbox_that_is_not_watched<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.make(address(2), key(2)).await;
    scene.send(10).await;
    scene.watch().await;
    let other = Append { to: address(2), key: key(2), ..scene.message(10) };
    scene.try_send(other.clone()).await.expect("it is accepted");
    let second = scene.message(10);
    assert_eq!(scene.try_send(second.clone()).await, Ok(sequence(2)));
    assert_eq!(scene.told().await, [stored(2, &second)], "what was before the watch is not told");

    scene.store().watch(address(2)).await.expect("the store works");
    scene.try_send(other.clone()).await.expect("it is accepted");
    assert_eq!(scene.recording().next(&address(2)).await, stored(2, &other));
}

pub(crate) async fn watches_are_counted<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    scene.watch().await;
    scene.store().unwatch(scene.address);
    let first = scene.message(10);
    scene.try_send(first.clone()).await.expect("it is accepted");
    assert_eq!(scene.recording().next(&scene.address).await, stored(1, &first));
    scene.store().unwatch(scene.address);
    scene.watch().await;
    let second = scene.message(10);
    scene.try_send(second.clone()).await.expect("it is accepted");
    assert_eq!(scene.recording().next(&scene.address).await, stored(2, &second));
}

pub(crate) async fn refusals_are_silent<F: Fixture>() {
    let scene = Scene::<F>::with(QueueLimits { max_messages: 1, ..QueueLimits::default() }).await;
    scene.watch().await;
    let first = scene.message(10);
    scene.try_send(first.clone()).await.expect("it is accepted");
    assert_eq!(scene.try_send(scene.message(10)).await, Err(AppendError::Full));
    assert_eq!(scene.try_send(Append { key: key(9), ..scene.message(10) }).await, Err(AppendError::Refused));
    let typing = Append { key: key(9), ephemeral: true, ..scene.message(10) };
    assert_eq!(scene.try_send(typing).await, Err(AppendError::Refused));
    assert_eq!(scene.told().await, [stored(1, &first)]);
}

pub(crate) async fn acknowledgements_by_session_are_told<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.send(10).await;
    scene.open(1).await;
    scene.watch().await;
    let by = |number| SessionAcknowledgement {
        address: scene.address,
        session: session(number),
        up_to: sequence(1),
        sequences: vec![sequence(2), sequence(8)],
    };
    assert_eq!(scene.store().acknowledge_by_session(by(2)).await, Ok(SessionOutcome::SessionEnded));
    assert_eq!(scene.store().acknowledge_by_session(by(1)).await, Ok(SessionOutcome::Acknowledged));
    let told = Event::Acknowledged { up_to: sequence(1), sequences: vec![sequence(2), sequence(8)] };
    assert_eq!(scene.told().await, [told]);
}

pub(crate) async fn deleting_is_told_once<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.watch().await;
    assert_eq!(scene.store().delete(scene.address).await, Ok(true));
    assert_eq!(scene.store().delete(scene.address).await, Ok(false));
    scene.make(scene.address, scene.key).await;
    assert_eq!(scene.told().await, [Event::Deleted]);
}
