//! P1, P3, P6, P8: what accepting means.

use sealpost_proto::status::Failure;
use sealpost_proto::{Reason, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::cluster::{Cluster, PATIENCE};
use crate::over_both_stores;
use crate::owner::Owner;
use crate::stream::Stream;

over_both_stores!(
    p1_what_was_accepted_outlives_the_relay,
    p3_one_stream_of_sends_keeps_its_order,
    a_retry_is_not_queued_twice,
    an_ephemeral_envelope_reaches_only_who_listens,
    p8_an_ephemeral_send_never_says_whether_somebody_listens,
    p8_unknown_mailbox_and_wrong_key_are_answered_alike,
    a_card_is_given_to_who_has_a_key,
    a_bad_send_does_not_hurt_its_neighbours,
);

async fn p1_what_was_accepted_outlives_the_relay(mut cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    for number in 1..=20 {
        senders.send(owner.send(number)).await.expect("accepted");
    }
    // Without a word, with all that it had in memory.
    cluster.kill(0);
    let relay = cluster.add().await;

    let mut stream = Stream::open(&mut cluster.owners(relay).await, &owner).await;
    let delivered = stream.until_caught_up().await;
    assert_eq!(delivered, (1..=20).map(|number| (0, number, number)).collect::<Vec<_>>());
}

pub(crate) async fn p3_one_stream_of_sends_keeps_its_order(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut stream = Stream::open_with(&mut cluster.owners(0).await, &[&owner], 5000, 8 << 20).await.unwrap();
    stream.until_caught_up().await;

    let (sends, batches) = mpsc::unbounded_channel();
    for batch in 0..50 {
        let sends_of_batch = (0..20).map(|place| batch * 20 + place + 1);
        let batch: Vec<_> =
            sends_of_batch.map(|number| v1::TaggedSend { tag: number, send: Some(owner.send(number)) }).collect();
        sends.send(v1::SendStreamRequest { sends: batch }).unwrap();
    }
    drop(sends);
    let mut senders = cluster.senders(0).await;
    let mut results = senders.send_stream(UnboundedReceiverStream::new(batches)).await.unwrap().into_inner();
    let mut accepted = Vec::new();
    while let Some(batch) = results.message().await.expect("no failure") {
        for result in batch.results {
            assert_eq!(result.refusal, None);
            accepted.push(result.tag);
        }
    }
    assert_eq!(accepted, (1..=1000).collect::<Vec<_>>());
    let delivered = stream.take(1000).await;
    assert_eq!(delivered, (1..=1000).map(|number| (0, number, number)).collect::<Vec<_>>());
}

pub(crate) async fn a_retry_is_not_queued_twice(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let send = owner.send(1);
    senders.send(send.clone()).await.unwrap();
    for attempt in 1..4 {
        senders.send(v1::SendRequest { attempt, ..send.clone() }).await.expect("accepted again");
    }
    senders.send(owner.send(2)).await.unwrap();
    let mut stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
    assert_eq!(stream.until_caught_up().await, [(0, 1, 1), (0, 2, 2)]);
}

pub(crate) async fn an_ephemeral_envelope_reaches_only_who_listens(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    senders.send(v1::SendRequest { ephemeral: true, ..owner.send(1) }).await.expect("accepted, and gone");

    let mut stream = Stream::open(&mut owners, &owner).await;
    assert_eq!(stream.until_caught_up().await, []);
    senders.send(v1::SendRequest { ephemeral: true, ..owner.send(2) }).await.expect("accepted");
    assert_eq!(stream.take(1).await, [(0, 0, 2)]);
    let held = owner.describe(&mut owners).await.unwrap();
    assert_eq!((held.queued_messages, held.last_sequence), (0, 0));
}

async fn p8_an_ephemeral_send_never_says_whether_somebody_listens(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    let send = v1::SendRequest { ephemeral: true, ..owner.send(1) };
    let alone = senders.send(send.clone()).await.unwrap();
    let _stream = Stream::open(&mut owners, &owner).await;
    let heard = senders.send(send).await.unwrap();
    assert_eq!(alone.get_ref(), heard.get_ref());
    let names = |response: &tonic::Response<v1::SendResponse>| {
        response.metadata().keys().map(|key| format!("{key:?}")).collect::<Vec<_>>()
    };
    assert_eq!(names(&alone), names(&heard));
}

pub(crate) async fn p8_unknown_mailbox_and_wrong_key_are_answered_alike(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    let unknown = Owner::new();
    let wrong_key = v1::SendRequest { delivery_key: vec![1; 32].into(), ..owner.send(1) };
    let to_unknown = unknown.send(1);

    let answers = [senders.send(wrong_key).await.unwrap_err(), senders.send(to_unknown).await.unwrap_err()];
    let [wrong, unknown_answer] = &answers;
    assert_eq!(
        (wrong.code(), wrong.message(), wrong.details()),
        (unknown_answer.code(), unknown_answer.message(), unknown_answer.details())
    );
    assert_eq!(Failure::from_status(wrong).unwrap().reason, Reason::DeliveryRefused);
    assert_eq!(Failure::from_status(wrong).unwrap().retry_after, None);

    let fetch = |address: sealpost_core::Address, key: &[u8]| v1::FetchCardRequest {
        address: address.as_bytes().to_vec().into(),
        delivery_key: key.to_vec().into(),
    };
    let wrong = senders.fetch_card(fetch(owner.address(), &[1; 32])).await.unwrap_err();
    let unknown = senders.fetch_card(fetch(unknown.address(), unknown.key.as_bytes())).await.unwrap_err();
    assert_eq!(
        (wrong.code(), wrong.message(), wrong.details()),
        (unknown.code(), unknown.message(), unknown.details())
    );
}

async fn a_card_is_given_to_who_has_a_key(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let request = v1::FetchCardRequest {
        address: owner.address().as_bytes().to_vec().into(),
        delivery_key: owner.key.as_bytes().to_vec().into(),
    };
    let card = cluster.senders(0).await.fetch_card(request).await.unwrap().into_inner().card;
    assert_eq!(card.as_ref(), [7; 100]);
}

async fn a_bad_send_does_not_hurt_its_neighbours(cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let sends = vec![
        v1::TaggedSend { tag: 1, send: Some(owner.send(1)) },
        v1::TaggedSend { tag: 2, send: None },
        v1::TaggedSend { tag: 3, send: Some(v1::SendRequest { delivery_key: vec![9; 32].into(), ..owner.send(3) }) },
        v1::TaggedSend { tag: 4, send: Some(owner.send_sized(4, 1000)) },
        v1::TaggedSend { tag: 5, send: Some(owner.send(5)) },
    ];
    let request = tokio_stream::once(v1::SendStreamRequest { sends });
    let mut results = cluster.senders(0).await.send_stream(request).await.unwrap().into_inner();
    let results = results.message().await.unwrap().unwrap().results;
    let reasons: Vec<_> = results
        .iter()
        .map(|result| (result.tag, result.refusal.as_ref().map(|refusal| Reason::try_from(refusal.reason).unwrap())))
        .collect();
    assert_eq!(
        reasons,
        [
            (1, None),
            (2, Some(Reason::InvalidField)),
            (3, Some(Reason::DeliveryRefused)),
            (4, Some(Reason::EnvelopeSize)),
            (5, None),
        ]
    );
    let mut stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
    assert_eq!(stream.until_caught_up().await, [(0, 1, 1), (0, 2, 5)]);
}

#[tokio::test]
async fn p6_a_full_mailbox_refuses_and_loses_nothing() {
    for cluster in [
        Cluster::embedded_with(|settings| settings.mailbox.max_messages = Some(3)).await,
        Cluster::redis_with(1, |settings| settings.mailbox.max_messages = Some(3)).await,
    ] {
        let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
        let mut senders = cluster.senders(0).await;
        owner.is_sent(&mut senders, 1..=3).await;
        let status = senders.send(owner.send(4)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let failure = Failure::from_status(&status).unwrap();
        assert_eq!(failure.reason, Reason::MailboxFull);
        assert!(failure.retry_after.is_some_and(|after| !after.is_zero()));

        let mut stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
        assert_eq!(stream.until_caught_up().await, [(0, 1, 1), (0, 2, 2), (0, 3, 3)]);
        stream.acknowledge(1);
        // As soon as the acknowledgement is written there is room.
        sealpost_testkit::eventually("room for one more", PATIENCE, async || senders.send(owner.send(4)).await.ok())
            .await;
        assert_eq!(stream.take(1).await, [(0, 4, 4)]);
    }
}
