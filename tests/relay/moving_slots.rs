//! Slots of a Cluster move while mailboxes in them are open.

use sealpost::config::DurabilitySetting;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_testkit::{AppendOnly, RedisCluster, RedisSettings};
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::loyal::{self, Loyal};
use crate::owner::Owner;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p3_a_stream_goes_on_while_its_slot_moves() {
    let settings = RedisSettings { append_only: AppendOnly::Always, ..RedisSettings::default() };
    let mut redis = RedisCluster::spawn(settings).await;
    let relays = Cluster::over(redis.url(), DurabilitySetting::Fsync, 2).await;
    let owner = Owner::with_mailbox(&mut relays.owners(0).await).await;
    let mut senders = relays.senders(0).await;
    let mut loyal = Loyal::new(relays.owners(1).await, &owner).await;
    let home = redis.owner_of(owner.slot()).await;
    let mut number = sent(&mut senders, &owner, 0).await;
    loyal.until(number).await;

    // To another node and back.
    for to in [(home + 1) % 3, home] {
        let migration = redis.begin_migration(&[owner.slot()], to).await;
        number = sent(&mut senders, &owner, number).await;
        loyal.until(number).await;
        // The mailbox is there now, though its slot is not.
        redis.move_keys(&migration, usize::MAX).await;
        number = sent(&mut senders, &owner, number).await;
        // Nobody hears of those before the slot is there too.
        redis.finish_migration(migration).await;
        loyal.until(number).await;
        number = sent(&mut senders, &owner, number).await;
        loyal.until(number).await;
    }
    assert_eq!(loyal.ends, 0, "nothing was lost, so no stream ends");

    // To a node that nobody knew, and that goes again.
    let added = redis.add_node().await;
    let ((), last) = tokio::join!(redis.migrate_slot(owner.slot(), added), sent(&mut senders, &owner, number));
    number = last;
    loyal.until(number).await;
    redis.remove_node(added).await;
    number = sent(&mut senders, &owner, number).await;
    loyal.until(number).await;
    assert!(loyal.ends <= 1, "the stream ended {} times", loyal.ends);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "what is sent meanwhile is published where nobody listens yet, and comes only when the slot has moved"]
async fn p2_a_stream_goes_on_while_its_slot_is_half_moved() {
    let redis = RedisCluster::spawn(RedisSettings::default()).await;
    let relays = Cluster::over(redis.url(), DurabilitySetting::Memory, 1).await;
    let owner = Owner::with_mailbox(&mut relays.owners(0).await).await;
    let mut senders = relays.senders(0).await;
    let mut loyal = Loyal::new(relays.owners(0).await, &owner).await;
    loyal::send(&mut senders, &owner, 1).await;
    loyal.until(1).await;
    let home = redis.owner_of(owner.slot()).await;
    let migration = redis.begin_migration(&[owner.slot()], (home + 1) % 3).await;
    redis.move_keys(&migration, usize::MAX).await;
    loyal::send(&mut senders, &owner, 2).await;
    loyal.until(2).await;
}

/// Sends ten more; the number of the last one.
async fn sent(senders: &mut DeliveryServiceClient<Channel>, owner: &Owner, before: u64) -> u64 {
    for number in before + 1..=before + 10 {
        loyal::send(senders, owner, number).await;
    }
    before + 10
}
