//! One node of a Cluster is in trouble, and the others are not.

use sealpost::config::DurabilitySetting;
use sealpost_testkit::{Cut, RedisCluster, RedisServer, RedisSettings, eventually};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::cluster::{Cluster, PATIENCE};
use crate::owner::Owner;
use crate::stream::Stream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trouble_at_one_node_is_seen_and_stays_there() {
    // No replica may end the trouble.
    let redis = RedisCluster::spawn(RedisSettings::default().with("cluster-replica-no-failover", "yes")).await;
    let relays = Cluster::over_with(redis.url(), DurabilitySetting::Memory, 1, |settings| {
        settings.store.timeout_ms = Some(1000);
    })
    .await;
    p2_only_mailboxes_of_a_node_whose_wake_path_was_cut_are_read_again(&redis, &relays).await;
    health_is_true_to_every_node(&redis, &relays).await;
}

async fn p2_only_mailboxes_of_a_node_whose_wake_path_was_cut_are_read_again(redis: &RedisCluster, relays: &Cluster) {
    let (mut owners, mut senders) = (relays.owners(0).await, relays.senders(0).await);
    let mut open = Vec::new();
    for index in 0..3 {
        let owner = loop {
            let owner = Owner::new();
            if redis.owner_of(owner.slot()).await == index {
                break owner;
            }
        };
        owners.create_mailbox(owner.creation()).await.unwrap();
        let mut stream = Stream::open(&mut owners, &owner).await;
        stream.until_caught_up().await;
        open.push((owner, stream));
    }
    let mut before = Vec::new();
    for index in 0..3 {
        before.push(scripts_called(redis.node(index)).await);
    }
    assert!(redis.node(0).cut(Cut::Pubsub).await > 0);
    eventually("the mailbox at the node is read again", PATIENCE, async || {
        (scripts_called(redis.node(0)).await > before[0]).then_some(())
    })
    .await;
    for (owner, stream) in &mut open {
        senders.send(owner.send(1)).await.unwrap();
        assert_eq!(stream.take(1).await, [(0, 1, 1)]);
    }
    for (index, before) in before.into_iter().enumerate().skip(1) {
        let called = scripts_called(redis.node(index)).await - before;
        assert_eq!(called, 1, "an envelope was sent to node {index}, and nothing read from it");
    }
}

/// How often a server was asked to run a script.
async fn scripts_called(server: &RedisServer) -> u64 {
    let info = server.command(&["INFO", "commandstats"]).await.unwrap().text();
    let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or(0)
}

async fn health_is_true_to_every_node(redis: &RedisCluster, relays: &Cluster) {
    let admin = format!("http://{}", relays.relay(0).admin_address());
    let channel = tonic::transport::Endpoint::from_shared(admin).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let mut becomes = async |wanted: i32| {
        eventually("health follows the nodes", PATIENCE, async || {
            let status = health.check(HealthCheckRequest::default()).await.ok()?.into_inner().status;
            (status == wanted).then_some(())
        })
        .await;
    };
    becomes(1).await;
    // Commands get through to it, but nothing that is published.
    redis.node(1).command(&["ACL", "SETUSER", "default", "resetchannels"]).await.unwrap();
    becomes(2).await;
    redis.node(1).command(&["ACL", "SETUSER", "default", "allchannels"]).await.unwrap();
    becomes(1).await;
    // Nothing gets through.
    redis.pause(2);
    becomes(2).await;
    redis.resume(2);
    becomes(1).await;
}
