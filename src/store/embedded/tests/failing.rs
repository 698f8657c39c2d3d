//! The disk fails, the power fails, and the store goes on.

use std::io::ErrorKind;

use super::faulty::Disk;
use super::*;
use crate::store::{CheckError, Read, ReadRequest, SessionId};
use sealpost_core::Sequence;

#[tokio::test]
async fn p1_what_was_accepted_survives_a_loss_of_power() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = on(disk.clone(), Durability::Fsync, &clock, &told);
    make(&store, ADDRESS).await.expect("it is made");
    for number in 1..=20 {
        assert_eq!(send(&store, ADDRESS).await, Ok(number));
        let after = on(disk.after_power_loss(), Durability::Fsync, &clock, &told);
        let description = after.describe(ADDRESS).await.expect("it works").expect("a mailbox");
        assert_eq!((description.queued_messages, description.last.get()), (number, number));
        assert_eq!(send(&after, ADDRESS).await, Ok(number + 1));
    }
}

#[tokio::test]
async fn p1_a_failed_commit_is_answered_to_all_and_told_to_nobody() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = on(disk.clone(), Durability::Fsync, &clock, &told);
    make(&store, ADDRESS).await.expect("it is made");
    store.watch(ADDRESS).await.expect("it works");
    disk.fail(ErrorKind::StorageFull);
    let (first, second, check) = tokio::join!(send(&store, ADDRESS), send(&store, ADDRESS), store.check());
    for result in [first, second] {
        assert!(matches!(result, Err(AppendError::Store(StoreError::Unavailable(_)))));
    }
    assert!(matches!(check, Err(CheckError::Store(StoreError::Unavailable(_)))));
    assert_eq!(told.0.lock().len(), 0);
}

#[tokio::test]
async fn it_recovers_when_the_disk_does_and_says_that_something_was_missed() {
    for kind in [ErrorKind::StorageFull, ErrorKind::Other] {
        let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
        let store = on(disk.clone(), Durability::Fsync, &clock, &told);
        make(&store, ADDRESS).await.expect("it is made");
        store.watch(ADDRESS).await.expect("it works");
        assert_eq!(send(&store, ADDRESS).await, Ok(1));
        disk.fail(kind);
        for _ in 0..10 {
            assert!(send(&store, ADDRESS).await.is_err());
        }
        assert!(store.check().await.is_err());
        disk.heal();
        eventually("it works again", PATIENCE, async || store.check().await.ok()).await;
        // A commit that failed may have happened, so the number may be higher: but not one that was given.
        let next = send(&store, ADDRESS).await.expect("it is accepted");
        assert!(next >= 2);
        let description = store.describe(ADDRESS).await.expect("it works").expect("a mailbox");
        assert_eq!(description.queued_messages, next);
        let told = told.0.lock().clone();
        assert!(told.contains(&(ADDRESS, Event::Missed)));
        assert!(matches!(told.last(), Some((_, Event::Stored { sequence, .. })) if sequence.get() == next));
    }
}

#[tokio::test]
async fn streams_end_when_what_was_only_in_memory_is_lost() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = on(disk.clone(), Durability::Memory, &clock, &told);
    make(&store, ADDRESS).await.expect("it is made");
    store.watch(ADDRESS).await.expect("it works");
    store.open(ADDRESS, SessionId([1; 16])).await.expect("it works");
    let synced = disk.syncs();
    eventually("the mailbox is flushed", PATIENCE, async || (disk.syncs() > synced).then_some(())).await;
    disk.fail(ErrorKind::Other);
    assert_eq!(send(&store, ADDRESS).await, Ok(1), "memory needs no disk");
    eventually("the flush fails", PATIENCE, async || store.describe(ADDRESS).await.err()).await;
    disk.heal();
    eventually("it works again", PATIENCE, async || store.check().await.ok()).await;
    let request = ReadRequest {
        address: ADDRESS,
        session: SessionId([1; 16]),
        epoch: crate::store::Epoch(0),
        after: Sequence::NONE,
        max_messages: 1,
        max_bytes: 4096,
    };
    let read = eventually("it can be read", PATIENCE, async || store.read(request).await.ok()).await;
    assert_eq!(read, Read::Restarted, "who saw a number that is given again must start anew");
    assert!(told.0.lock().contains(&(ADDRESS, Event::Missed)));
    let opening = store.open(ADDRESS, SessionId([2; 16])).await.expect("it works").expect("a mailbox");
    assert_eq!(opening.epoch, crate::store::Epoch(1));
}

#[tokio::test]
async fn commits_are_shared() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = Arc::new(on(disk.clone(), Durability::Fsync, &clock, &told));
    make(&store, ADDRESS).await.expect("it is made");
    let before = disk.syncs();
    let senders: Vec<_> = (0..1000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { send(&store, ADDRESS).await })
        })
        .collect();
    for sender in senders {
        assert!(sender.await.expect("it is sent").is_ok());
    }
    assert!(disk.syncs() - before < 200, "{} syncs for 1000 envelopes", disk.syncs() - before);
}

#[tokio::test]
async fn ephemeral_and_refused_envelopes_cost_no_commit() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = on(disk.clone(), Durability::Fsync, &clock, &told);
    make(&store, ADDRESS).await.expect("it is made");
    let before = disk.syncs();
    assert_eq!(send(&store, Address::from_bytes([9; 32])).await, Err(AppendError::Refused));
    assert_eq!(disk.syncs(), before);
}

#[tokio::test]
async fn closing_finishes_what_was_asked_and_refuses_what_comes() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = Arc::new(on(disk.clone(), Durability::Memory, &clock, &told));
    make(&store, ADDRESS).await.expect("it is made");
    let senders: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { send(&store, ADDRESS).await })
        })
        .collect();
    tokio::task::yield_now().await;
    store.close().await;
    let closed = StoreError::Unavailable("the database is closed");
    assert_eq!(store.check().await, Err(closed.into()));
    assert_eq!(store.describe(ADDRESS).await, Err(closed));
    let mut accepted = 0;
    for sender in senders {
        accepted += u64::from(sender.await.expect("it is sent").is_ok());
    }
    // Closing brings to the disk what was accepted, at any durability.
    let again = on(disk.after_power_loss(), Durability::Memory, &clock, &told);
    let description = again.describe(ADDRESS).await.expect("it works").expect("a mailbox");
    assert_eq!(description.queued_messages, accepted);
}

#[tokio::test]
async fn dropping_the_store_finishes_too() {
    let (disk, clock, told) = (Disk::default(), Clock::standing_at(NOON), Arc::default());
    let store = on(disk.clone(), Durability::Memory, &clock, &told);
    make(&store, ADDRESS).await.expect("it is made");
    assert_eq!(send(&store, ADDRESS).await, Ok(1));
    drop(store);
    let again = on(disk.after_power_loss(), Durability::Memory, &clock, &told);
    assert_eq!(send(&again, ADDRESS).await, Ok(2));
}
