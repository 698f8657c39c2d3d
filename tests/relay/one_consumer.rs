//! P5: the newest stream of a mailbox wins, on whichever relay.

use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_response::Kind as Said;

use crate::cluster::Cluster;
use crate::owner::Owner;
use crate::stream::Stream;
use crate::{over_both_stores, over_two_relays};

over_both_stores!(p5_a_second_stream_displaces_the_first, p5_deleting_ends_the_stream);
over_two_relays!(p5_the_newest_wins_across_relays, p5_two_that_open_at_once_leave_exactly_one_alive);

async fn p5_a_second_stream_displaces_the_first(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut first = Stream::open(&mut owners, &owner).await;
    first.until_caught_up().await;
    let mut second = Stream::open(&mut owners, &owner).await;
    second.until_caught_up().await;
    first.ends_with(Reason::Displaced).await;
    cluster.senders(0).await.send(owner.send(1)).await.unwrap();
    assert_eq!(second.take(1).await, [(0, 1, 1)]);
}

async fn p5_deleting_ends_the_stream(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let stream = Stream::open(&mut owners, &owner).await;
    let proof = Some(owner.proof(Operation::DeleteMailbox));
    owners.delete_mailbox(v1::DeleteMailboxRequest { proof }).await.unwrap();
    stream.ends_with(Reason::MailboxDeleted).await;
}

pub(crate) async fn p5_the_newest_wins_across_relays(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let first = Stream::open(&mut cluster.owners(0).await, &owner).await;
    let mut second = Stream::open(&mut cluster.owners(1).await, &owner).await;
    second.until_caught_up().await;
    let closing = first.closing().await;
    assert_eq!((Reason::try_from(closing.reason), closing.retry_after_ms), (Ok(Reason::Displaced), 0));
    cluster.senders(0).await.send(owner.send(1)).await.unwrap();
    assert_eq!(second.take(1).await, [(0, 1, 1)]);
}

pub(crate) async fn p5_two_that_open_at_once_leave_exactly_one_alive(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let (mut left_owners, mut right_owners) = (cluster.owners(0).await, cluster.owners(1).await);
    let mut senders = cluster.senders(0).await;
    for round in 1..=100 {
        let (left, right) =
            tokio::join!(Stream::open(&mut left_owners, &owner), Stream::open(&mut right_owners, &owner));
        let (mut left, mut right) = (left, right);
        let survivor = tokio::select! {
            () = displaced(&mut left) => &mut right,
            () = displaced(&mut right) => &mut left,
        };
        // It is alive: what is sent now reaches it, and it has not ended before.
        senders.send(owner.send(round)).await.unwrap();
        let mut latest = 0;
        while latest < round {
            let (_, sequence, number) = *survivor.take(1).await.last().unwrap();
            survivor.acknowledge(sequence);
            latest = number;
        }
    }
}

/// Waits until a stream has been displaced.
async fn displaced(stream: &mut Stream) {
    loop {
        match stream.next().await.unwrap().unwrap() {
            Said::Deliveries(_) | Said::CaughtUp(_) => {}
            Said::Closing(closing) => {
                assert_eq!(Reason::try_from(closing.reason), Ok(Reason::Displaced));
                return;
            }
            other => panic!("not expected: {other:?}"),
        }
    }
}
