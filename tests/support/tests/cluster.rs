//! Cluster, as the kit starts it.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::collections::BTreeSet;
use std::time::Duration;

use sealpost_testkit::{AppendOnly, RedisCluster, RedisSettings, Reply, eventually, slot_of};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_replica_takes_the_place_of_a_killed_primary_with_its_data() {
    let mut redis = RedisCluster::spawn(RedisSettings::default()).await;
    assert_eq!(redis.primaries().await, [0, 1, 2]);
    let slot = slot_of(b"key");
    let first = redis.owner_of(slot).await;
    let second = redis.replica_of(first).await;
    redis.node(first).command(&["SET", "key", "value"]).await.unwrap();
    eventually("the replica has it", PATIENCE, async || {
        (redis.node(second).command(&["DBSIZE"]).await.unwrap() == Reply::Integer(1)).then_some(())
    })
    .await;
    redis.kill(first);
    assert_eq!(redis.await_failover(first).await, second);
    assert_eq!(redis.owner_of(slot).await, second);
    assert_eq!(redis.node(second).command(&["GET", "key"]).await.unwrap().text(), "value");
    redis.restart(first).await;
    redis.await_whole().await;
    assert_eq!(redis.replica_of(second).await, first);
}

#[tokio::test]
async fn a_slot_moves_with_its_keys_and_can_be_held_half_way() {
    let settings = RedisSettings {
        append_only: AppendOnly::Always,
        password: Some("secret".to_owned()),
        ..RedisSettings::default()
    };
    let redis = RedisCluster::spawn(settings).await;
    let slot = slot_of(b"{tag}");
    let from = redis.owner_of(slot).await;
    let to = (from + 1) % 3;
    for number in 0..25 {
        redis.node(from).command(&["SET", &format!("{{tag}}{number}"), "value"]).await.unwrap();
    }
    let migration = redis.begin_migration(&[slot], to).await;
    assert_eq!(redis.move_keys(&migration, 13).await, 13);
    assert_eq!((keys(&redis, from, slot).await.len(), keys(&redis, to, slot).await.len()), (12, 13));
    let moved = keys(&redis, to, slot).await.into_iter().next().unwrap();
    let asked = redis.node(from).command(&["GET", &moved]).await.unwrap_err();
    assert_eq!(asked.to_string(), format!("ASK {slot} 127.0.0.1:{}", redis.node(to).port()));
    assert_eq!(redis.owner_of(slot).await, from);

    redis.finish_migration(migration).await;
    assert_eq!(redis.owner_of(slot).await, to);
    assert_eq!((keys(&redis, from, slot).await.len(), keys(&redis, to, slot).await.len()), (0, 25));
    let told = redis.node(from).command(&["GET", &moved]).await.unwrap_err();
    assert_eq!(told.to_string(), format!("MOVED {slot} 127.0.0.1:{}", redis.node(to).port()));
    redis.migrate_slot(slot, from).await;
    assert_eq!(keys(&redis, from, slot).await.len(), 25);
    redis.await_whole().await;
}

#[tokio::test]
async fn nodes_come_and_go() {
    let mut redis = RedisCluster::spawn(RedisSettings::default()).await;
    let added = redis.add_node().await;
    assert_eq!(redis.primaries().await, [0, 1, 2, added]);
    redis.migrate_slot(slot_of(b"key"), added).await;
    redis.node(added).command(&["SET", "key", "value"]).await.unwrap();
    redis.await_whole().await;
    redis.remove_node(4).await;
    redis.remove_node(added).await;
    redis.await_whole().await;
    assert_eq!(redis.primaries().await, [0, 1, 2]);
    assert_eq!(redis.url().split(',').count(), 5);
    let owner = redis.owner_of(slot_of(b"key")).await;
    assert_eq!(redis.node(owner).command(&["GET", "key"]).await.unwrap().text(), "value");
}

async fn keys(redis: &RedisCluster, index: usize, slot: u16) -> BTreeSet<String> {
    let keys = redis.node(index).command(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "100"]).await.unwrap();
    keys.items().iter().map(Reply::text).collect()
}
