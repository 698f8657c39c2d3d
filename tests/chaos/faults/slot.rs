//! The slot of a mailbox moves to another node of the Cluster, and back.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sealpost_testkit::slot_of;

use super::over;
use crate::run::{Run, rounds};
use crate::store::{Store, Topology};

over!(cluster: a_slot_moves);

async fn a_slot_moves(topology: Topology) {
    let mut run = Run::begin("slot moves", topology).await;
    // As docs/redis.md names a mailbox's keys.
    let address = BASE64_URL_SAFE_NO_PAD.encode(run.traffic.addresses[0].as_bytes());
    let slot = slot_of(format!("m:{{{address}}}").as_bytes());
    for _ in 0..rounds() {
        run.round(format!("slot {slot} moves"));
        let home = move_slot(&run, slot, None).await;
        run.flows().await;
        run.note("the slot moves back");
        move_slot(&run, slot, Some(home)).await;
        run.healed().await;
    }
    run.end().await;
}

/// Moves a slot to this node, or to any other one; gives the node on which it was.
async fn move_slot(run: &Run, slot: u16, to: Option<usize>) -> usize {
    let Store::Cluster(nodes) = &run.store else { panic!("only a Cluster has slots") };
    let from = nodes.owner_of(slot).await;
    let other = nodes.primaries().await.into_iter().find(|node| *node != from).expect("another primary");
    let migration = nodes.begin_migration(&[slot], to.unwrap_or(other)).await;
    // A slot with many keys takes a while; what is missing on the one node is made on the other one meanwhile.
    run.accepts(200).await;
    nodes.move_keys(&migration, 1).await;
    run.accepts(200).await;
    nodes.finish_migration(migration).await;
    from
}
