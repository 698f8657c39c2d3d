//! Pages.

use crate::fixture::Fixture;
use crate::scene::{Scene, numbers, sequence};

pub(crate) async fn pages_end_at_the_limit_of_messages<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for _ in 0..7 {
        scene.send(10).await;
    }
    scene.open(1).await;
    let page = scene.page(1, 0, 3, u64::MAX).await;
    assert_eq!((numbers(&page), page.end), (vec![1, 2, 3], None));
    let page = scene.page(1, 3, 3, u64::MAX).await;
    assert_eq!((numbers(&page), page.end), (vec![4, 5, 6], None));
    let page = scene.page(1, 6, 3, u64::MAX).await;
    assert_eq!((numbers(&page), page.end), (vec![7], Some(sequence(7))));
    let page = scene.page(1, 2, 1, u64::MAX).await;
    assert_eq!((numbers(&page), page.end), (vec![3], None), "any place can be read from");
}

pub(crate) async fn pages_end_at_the_limit_of_bytes<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for size in [100, 100, 300, 50] {
        scene.send(size).await;
    }
    scene.open(1).await;
    let page = scene.page(1, 0, 10, 200).await;
    assert_eq!((numbers(&page), page.end), (vec![1, 2], None));
    let page = scene.page(1, 0, 10, 499).await;
    assert_eq!((numbers(&page), page.end), (vec![1, 2], None), "none is left out for a smaller one after it");
    let page = scene.page(1, 2, 10, 350).await;
    assert_eq!((numbers(&page), page.end), (vec![3, 4], Some(sequence(4))));
}

pub(crate) async fn an_envelope_that_does_not_fit_is_left<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.send(100).await;
    scene.open(1).await;
    let page = scene.page(1, 0, 10, 99).await;
    assert_eq!((numbers(&page), page.end), (vec![], None));
    let page = scene.page(1, 0, 10, 100).await;
    assert_eq!((numbers(&page), page.end), (vec![1], Some(sequence(1))));
}

pub(crate) async fn the_end_is_said_when_these_were_all<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    scene.open(1).await;
    assert_eq!(scene.page(1, 0, 10, 1000).await.end, Some(sequence(0)), "an empty mailbox has an end");
    for _ in 0..4 {
        scene.send(10).await;
    }
    assert_eq!(scene.page(1, 0, 3, 1000).await.end, None);
    assert_eq!(scene.page(1, 0, 4, 1000).await.end, Some(sequence(4)), "also when a limit is reached with the last");
    assert_eq!(scene.page(1, 0, 10, 40).await.end, Some(sequence(4)));
    assert_eq!(scene.page(1, 4, 1, 1).await.end, Some(sequence(4)));
    assert_eq!(scene.page(1, 9, 1, 1).await.end, Some(sequence(4)));
    scene.acknowledge(&[(3, 10), (4, 10)]).await;
    assert_eq!(scene.page(1, 0, 2, 1000).await.end, Some(sequence(4)), "it is the last that was given, not kept");
    scene.acknowledge(&[(1, 10), (2, 10)]).await;
    assert_eq!(scene.page(1, 0, 2, 1000).await.end, Some(sequence(4)));
}

pub(crate) async fn a_gap_is_no_obstacle<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    for _ in 0..9 {
        scene.send(10).await;
    }
    scene.open(1).await;
    scene.acknowledge(&[(1, 10), (4, 10), (5, 10), (9, 10)]).await;
    let page = scene.page(1, 0, 3, 1000).await;
    assert_eq!((numbers(&page), page.end), (vec![2, 3, 6], None));
    let page = scene.page(1, 6, 3, 1000).await;
    assert_eq!((numbers(&page), page.end), (vec![7, 8], Some(sequence(9))));
}

pub(crate) async fn a_large_backlog_is_read_whole<F: Fixture>() {
    const ALL: u64 = 1200;
    let scene = Scene::<F>::new().await;
    let batch = (0..ALL).map(|_| scene.message(64)).collect();
    assert!(scene.store().append(batch).await.iter().all(Result::is_ok));
    scene.open(1).await;
    assert_eq!(scene.waiting(1).await, (1..=ALL).collect::<Vec<_>>());
    let mut read = Vec::new();
    loop {
        let page = scene.page(1, read.last().copied().unwrap_or(0), 100, 64 * 77).await;
        read.extend(numbers(&page));
        if let Some(end) = page.end {
            assert_eq!(end, sequence(ALL));
            break;
        }
        assert!(!page.entries.is_empty());
    }
    assert_eq!(read, (1..=ALL).collect::<Vec<_>>());
}
