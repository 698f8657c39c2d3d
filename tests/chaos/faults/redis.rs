//! Redis dies, falls silent, forgets who listens, or has no room; a replica starts anew.

use std::time::Duration;

use sealpost_testkit::{Cut, eventually};

use super::over;
use crate::PATIENCE;
use crate::run::{Run, rounds};
use crate::store::{Store, Topology};

over!(
    standalone:
    a_primary_is_killed, a_primary_is_silent_for_a_while, the_wake_path_is_cut, there_is_no_memory_left,
);
over!(
    sentinel:
    a_primary_is_killed, a_primary_is_silent_for_a_while, the_wake_path_is_cut, there_is_no_memory_left,
    a_replica_copies_everything,
);
over!(
    cluster:
    a_primary_is_killed, a_primary_is_silent_for_a_while, the_wake_path_is_cut, there_is_no_memory_left,
    a_replica_copies_everything,
);

async fn a_primary_is_killed(topology: Topology) {
    let mut run = Run::begin("primary killed", topology).await;
    run.fails_over();
    for round in 0..rounds() {
        let primary = next(&run.store, round).await;
        run.round(format!("server {primary}, a primary, is killed"));
        run.store.kill(primary);
        run.refusals(10).await;
        run.store.failed_over(primary).await;
        run.note("the server is started again");
        run.store.restart(primary).await;
        run.store.whole().await;
        run.healed().await;
    }
    run.end().await;
}

/// For long enough to be replaced, where there is a replica; then there are two for a moment that take themselves for the primary.
async fn a_primary_is_silent_for_a_while(topology: Topology) {
    let mut run = Run::begin("primary paused 5 s", topology).await;
    run.fails_over();
    for round in 0..rounds() {
        let primary = next(&run.store, round).await;
        run.round(format!("server {primary}, a primary, is paused"));
        run.store.server(primary).pause();
        // This is the fault, no waiting for anything.
        tokio::time::sleep(Duration::from_secs(5)).await;
        run.store.failed_over(primary).await;
        run.note("the server goes on");
        run.store.server(primary).resume();
        run.store.whole().await;
        run.healed().await;
    }
    run.end().await;
}

async fn the_wake_path_is_cut(topology: Topology) {
    let mut run = Run::begin("subscribers cut", topology).await;
    for _ in 0..rounds() {
        run.round("connections that subscribe are cut");
        let mut cut = 0;
        for primary in run.store.primaries().await {
            cut += run.store.server(primary).cut(Cut::Pubsub).await;
        }
        assert!(cut >= 2, "each relay has at least one, but {cut} were cut");
        run.healed().await;
    }
    run.end().await;
}

async fn there_is_no_memory_left(topology: Topology) {
    let mut run = Run::begin("out of memory", topology).await;
    for _ in 0..rounds() {
        run.note("owners acknowledge nothing");
        run.traffic.let_owners_acknowledge(false);
        run.piled_up(100).await;
        run.round("Redis may use no memory");
        set_max_memory(&run.store, "1").await;
        run.refusals(50).await;
        run.note("owners acknowledge");
        run.traffic.let_owners_acknowledge(true);
        // All is taken out, although nothing can be put in.
        assert!(run.settles().await, "owners do not get what waits for them");
        eventually("every queue is empty", PATIENCE, async || queues_are_empty(&run.store).await.then_some(())).await;
        run.note("Redis may use all memory");
        set_max_memory(&run.store, "0").await;
        run.healed().await;
    }
    run.end().await;
}

async fn a_replica_copies_everything(topology: Topology) {
    let mut run = Run::begin("replica resyncs", topology).await;
    for round in 0..rounds() {
        let primary = next(&run.store, round).await;
        let replica = run.store.replica_of(primary).await;
        let before = full_copies(&run.store, primary).await;
        run.round(format!("server {replica}, a replica, is killed"));
        run.store.kill(replica);
        run.note("the server is started again");
        run.store.restart(replica).await;
        run.store.whole().await;
        assert!(full_copies(&run.store, primary).await > before, "the replica has copied only what it had missed");
        run.healed().await;
    }
    run.end().await;
}

/// A primary; all of them in turn.
async fn next(store: &Store, round: usize) -> usize {
    let primaries = store.primaries().await;
    primaries[round % primaries.len()]
}

async fn set_max_memory(store: &Store, bytes: &str) {
    for primary in store.primaries().await {
        store.server(primary).config_set("maxmemory", bytes).await;
    }
}

async fn queues_are_empty(store: &Store) -> bool {
    for primary in store.primaries().await {
        let queues = store.server(primary).command(&["KEYS", "q:*"]).await.expect("the keys of all queues");
        if !queues.items().is_empty() {
            return false;
        }
    }
    true
}

/// How often a primary was copied as a whole.
async fn full_copies(store: &Store, primary: usize) -> u64 {
    let info = store.server(primary).command(&["INFO", "stats"]).await.expect("the server's statistics").text();
    info.lines().find_map(|line| line.strip_prefix("sync_full:")).and_then(|many| many.parse().ok()).expect("a number")
}
