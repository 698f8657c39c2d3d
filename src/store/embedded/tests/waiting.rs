//! What waits for the writer is bounded.

use super::super::queue::Queue;
use super::*;

const MIB: usize = 1024 * 1024;

/// Asks so often for a change of that size, and says how many wait in line once nothing moves any more.
async fn in_line(queue: &Arc<Queue>, asked: usize, bytes: usize) -> usize {
    for _ in 0..asked {
        let queue = Arc::clone(queue);
        tokio::spawn(async move { queue.ask(bytes, |_| Ok(())).await });
    }
    // On this runtime each of them runs up to where it waits.
    for _ in 0..asked + 100 {
        tokio::task::yield_now().await;
    }
    let mut waiting = 0;
    loop {
        match queue.take(Instant::now()).jobs {
            jobs if jobs.is_empty() => return waiting,
            jobs => waiting += jobs.len(),
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn p10_bytes_that_wait_are_bounded() {
    assert_eq!(in_line(&Arc::new(Queue::new()), 100, MIB).await, 31);
}

#[tokio::test(flavor = "current_thread")]
async fn p10_changes_that_wait_are_bounded() {
    assert_eq!(in_line(&Arc::new(Queue::new()), 40_000, 0).await, 32 * 1024);
}

#[tokio::test(flavor = "current_thread")]
async fn a_batch_larger_than_all_room_has_its_turn() {
    assert_eq!(in_line(&Arc::new(Queue::new()), 3, 100 * MIB).await, 1);
}

#[tokio::test(flavor = "current_thread")]
async fn one_transaction_takes_only_so_much() {
    let queue = Arc::new(Queue::new());
    for _ in 0..20 {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { queue.ask(MIB, |_| Ok(())).await });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(queue.take(Instant::now()).jobs.len(), 4);
}
