//! P2, P3, P4, P9: what is stored is delivered, in order, and the marker is exact.

use std::time::Duration;

use sealpost_proto::v1;
use sealpost_proto::v1::receive_response::Kind as Said;

use crate::cluster::Cluster;
use crate::owner::{Owner, number};
use crate::stream::Stream;
use crate::{over_both_stores, over_two_relays};

over_both_stores!(
    p2_what_was_not_acknowledged_comes_again,
    p3_backlog_and_live_envelopes_come_in_one_order,
    p4_caught_up_comes_once_and_never_early,
    p4_an_empty_mailbox_is_caught_up_at_once,
    p10_never_more_than_the_credit_is_outstanding,
    p10_live_envelopes_wait_for_credit_too,
    p10_bytes_count_against_the_credit,
    a_mailbox_that_was_full_of_large_envelopes_is_delivered_whole,
);
over_two_relays!(p9_any_relay_serves_any_owner);

pub(crate) async fn p2_what_was_not_acknowledged_comes_again(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=10).await;
    let mut first = Stream::open(&mut owners, &owner).await;
    assert_eq!(first.until_caught_up().await.len(), 10);
    first.say(v1::receive_request::Kind::Ack(v1::Ack { mailbox: 0, up_to: 4, sequences: vec![7, 9] }));
    acknowledged(&cluster, &owner, 4).await;
    drop(first);

    let mut second = Stream::open(&mut owners, &owner).await;
    let again: Vec<u64> = second.until_caught_up().await.iter().map(|(_, sequence, _)| *sequence).collect();
    assert_eq!(again, [5, 6, 8, 10]);
}

/// Waits until so many envelopes are left.
pub(crate) async fn acknowledged(cluster: &Cluster, owner: &Owner, left: u64) {
    let mut owners = cluster.owners(0).await;
    sealpost_testkit::eventually("acknowledgements are written", crate::cluster::PATIENCE, async || {
        (owner.describe(&mut owners).await.unwrap().queued_messages == left).then_some(())
    })
    .await;
}

pub(crate) async fn p3_backlog_and_live_envelopes_come_in_one_order(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let total = 600;
    owner.is_sent(&mut senders, 1..=200).await;
    // It opens in the middle of the sending, with less credit than there is to send.
    let sending = owner.is_sent(&mut senders, 201..=total);
    let receiving = async {
        let mut owners = cluster.owners(0).await;
        let mut stream = Stream::open_with(&mut owners, &[&owner], 16, 1 << 20).await.unwrap();
        let mut taken = Vec::new();
        while taken.len() < total as usize {
            let more = stream.take(1).await;
            stream.acknowledge(more.last().unwrap().1);
            taken.extend(more);
        }
        taken
    };
    let ((), taken) = tokio::join!(sending, receiving);
    assert_eq!(taken, (1..=total).map(|number| (0, number, number)).collect::<Vec<_>>());
}

pub(crate) async fn p4_caught_up_comes_once_and_never_early(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=300).await;
    let send = |number| owner.send(number);
    let sending = async {
        tokio::pin!(stopped);
        for number in 301.. {
            tokio::select! {
                _ = &mut stopped => return number - 1,
                sent = senders.send(send(number)) => sent.unwrap(),
            };
        }
        0
    };
    let receiving = async {
        let mut owners = cluster.owners(0).await;
        for _ in 0..20 {
            let before = owner.describe(&mut owners).await.unwrap();
            let mut stream = Stream::open_with(&mut owners, &[&owner], 10_000, 16 << 20).await.unwrap();
            let taken = stream.until_caught_up().await;
            let last = taken.last().unwrap().1;
            // All that had been accepted when the stream was opened has been sent.
            assert!(last >= before.last_sequence, "the marker came at {last}, {} was accepted", before.last_sequence);
            assert_eq!(taken.len() as u64, last, "nothing was acknowledged, so nothing may be missing");
            // The next ones are live, and the marker does not come again.
            for _ in 0..5 {
                match stream.next().await.unwrap().unwrap() {
                    Said::Deliveries(_) => {}
                    other => panic!("not expected: {other:?}"),
                }
            }
        }
        stop.send(()).unwrap();
    };
    tokio::join!(sending, receiving);
}

async fn p4_an_empty_mailbox_is_caught_up_at_once(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut stream = Stream::open(&mut owners, &owner).await;
    assert_eq!(stream.until_caught_up().await, []);
    assert!(stream.is_silent_for(Duration::from_millis(100)).await);
}

