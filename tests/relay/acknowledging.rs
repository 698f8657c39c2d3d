//! Acknowledgements, on the stream and without it.

use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;

use crate::cluster::Cluster;
use crate::delivering::acknowledged;
use crate::owner::Owner;
use crate::stream::Stream;
use crate::{over_both_stores, over_two_relays};

over_both_stores!(
    repeating_an_acknowledgement_does_no_harm,
    what_was_never_sent_cannot_be_acknowledged,
    acknowledgements_are_written_though_the_stream_ends,
    a_subscriber_acknowledges_by_session,
    a_session_ends_with_the_next_opening,
);
over_two_relays!(p9_credit_returns_to_the_streaming_relay_from_another_one);

async fn repeating_an_acknowledgement_does_no_harm(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=6).await;
    let mut stream = Stream::open_with(&mut owners, &[&owner], 3, 1 << 20).await.unwrap();
    stream.take(3).await;
    for _ in 0..5 {
        stream.acknowledge(1);
        stream.say(Ask::Ack(v1::Ack { mailbox: 0, up_to: 0, sequences: vec![1, 1] }));
    }
    // One credit came back, not ten.
    assert_eq!(stream.take(1).await, [(0, 4, 4)]);
    acknowledged(&cluster, &owner, 5).await;
    assert!(stream.is_silent_for(std::time::Duration::from_millis(200)).await);
}

async fn what_was_never_sent_cannot_be_acknowledged(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=5).await;
    for ask in [
        v1::Ack { mailbox: 0, up_to: 4, sequences: vec![] },
        v1::Ack { mailbox: 0, up_to: u64::MAX, sequences: vec![] },
        v1::Ack { mailbox: 0, up_to: 0, sequences: vec![9] },
    ] {
        let mut stream = Stream::open_with(&mut owners, &[&owner], 3, 1 << 20).await.unwrap();
        stream.take(3).await;
        stream.say(Ask::Ack(ask));
        stream.ends_with(Reason::AcknowledgementInvalid).await;
    }
    let stream = Stream::open(&mut owners, &owner).await;
    stream.say(Ask::Ack(v1::Ack { mailbox: 7, up_to: 1, sequences: vec![] }));
    stream.ends_with(Reason::StreamProtocol).await;
    assert_eq!(owner.describe(&mut owners).await.unwrap().queued_messages, 5, "nothing was lost");
}

async fn acknowledgements_are_written_though_the_stream_ends(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=3).await;
    let mut stream = Stream::open(&mut owners, &owner).await;
    stream.until_caught_up().await;
    stream.acknowledge(3);
    // The owner hangs up its side; the relay reads what was said before.
    stream.asks = None;
    acknowledged(&cluster, &owner, 0).await;
}

pub(crate) async fn a_subscriber_acknowledges_by_session(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=6).await;
    let open = v1::Open {
        proofs: vec![owner.proof(Operation::OpenMailbox)],
        max_outstanding_messages: 2,
        max_outstanding_bytes: 0,
    };
    let mut stream = owners.subscribe(v1::SubscribeRequest { open: Some(open) }).await.unwrap().into_inner();
    let Some(Said::Opened(opened)) = stream.message().await.unwrap().unwrap().kind else { panic!("opened first") };
    let session = opened.mailboxes[0].session.clone();
    let mut sequences = Vec::new();
    while sequences.len() < 6 {
        match stream.message().await.unwrap().unwrap().kind.unwrap() {
            Said::Deliveries(deliveries) => {
                for delivery in deliveries.deliveries {
                    sequences.push(delivery.sequence);
                    // Alternately cumulative and single; each gives one credit back.
                    let (up_to, singly) = if delivery.sequence % 2 == 0 {
                        (delivery.sequence, vec![])
                    } else {
                        (0, vec![delivery.sequence])
                    };
                    let request = v1::AcknowledgeRequest {
                        address: owner.address().as_bytes().to_vec().into(),
                        session: session.clone(),
                        up_to,
                        sequences: singly,
                    };
                    owners.acknowledge(request).await.unwrap();
                }
            }
            Said::CaughtUp(_) | Said::Ping(_) => {}
            other => panic!("not expected: {other:?}"),
        }
    }
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6]);
    acknowledged(&cluster, &owner, 0).await;
}

async fn a_session_ends_with_the_next_opening(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    cluster.senders(0).await.send(owner.send(1)).await.unwrap();
    let first = Stream::open(&mut owners, &owner).await;
    let session = first.opened.mailboxes[0].session.clone();
    let _second = Stream::open(&mut owners, &owner).await;
    let request = v1::AcknowledgeRequest {
        address: owner.address().as_bytes().to_vec().into(),
        session,
        up_to: 1,
        sequences: vec![],
    };
    let status = owners.acknowledge(request).await.unwrap_err();
    assert_eq!(Failure::from_status(&status).unwrap().reason, Reason::SessionEnded);
    assert_eq!(owner.describe(&mut owners).await.unwrap().queued_messages, 1);
}

pub(crate) async fn p9_credit_returns_to_the_streaming_relay_from_another_one(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=4).await;
    let mut stream = Stream::open_with(&mut cluster.owners(0).await, &[&owner], 2, 1 << 20).await.unwrap();
    assert_eq!(stream.take(2).await.len(), 2);
    let request = v1::AcknowledgeRequest {
        address: owner.address().as_bytes().to_vec().into(),
        session: stream.opened.mailboxes[0].session.clone(),
        up_to: 2,
        sequences: vec![],
    };
    cluster.owners(1).await.acknowledge(request).await.unwrap();
    assert_eq!(stream.take(2).await, [(0, 3, 3), (0, 4, 4)]);
}
