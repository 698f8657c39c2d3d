//! Sentinel, as the kit starts it.
#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::time::Duration;

use sealpost_testkit::{AppendOnly, RedisSentinel, RedisSettings, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_replica_takes_the_place_of_a_killed_primary_with_its_data() {
    let mut redis = RedisSentinel::spawn(RedisSettings::default()).await;
    let first = redis.primary().await;
    assert_eq!(first, 0);
    write(&redis, first, "before", &[1, 2]).await;
    redis.kill(first);
    let second = redis.await_failover(first).await;
    assert_eq!(redis.primary().await, second);
    assert_eq!(read(&redis, second).await, "before");
    write(&redis, second, "after", &[3 - second]).await;
    redis.restart(first).await;
    redis.await_whole().await;
    assert_eq!(redis.primary().await, second);
    assert_eq!(read(&redis, first).await, "after");
}

#[tokio::test]
async fn a_paused_primary_is_replaced_although_a_sentinel_is_dead() {
    let settings = RedisSettings {
        append_only: AppendOnly::Always,
        password: Some("secret".to_owned()),
        ..RedisSettings::default()
    };
    let mut redis = RedisSentinel::spawn(settings).await;
    let url = redis.url();
    assert!(url.starts_with("redis+sentinel://:secret@127.0.0.1:") && url.ends_with("/sealpost"), "{url}");
    redis.kill_sentinel(0);
    let first = redis.primary().await;
    redis.pause(first);
    let second = redis.await_failover(first).await;
    redis.resume(first);
    redis.restart_sentinel(0).await;
    redis.await_whole().await;
    assert_eq!(redis.primary().await, second);
}

#[tokio::test]
async fn a_replica_copies_everything_again() {
    let mut redis = RedisSentinel::spawn(RedisSettings::default()).await;
    let primary = redis.primary().await;
    assert_eq!(primary, 0);
    write(&redis, primary, "value", &[1, 2]).await;
    let replica = redis.resync_replica().await;
    assert_ne!(replica, primary);
    assert_eq!(read(&redis, replica).await, "value");
    redis.await_whole().await;
    assert_eq!(redis.primary().await, primary);
}

/// Writes, and waits until it is read at these servers too.
async fn write(redis: &RedisSentinel, index: usize, value: &str, replicas: &[usize]) {
    redis.server(index).command(&["SET", "key", value]).await.unwrap();
    for replica in replicas {
        eventually("the replica has it", PATIENCE, async || (read(redis, *replica).await == value).then_some(())).await;
    }
}

async fn read(redis: &RedisSentinel, index: usize) -> String {
    redis.server(index).command(&["GET", "key"]).await.unwrap().text()
}
