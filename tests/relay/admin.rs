//! Probes, health and version, as orchestrators ask for them.

use std::time::Duration;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::operator::{Operator, serving};

const SERVICES: [&str; 3] = ["", "sealpost.v1.DeliveryService", "sealpost.v1.MailboxService"];

fn operator(cluster: &Cluster) -> Operator {
    Operator::of(cluster.relay(0).admin_address())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_works_says_so_everywhere() {
    let cluster = Cluster::embedded().await;
    let operator = operator(&cluster);
    operator.sees_failing(&[]).await;
    for path in ["/livez", "/startupz", "/readyz"] {
        assert_eq!(operator.status(path).await, 200, "{path}");
    }
    assert_eq!(operator.status("/elsewhere").await, 404);
    let (_, lines) = operator.get("/readyz", "*/*").await;
    let names: Vec<_> = lines.lines().map(|line| line.strip_prefix("ok    ").expect("it holds")).collect();
    assert_eq!(names, ["started", "store", "wake path", "staying"]);
    let mut health = operator.health().await;
    for service in SERVICES {
        assert_eq!(serving(&mut health, service).await, Some(1), "{service}");
    }
    assert_eq!(serving(&mut health, "sealpost.v1.NoService").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_says_what_was_compiled() {
    let cluster = Cluster::embedded().await;
    let (status, body) = operator(&cluster).get("/version", "*/*").await;
    assert_eq!(status, 200);
    let version: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["rustc"].as_str().unwrap().starts_with("rustc 1."), "{version}");
    assert!(version.as_object().unwrap().contains_key("commit"), "{version}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_redis_within_seconds_and_life_does_not() {
    let mut cluster = Cluster::redis(1).await;
    let operator = operator(&cluster);
    let mut health = operator.health().await;
    operator.sees_failing(&[]).await;

    cluster.redis.as_mut().unwrap().kill();
    let noticed = operator.sees_failing(&["store", "wake path"]);
    tokio::time::timeout(Duration::from_secs(8), noticed).await.expect("within a few seconds");
    let (status, lines) = operator.get("/readyz", "*/*").await;
    assert_eq!(status, 503);
    assert!(lines.contains("fail  store: the store "), "{lines}");
    for service in SERVICES {
        assert_eq!(serving(&mut health, service).await, Some(2), "{service}");
    }
    assert_eq!(operator.status("/livez").await, 200, "nobody is to restart it");
    assert_eq!(operator.status("/startupz").await, 200, "it has started once");

    cluster.redis.as_mut().unwrap().restart().await;
    operator.sees_failing(&[]).await;
    for service in SERVICES {
        assert_eq!(serving(&mut health, service).await, Some(1), "{service}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wake_path_that_stays_cut_is_told_apart_from_the_store() {
    let cluster = Cluster::redis_with(1, |settings| settings.store.timeout_ms = Some(1000)).await;
    let redis = cluster.redis.as_ref().unwrap();
    let operator = operator(&cluster);
    operator.sees_failing(&[]).await;
    // Commands get through, but nothing that is published.
    redis.command(&["ACL", "SETUSER", "default", "resetchannels"]).await.unwrap();
    operator.sees_failing(&["wake path"]).await;
    redis.command(&["ACL", "SETUSER", "default", "allchannels"]).await.unwrap();
    operator.sees_failing(&[]).await;
}
