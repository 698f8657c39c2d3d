//! A user of Redis who may do what a relay needs, and nothing that it does not.

use std::time::Duration;

use futures_util::future::join_all;
use sealpost::config::{DurabilityCheck, DurabilitySetting, Settings};
use sealpost::server::Relay;
use sealpost_core::{Operation, VoucherId};
use sealpost_proto::v1;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_response::Kind as Said;
use sealpost_testkit::{Cut, RedisCluster, RedisSentinel, RedisServer, RedisSettings, Reply, eventually};
use tonic::Status;
use tonic::transport::Endpoint;

use super::{SECRET, refuses, start};
use crate::cluster::PATIENCE;
use crate::owner::{Owner, now};
use crate::stream::Stream;

/// Whatever Redis is.
const ALWAYS: &str = "~m:{* ~q:{* ~c:{* ~n:{* ~v:{* &w:{* &x:{* \
    +info +ping +script|load +evalsha +ssubscribe +sunsubscribe +spublish \
    +del +exists +expireat +get +hdel +hget +hgetall +hincrby +hkeys +hmget +hset +sadd +set \
    +xadd +xdel +xlen +xrange +xrevrange";
/// With `store.durability = "fsync"`.
const FSYNC: &str = "+config|get";
/// With `store.durability = "replicas:N"`.
const REPLICAS: &str = "+wait";
/// With a database in `store.url`.
const DATABASE: &str = "+select";
/// With `redis+cluster://`.
const CLUSTER: &str = "+asking +cluster|info +cluster|slots";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_with_fsync_needs_exactly_these() {
    let redis = RedisServer::spawn(RedisSettings::default().with("acllog-max-len", "10000")).await;
    let at = |user: &str| format!("redis://{user}:{SECRET}@127.0.0.1:{}", redis.port());
    let permissions: Vec<&str> = ALWAYS.split_whitespace().chain([FSYNC]).collect();
    // It asks for what must be set, and goes on although it is not: that is faster here.
    let fsync = |settings: &mut Settings| {
        settings.store.durability = Some(DurabilitySetting::Fsync);
        settings.store.durability_check = Some(DurabilityCheck::Warn);
    };

    permit(&redis, "relay", &permissions).await;
    redis.command(&["CONFIG", "RESETSTAT"]).await.unwrap();
    let relay = start(&at("relay"), fsync).await.expect("it may do all that it needs");
    everything(&relay).await.expect("it may do all that it needs");
    // What it does in passing, and when something seems wrong.
    redis.cut(Cut::Normal).await;
    eventually("it has connected again", PATIENCE, async || relay.store().check().await.ok()).await;
    for command in ["ping", "sunsubscribe"] {
        eventually("it did that", PATIENCE, async || {
            let info = redis.command(&["INFO", "commandstats"]).await.ok()?.text();
            info.contains(&format!("cmdstat_{command}:")).then_some(())
        })
        .await;
    }
    assert_eq!(denied(&redis, "relay").await, [""; 0]);
    drop(relay);

    let database = format!("{}/2", at("relay"));
    refuses(&database, fsync, &["store.url", "ACL LOG"]).await;
    redis.command(&["ACL", "SETUSER", "relay", DATABASE]).await.unwrap();
    start(&database, fsync).await.expect("it may do all that it needs");

    // One user for each, as some things are only done now and then.
    join_all(permissions.iter().enumerate().map(async |(number, missing)| {
        let user = format!("relay{number}");
        let fewer: Vec<&str> = permissions.iter().filter(|it| *it != missing).copied().collect();
        permit(&redis, &user, &fewer).await;
        let relay = start(&at(&user), fsync).await;
        if let Ok(relay) = &relay {
            let _ = tokio::time::timeout(Duration::from_secs(5), everything(relay)).await;
        }
        eventually(missing, PATIENCE, async || (!denied(&redis, &user).await.is_empty()).then_some(())).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_and_sentinels_need_one_more_each() {
    let redis = RedisSentinel::spawn(RedisSettings::default()).await;
    let url = redis.url().replace("://", &format!("://relay:{SECRET}@"));
    let replicas = |settings: &mut Settings| {
        settings.store.durability = Some(DurabilitySetting::Replicas(1));
    };
    for index in 0..3 {
        let permissions: Vec<&str> = ALWAYS.split_whitespace().chain([REPLICAS]).collect();
        permit(redis.server(index), "relay", &permissions).await;
        // There, the relay is `default`.
        let user = ["ACL", "SETUSER", "default", "resetkeys", "resetchannels", "-@all", "+sentinel|master"];
        redis.sentinel(index).command(&user).await.unwrap();
    }
    let relay = start(&url, replicas).await.expect("it may do all that it needs");
    everything(&relay).await.expect("it may do all that it needs");
    for index in 0..3 {
        assert_eq!(denied(redis.server(index), "relay").await, [""; 0]);
    }
    drop(relay);
    for index in 0..3 {
        permit(redis.server(index), "relay", &ALWAYS.split_whitespace().collect::<Vec<_>>()).await;
    }
    let relay = start(&url, replicas).await.expect("it is needed only when something is written");
    let refused = tokio::time::timeout(PATIENCE, everything(&relay)).await.expect("in time");
    assert_eq!(refused.unwrap_err().code(), tonic::Code::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_needs_three_more() {
    let redis = RedisCluster::spawn(RedisSettings::default()).await;
    let url = redis.url().replace("://", &format!("://relay:{SECRET}@"));
    let permissions: Vec<&str> = ALWAYS.split_whitespace().chain(CLUSTER.split_whitespace()).collect();
    let memory = |settings: &mut Settings| settings.store.durability = Some(DurabilitySetting::Memory);
    permit_all(&redis, &permissions).await;
    let relay = start(&url, memory).await.expect("it may do all that it needs");
    everything(&relay).await.expect("it may do all that it needs");
    while_moving(&redis, &relay).await.expect("it may do all that it needs");
    assert_eq!(denied_at_all(&redis).await, [""; 0]);
    drop(relay);

    for missing in CLUSTER.split_whitespace() {
        let fewer: Vec<&str> = permissions.iter().filter(|it| **it != missing).copied().collect();
        permit_all(&redis, &fewer).await;
        let relay = start(&url, memory).await;
        if let Ok(relay) = &relay {
            let _ = while_moving(&redis, relay).await;
        }
        eventually(missing, PATIENCE, async || (!denied_at_all(&redis).await.is_empty()).then_some(())).await;
    }
}

/// Makes a user who may do this and nothing else.
async fn permit(redis: &RedisServer, user: &str, permissions: &[&str]) {
    let password = format!(">{SECRET}");
    let order = [&["ACL", "SETUSER", user, "reset", "on", &password], permissions].concat();
    redis.command(&order).await.expect("a user");
}

async fn permit_all(redis: &RedisCluster, permissions: &[&str]) {
    for index in 0..6 {
        permit(redis.node(index), "relay", permissions).await;
        redis.node(index).command(&["ACL", "LOG", "RESET"]).await.unwrap();
    }
}

/// What a user wanted to do in vain.
async fn denied(redis: &RedisServer, user: &str) -> Vec<String> {
    let log = redis.command(&["ACL", "LOG", "10000"]).await.unwrap();
    let field = |entry: &Reply, name: &str| {
        let pair = entry.items().chunks_exact(2).find(|pair| pair[0].text() == name);
        pair.map(|pair| pair[1].text())
    };
    let of_user = log.items().iter().filter(|entry| field(entry, "username").as_deref() == Some(user));
    of_user.filter_map(|entry| field(entry, "object")).collect()
}

async fn denied_at_all(redis: &RedisCluster) -> Vec<String> {
    let mut all = Vec::new();
    for index in 0..6 {
        all.extend(denied(redis.node(index), "relay").await);
    }
    all
}

/// Has a relay do everything that it can.
async fn everything(relay: &Relay) -> Result<(), Status> {
    let (mut owners, mut senders) = clients(relay).await;
    let owner = Owner::new();
    owners.create_mailbox(owner.creation()).await?;
    let grants = v1::DeliveryKeyGrants { grants: vec![owner.grant()] };
    for card in [vec![8; 100], vec![]] {
        let proof = Some(owner.proof(Operation::UpdateMailbox));
        let change = v1::UpdateMailboxRequest { proof, delivery_keys: Some(grants.clone()), card: Some(card.into()) };
        owners.update_mailbox(change).await?;
        let card = v1::FetchCardRequest {
            address: owner.address().as_bytes().to_vec().into(),
            delivery_key: owner.key.as_bytes().to_vec().into(),
        };
        senders.fetch_card(card).await?;
    }
    let send = owner.send(1);
    senders.send(send.clone()).await?;
    senders.send(v1::SendRequest { attempt: 1, ..send }).await?;
    senders.send(v1::SendRequest { ephemeral: true, ..owner.send(2) }).await?;
    owner.describe(&mut owners).await?;
    relay.store().inspect(owner.address(), 10).await.map_err(|error| Status::unavailable(error.to_string()))?;
    let ends = sealpost_core::Hour(now().hour().0 + 1);
    let redeemed = relay.store().redeem_voucher(VoucherId::generate(&mut rand::rng()), ends, owner.address()).await;
    redeemed.map_err(|error| Status::unavailable(error.to_string()))?;

    let mut stream = Stream::open_with(&mut owners, &[&owner], 10, 1 << 20).await?;
    while !matches!(stream.next().await?, Some(Said::CaughtUp(_))) {}
    stream.acknowledge(1);
    senders.send(owner.send(2)).await?;
    while !matches!(stream.next().await?, Some(Said::Deliveries(_))) {}
    let acknowledgement = v1::AcknowledgeRequest {
        address: owner.address().as_bytes().to_vec().into(),
        session: stream.opened.mailboxes[0].session.clone(),
        up_to: 2,
        sequences: vec![],
    };
    owners.acknowledge(acknowledgement).await?;
    let proof = Some(owner.proof(Operation::DeleteMailbox));
    owners.delete_mailbox(v1::DeleteMailboxRequest { proof }).await?;
    relay.store().check().await.map_err(|error| Status::unavailable(error.to_string()))
}

/// Has it send to a mailbox that is at another node already than its slot.
async fn while_moving(redis: &RedisCluster, relay: &Relay) -> Result<(), Status> {
    let (mut owners, mut senders) = clients(relay).await;
    let owner = Owner::new();
    owners.create_mailbox(owner.creation()).await?;
    // Redis asks for patience with a mailbox that has no queue, until the slot has moved.
    senders.send(owner.send(1)).await?;
    let home = redis.owner_of(owner.slot()).await;
    let migration = redis.begin_migration(&[owner.slot()], (home + 1) % 3).await;
    redis.move_keys(&migration, usize::MAX).await;
    let sent = senders.send(owner.send(2)).await;
    redis.finish_migration(migration).await;
    sent.map(drop)
}

async fn clients(
    relay: &Relay,
) -> (MailboxServiceClient<tonic::transport::Channel>, DeliveryServiceClient<tonic::transport::Channel>) {
    let at = Endpoint::from_shared(format!("http://{}", relay.address())).unwrap();
    let (one, other) = (at.connect().await.unwrap(), at.connect().await.unwrap());
    (MailboxServiceClient::new(one), DeliveryServiceClient::new(other))
}