async fn p10_never_more_than_the_credit_is_outstanding(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=20).await;
    let mut stream = Stream::open_with(&mut owners, &[&owner], 3, 1 << 20).await.unwrap();
    assert_eq!(stream.take(3).await.len(), 3);
    senders.send(owner.send(21)).await.unwrap();
    assert!(stream.is_silent_for(Duration::from_millis(200)).await, "more than the credit was sent");
    stream.acknowledge(2);
    assert_eq!(stream.take(2).await, [(0, 4, 4), (0, 5, 5)]);
    assert!(stream.is_silent_for(Duration::from_millis(200)).await, "more than the credit was sent");
    // One in the middle is as good as any.
    stream.say(v1::receive_request::Kind::Ack(v1::Ack { mailbox: 0, up_to: 0, sequences: vec![4] }));
    assert_eq!(stream.take(1).await, [(0, 6, 6)]);
}

async fn p10_live_envelopes_wait_for_credit_too(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut stream = Stream::open_with(&mut owners, &[&owner], 3, 1 << 20).await.unwrap();
    stream.until_caught_up().await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=6).await;
    assert_eq!(stream.take(3).await, [(0, 1, 1), (0, 2, 2), (0, 3, 3)]);
    assert!(stream.is_silent_for(Duration::from_millis(200)).await, "more than the credit was sent");
    stream.acknowledge(2);
    assert_eq!(stream.take(2).await, [(0, 4, 4), (0, 5, 5)]);
    stream.acknowledge(5);
    assert_eq!(stream.take(1).await, [(0, 6, 6)]);
}

async fn p10_bytes_count_against_the_credit(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    for number in 1..=4 {
        senders.send(owner.send_sized(number, 65536)).await.unwrap();
    }
    let mut stream = Stream::open_with(&mut owners, &[&owner], 100, 2 * 65536).await.unwrap();
    assert_eq!(stream.take(2).await.len(), 2);
    assert!(stream.is_silent_for(Duration::from_millis(200)).await, "more than the credit was sent");
    stream.acknowledge(1);
    assert_eq!(stream.take(1).await, [(0, 3, 3)]);
}

async fn a_mailbox_that_was_full_of_large_envelopes_is_delivered_whole(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    for number in 1..=64 {
        let size = if number % 3 == 0 { 65536 } else { 1024 };
        senders.send(owner.send_sized(number, size)).await.unwrap();
    }
    // The least credit that there is.
    let mut stream = Stream::open_with(&mut owners, &[&owner], 1000, 65536).await.unwrap();
    let mut taken = Vec::new();
    while taken.len() < 64 {
        match stream.next().await.unwrap().unwrap() {
            Said::Deliveries(deliveries) => {
                for delivery in deliveries.deliveries {
                    taken.push(number(&delivery.envelope));
                    stream.acknowledge(delivery.sequence);
                }
            }
            other => panic!("not expected: {other:?}"),
        }
    }
    assert_eq!(taken, (1..=64).collect::<Vec<_>>());
}

pub(crate) async fn p9_any_relay_serves_any_owner(mut cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut stream = Stream::open(&mut cluster.owners(1).await, &owner).await;
    stream.until_caught_up().await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=50).await;
    assert_eq!(stream.take(50).await, (1..=50).map(|number| (0, number, number)).collect::<Vec<_>>());
    stream.acknowledge(20);
    acknowledged(&cluster, &owner, 30).await;

    // Its relay dies; the other one knows all that matters.
    cluster.kill(1);
    let mut stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
    assert_eq!(stream.until_caught_up().await, (21..=50).map(|number| (0, number, number)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_envelopes_that_can_be_configured_are_delivered() {
    let change = |settings: &mut sealpost::config::Settings| {
        settings.limits.envelope_sizes = Some(vec![1 << 20]);
        settings.limits.max_message_bytes = Some(2 << 20);
        // Less than a client asks for that leaves it to the relay.
        settings.limits.max_outstanding_bytes = Some(4096);
    };
    for cluster in [Cluster::embedded_with(change).await, Cluster::redis_with(1, change).await] {
        let mut owners = cluster.owners(0).await;
        let owner = Owner::with_mailbox(&mut owners).await;
        let mut senders = cluster.senders(0).await;
        senders.send(owner.send_sized(1, 1 << 20)).await.unwrap();
        let mut stream = Stream::open_with(&mut owners, &[&owner], 0, 0).await.unwrap();
        assert_eq!(stream.until_caught_up().await, [(0, 1, 1)]);
        senders.send(v1::SendRequest { ephemeral: true, ..owner.send_sized(2, 1 << 20) }).await.unwrap();
        assert_eq!(stream.take(1).await, [(0, 0, 2)]);
        stream.acknowledge(1);
        senders.send(owner.send_sized(3, 1 << 20)).await.unwrap();
        assert_eq!(stream.take(1).await, [(0, 2, 3)]);
    }
}
