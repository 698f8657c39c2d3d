//! Sessions and generations.

use futures_util::future::join_all;
use sealpost::store::{Epoch, Event, Generation, Opening, Read};
use sealpost_core::Sequence;

use crate::fixture::Fixture;
use crate::scene::{FIRST, Scene, sequence, session};

pub(crate) async fn opening_says_what_there_is<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let opening = |generation, last, queued| Opening {
        epoch: Epoch(0),
        incarnation: FIRST,
        generation: Generation(generation),
        last,
        queued,
    };
    assert_eq!(scene.open(1).await, opening(1, Sequence::NONE, 0));
    for _ in 0..3 {
        scene.send(10).await;
    }
    assert_eq!(scene.open(2).await, opening(2, sequence(3), 3));
    scene.acknowledge(&[(1, 10), (2, 10)]).await;
    assert_eq!(scene.open(3).await, opening(3, sequence(3), 1));
    scene.acknowledge(&[(3, 10)]).await;
    assert_eq!(scene.open(3).await, opening(4, sequence(3), 0));
}

pub(crate) async fn p5_opening_ends_the_older_session<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.watch().await;
    assert_eq!(scene.try_read(1, 0, 10, 100).await, Read::Ended, "nobody has opened it");
    let first = scene.open(1).await;
    assert_eq!(scene.waiting(1).await, [1]);
    let second = scene.open(2).await;
    assert!(first.generation < second.generation);
    assert_eq!(scene.try_read(1, 0, 10, 100).await, Read::Ended);
    assert_eq!(scene.waiting(2).await, [1]);
    let opened = |opening: Opening| Event::Opened { generation: opening.generation };
    assert_eq!(scene.told().await, [opened(first), opened(second)]);
}

pub(crate) async fn p5_of_many_at_once_one_remains<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.watch().await;
    let opened = join_all((0..16).map(|number| {
        let (store, address) = (scene.store(), scene.address);
        tokio::spawn(async move { (number, store.open(address, session(number)).await) })
    }));
    let mut generations: Vec<_> = opened
        .await
        .into_iter()
        .map(|opened| opened.expect("it is opened"))
        .map(|(number, opening)| (opening.expect("the store works").expect("a mailbox").generation, number))
        .collect();
    generations.sort_unstable();
    let expected: Vec<_> = (1..=16).map(Generation).collect();
    assert_eq!(generations.iter().map(|(generation, _)| *generation).collect::<Vec<_>>(), expected);
    let events: Vec<_> = expected.iter().map(|generation| Event::Opened { generation: *generation }).collect();
    assert_eq!(scene.told().await, events, "in the order in which they happened");
    let (_, newest) = generations[15];
    for number in 0..16 {
        let read = scene.try_read(number, 0, 10, 100).await;
        assert_eq!(matches!(read, Read::Page(_)), number == newest, "the newest generation has the mailbox");
    }
}

pub(crate) async fn a_session_survives_a_restart<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    scene.send(10).await;
    scene.open(1).await;
    scene.fixture.restart().await;
    assert_eq!(scene.waiting(1).await, [1]);
}

pub(crate) async fn generations_rise_over_a_restart<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    for generation in 1..4 {
        assert_eq!(scene.open(1).await.generation, Generation(generation));
        scene.fixture.restart().await;
    }
}
