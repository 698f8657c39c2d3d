//! A replica takes a primary's place while mailboxes are open.

use std::time::Duration;

use sealpost::config::DurabilitySetting;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_testkit::{AppendOnly, RedisCluster, RedisSentinel, RedisSettings, eventually};

use crate::cluster::{Cluster, PATIENCE};
use crate::loyal::{self, Loyal};
use crate::owner::Owner;

/// Less than the relay waits for a store that is silent.
const ANSWER: Duration = Duration::from_millis(500);
const KEPT: DurabilitySetting = DurabilitySetting::Replicas(1);

fn settings() -> RedisSettings {
    RedisSettings { append_only: AppendOnly::EverySec, ..RedisSettings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_what_was_accepted_outlives_a_failover_by_sentinel() {
    let mut redis = RedisSentinel::spawn(settings()).await;
    let relays = Cluster::over_with(redis.url(), KEPT, 2, |settings| settings.store.timeout_ms = None).await;
    let owner = Owner::with_mailbox(&mut relays.owners(0).await).await;
    let mut senders = relays.senders(0).await;
    let mut loyal = Loyal::new(relays.owners(1).await, &owner).await;
    for number in 1..=20 {
        loyal::send(&mut senders, &owner, number).await;
    }
    loyal.until(10).await;

    let primary = redis.primary().await;
    redis.kill(primary);
    for number in 21..=40 {
        loyal::send(&mut senders, &owner, number).await;
    }
    loyal.until(40).await;
    assert!(loyal.ends > 0, "numbers may be given again after a failover, so the stream ends");
}

/// Two servers take themselves for the primary for a moment. The old one does what waited in its sockets, and tells who
/// still listens there, with numbers that are other envelopes' by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_what_a_replaced_primary_says_late_is_not_heard() {
    let redis = RedisSentinel::spawn(settings()).await;
    // Longer than a failover takes, so that no connection to the old primary is given up before.
    let relays = Cluster::over_with(redis.url(), KEPT, 1, |settings| settings.store.timeout_ms = Some(10_000)).await;
    let mut owners = relays.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let other = Owner::with_mailbox(&mut owners).await;
    let mut senders = relays.senders(0).await;
    let mut loyal = Loyal::new(relays.owners(0).await, &owner).await;
    loyal::send(&mut senders, &owner, 1).await;
    loyal.until(1).await;

    let primary = redis.primary().await;
    redis.pause(primary);
    let sends = (0..).zip(3..=6).map(|(tag, number)| v1::TaggedSend { tag, send: Some(owner.send(number)) });
    let late = v1::SendStreamRequest { sends: sends.collect() };
    let mut late = senders.clone().send_stream(tokio_stream::iter([late])).await.expect("it opens").into_inner();
    // The old primary owes an answer to a subscription as well, so that the relay's connection for these stays.
    let opening = loyal::open(&mut owners, &other);
    let replacing = async {
        redis.await_failover(primary).await;
        eventually("the relay turns to the new primary", PATIENCE, async || {
            let mut owners = relays.owners(0).await;
            let made = owners.create_mailbox(Owner::new().creation());
            tokio::time::timeout(ANSWER, made).await.ok()?.ok()
        })
        .await;
        loyal::send(&mut senders, &owner, 2).await;
        loyal.until(2).await;

        redis.resume(primary);
        let results = late.message().await.expect("no error").expect("an answer").results;
        let refused = results.iter().any(|result| result.refusal.is_some());
        for number in if refused { 3 } else { 7 }..=10 {
            loyal::send(&mut senders, &owner, number).await;
        }
        loyal.until(10).await;
    };
    tokio::join!(opening, replacing);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_nothing_is_accepted_that_no_replica_has() {
    let redis = RedisSentinel::spawn(settings()).await;
    let relays = Cluster::over_with(redis.url(), KEPT, 1, |settings| settings.store.timeout_ms = None).await;
    let owner = Owner::with_mailbox(&mut relays.owners(0).await).await;
    let mut senders = relays.senders(0).await;
    let primary = redis.primary().await;
    let replicas = (0..3).filter(|server| *server != primary);
    replicas.clone().for_each(|replica| redis.pause(replica));
    let refused = senders.send(owner.send(1)).await.expect_err("nobody else has it");
    assert_eq!(Failure::from_status(&refused).expect("a typed status").reason, Reason::StoreUnavailable);
    replicas.for_each(|replica| redis.resume(replica));
    loyal::send(&mut senders, &owner, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_what_was_accepted_outlives_a_failover_in_a_cluster() {
    let mut redis = RedisCluster::spawn(settings()).await;
    let relays = Cluster::over_with(redis.url(), KEPT, 2, |settings| settings.store.timeout_ms = None).await;
    let mut owners = relays.owners(0).await;
    let struck = Owner::with_mailbox(&mut owners).await;
    let primary = redis.owner_of(struck.slot()).await;
    let spared = loop {
        let owner = Owner::with_mailbox(&mut owners).await;
        if redis.owner_of(owner.slot()).await != primary {
            break owner;
        }
    };
    let mut senders = relays.senders(0).await;
    let mut loyal = Loyal::new(relays.owners(1).await, &struck).await;
    let mut neighbour = Loyal::new(relays.owners(1).await, &spared).await;
    for number in 1..=20 {
        loyal::send(&mut senders, &struck, number).await;
        loyal::send(&mut senders, &spared, number).await;
    }
    loyal.until(10).await;
    neighbour.until(20).await;

    redis.kill(primary);
    redis.await_failover(primary).await;
    // Nobody copies the new primary until the old one is back.
    redis.restart(primary).await;
    for number in 21..=40 {
        loyal::send(&mut senders, &struck, number).await;
        loyal::send(&mut senders, &spared, number).await;
    }
    loyal.until(40).await;
    neighbour.until(40).await;
    assert!(loyal.ends > 0, "numbers may be given again after a failover, so the stream ends");
    assert_eq!(neighbour.ends, 0, "at the other nodes nothing was lost");
}
