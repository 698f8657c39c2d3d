//! Redis has no memory left, and drops nothing.

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_testkit::{RedisServer, eventually};

use crate::cluster::{Cluster, PATIENCE};
use crate::owner::Owner;
use crate::stream::Stream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_owners_make_room_in_a_store_that_is_full() {
    let cluster = Cluster::redis(1).await;
    let redis = cluster.redis.as_ref().unwrap();
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    for number in 1..=100 {
        senders.send(owner.send_sized(number, 65536)).await.unwrap();
    }
    // A third of it has to go.
    redis.config_set("maxmemory", &(memory_used(redis).await - 100 * 65536 / 3).to_string()).await;

    // P8: nobody learns from it which mailboxes there are.
    let wrong_key = v1::SendRequest { delivery_key: vec![1; 32].into(), ..owner.send(101) };
    let mut refusals = Vec::new();
    for send in [owner.send(101), wrong_key, Owner::new().send(101)] {
        let status = senders.send(send).await.unwrap_err();
        let failure = Failure::from_status(&status).unwrap();
        assert_eq!(failure.reason, Reason::StoreUnavailable);
        assert!(failure.retry_after.is_some_and(|after| !after.is_zero()));
        refusals.push((status.code(), status.message().to_owned(), failure.reason, failure.field));
    }
    assert_eq!(refusals[1], refusals[2]);

    let mut stream = Stream::open_with(&mut owners, &[&owner], 1000, 16 << 20).await.expect("it opens all the same");
    assert_eq!(stream.until_caught_up().await, (1..=100).map(|number| (0, number, number)).collect::<Vec<_>>());
    stream.acknowledge(100);
    eventually("there is room again", PATIENCE, async || senders.send(owner.send(101)).await.ok()).await;
    assert_eq!(stream.take(1).await, [(0, 101, 101)]);

    // As an operator makes room.
    redis.config_set("maxmemory", "1").await;
    senders.send(owner.send(102)).await.unwrap_err();
    redis.config_set("maxmemory", "0").await;
    senders.send(owner.send(102)).await.unwrap();
    assert_eq!(stream.take(1).await, [(0, 102, 102)]);
}

async fn memory_used(redis: &RedisServer) -> u64 {
    let info = redis.command(&["INFO", "memory"]).await.unwrap().text();
    info.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok()).unwrap()
}
