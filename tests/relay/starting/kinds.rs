//! What stands in the URL is not what is there.

use sealpost::config::{DurabilitySetting, Settings};
use sealpost_testkit::{RedisCluster, RedisSentinel, RedisServer, RedisSettings, eventually};

use super::{as_it_is, refuses, start};
use crate::cluster::PATIENCE;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_is_no_cluster_and_no_sentinel() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    let at = format!("127.0.0.1:{}", redis.port());
    refuses(&format!("redis+cluster://{at}"), as_it_is, &["store.url", "write redis://"]).await;
    refuses(&format!("redis+sentinel://{at}/sealpost"), as_it_is, &["store.url", "write redis://"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_is_no_server_alone() {
    let redis = RedisCluster::spawn(RedisSettings::default()).await;
    for node in [0, 3] {
        let at = format!("127.0.0.1:{}", redis.node(node).port());
        refuses(&format!("redis://{at}"), as_it_is, &["store.url", "write redis+cluster://"]).await;
        refuses(&format!("redis+sentinel://{at}/sealpost"), as_it_is, &["store.url", "no Sentinel"]).await;
        start(&format!("redis+cluster://{at}"), as_it_is).await.expect("any node knows all of them");
    }
    let replicas =
        |count| move |settings: &mut Settings| settings.store.durability = Some(DurabilitySetting::Replicas(count));
    refuses(&redis.url(), replicas(2), &["store.durability", "connect more replicas"]).await;
    start(&redis.url(), replicas(1)).await.expect("each primary has one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sentinel_is_no_server_and_knows_its_services() {
    let redis = RedisSentinel::spawn(RedisSettings::default()).await;
    let at = format!("127.0.0.1:{}", redis.sentinel(0).port());
    refuses(&format!("redis://{at}"), as_it_is, &["store.url", "write redis+sentinel://"]).await;
    refuses(&format!("redis+cluster://{at}"), as_it_is, &["store.url", "write redis+sentinel://"]).await;
    refuses(&format!("redis+sentinel://{at}/mail"), as_it_is, &["store.url", "sentinel monitor"]).await;
    start(&format!("redis+sentinel://{at}/sealpost"), as_it_is).await.expect("one Sentinel is enough to ask");
    let replica = format!("redis://127.0.0.1:{}", redis.server(1).port());
    refuses(&replica, as_it_is, &["store.url", "name its primary"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_replicas_as_are_promised_must_be_there() {
    let primary = RedisServer::spawn(RedisSettings::default()).await;
    let replicas =
        |count| move |settings: &mut Settings| settings.store.durability = Some(DurabilitySetting::Replicas(count));
    let words = ["store.durability", "connect more replicas"];
    refuses(&primary.url(), replicas(2), &words).await;
    let of = format!("127.0.0.1 {}", primary.port());
    let _replica = RedisServer::spawn(RedisSettings::default().with("replicaof", &of)).await;
    eventually("it follows", PATIENCE, async || {
        let role = primary.command(&["ROLE"]).await.ok()?;
        (role.items().get(2)?.items().len() == 1).then_some(())
    })
    .await;
    refuses(&primary.url(), replicas(2), &words).await;
    start(&primary.url(), replicas(1)).await.expect("there is one");
}
