//! What a server's settings must keep.

use sealpost::config::{DurabilityCheck, DurabilitySetting, Settings};
use sealpost_testkit::{AppendOnly, RedisServer, RedisSettings};

use super::{SECRET, as_it_is, refuses, start};

fn fsync(settings: &mut Settings) {
    settings.store.durability = Some(DurabilitySetting::Fsync);
}

fn fsync_or_warn(settings: &mut Settings) {
    fsync(settings);
    settings.store.durability_check = Some(DurabilityCheck::Warn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fsync_is_promised_only_where_redis_keeps_it() {
    let redis = RedisServer::spawn(RedisSettings { append_only: AppendOnly::EverySec, ..Default::default() }).await;
    let words = ["store.durability", "appendfsync always"];
    refuses(&redis.url(), fsync, &words).await;
    start(&redis.url(), fsync_or_warn).await.expect("it only warns");
    start(&redis.url(), as_it_is).await.expect("nothing is promised");
    redis.config_set("appendfsync", "always").await;
    start(&redis.url(), fsync).await.expect("now it keeps it");
    redis.config_set("no-appendfsync-on-rewrite", "yes").await;
    refuses(&redis.url(), fsync, &["store.durability", "no-appendfsync-on-rewrite"]).await;
    redis.config_set("no-appendfsync-on-rewrite", "no").await;
    redis.config_set("appendonly", "no").await;
    refuses(&redis.url(), fsync, &["store.durability", "appendonly yes"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_drops_data_for_want_of_memory_is_refused() {
    let redis = RedisServer::spawn(RedisSettings::default().with("maxmemory-policy", "allkeys-lru")).await;
    start(&redis.url(), as_it_is).await.expect("without a limit nothing is dropped");
    redis.config_set("maxmemory", "100mb").await;
    for policy in ["allkeys-lru", "volatile-ttl"] {
        redis.config_set("maxmemory-policy", policy).await;
        refuses(&redis.url(), as_it_is, &["maxmemory-policy", policy, "set it to noeviction"]).await;
    }
    redis.config_set("maxmemory-policy", "noeviction").await;
    start(&redis.url(), as_it_is).await.expect("nothing is dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_say_how_it_is_set_is_believed_only_on_demand() {
    let user = format!("relay on >{SECRET} ~* &* +@all -config");
    let settings = RedisSettings { append_only: AppendOnly::Always, ..Default::default() }.with("user", &user);
    let redis = RedisServer::spawn(settings).await;
    let url = format!("redis://relay:{SECRET}@127.0.0.1:{}", redis.port());
    refuses(&url, fsync, &["config|get", "store.durability_check"]).await;
    let relay = start(&url, fsync_or_warn).await.expect("it only warns");
    relay.store().check().await.expect("it works");
}
