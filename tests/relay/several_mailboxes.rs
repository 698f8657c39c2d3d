//! Several mailboxes on one stream.

use std::collections::BTreeMap;

use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_request::Kind as Ask;
use sealpost_proto::v1::receive_response::Kind as Said;

use crate::cluster::Cluster;
use crate::over_both_stores;
use crate::owner::{Owner, number};
use crate::stream::Stream;

over_both_stores!(
    p4_each_mailbox_has_its_own_marker,
    mailboxes_are_added_and_removed,
    a_mailbox_whose_number_is_guessed_does_not_stay_open,
    a_displaced_mailbox_leaves_the_others_alone,
    one_unknown_mailbox_opens_none,
);

pub(crate) async fn p4_each_mailbox_has_its_own_marker(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(Owner::with_mailbox(&mut owners).await);
    }
    let mut senders = cluster.senders(0).await;
    for (place, owner) in all.iter().enumerate() {
        owner.is_sent(&mut senders, 1..=place as u64).await;
    }
    let who: Vec<&Owner> = all.iter().collect();
    let mut stream = Stream::open_with(&mut owners, &who, 1000, 1 << 20).await.unwrap();
    assert_eq!(stream.opened.mailboxes.len(), 20);
    let mut had: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut caught_up = Vec::new();
    while caught_up.len() < 20 {
        match stream.next().await.unwrap().unwrap() {
            Said::Deliveries(deliveries) => {
                for delivery in deliveries.deliveries {
                    had.entry(delivery.mailbox).or_default().push(number(&delivery.envelope));
                }
            }
            Said::CaughtUp(marker) => {
                let expected: Vec<u64> = (1..=u64::from(marker.mailbox)).collect();
                assert_eq!(had.get(&marker.mailbox).cloned().unwrap_or_default(), expected);
                caught_up.push(marker.mailbox);
            }
            other => panic!("not expected: {other:?}"),
        }
    }
    caught_up.sort_unstable();
    assert_eq!(caught_up, (0..20).collect::<Vec<_>>());
}

async fn mailboxes_are_added_and_removed(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let (first, second) = (Owner::with_mailbox(&mut owners).await, Owner::with_mailbox(&mut owners).await);
    let mut senders = cluster.senders(0).await;
    senders.send(second.send(1)).await.unwrap();
    let mut stream = Stream::open(&mut owners, &first).await;
    stream.until_caught_up().await;

    stream.say(Ask::Add(v1::Add { proof: Some(second.proof(Operation::OpenMailbox)) }));
    let Some(Said::Opened(opened)) = stream.next().await.unwrap() else { panic!("`opened` is the answer to `add`") };
    assert_eq!(opened.mailboxes[0].mailbox, 1);
    assert_eq!(opened.mailboxes[0].address.as_ref(), second.address().as_bytes());
    assert_eq!(stream.take(1).await, [(1, 1, 1)]);
    assert_eq!(stream.next().await.unwrap(), Some(Said::CaughtUp(v1::CaughtUp { mailbox: 1 })));

    stream.say(Ask::Remove(v1::Remove { mailbox: 1 }));
    let closed = v1::MailboxClosed { mailbox: 1, reason: 0 };
    assert_eq!(stream.next().await.unwrap(), Some(Said::MailboxClosed(closed)));
    senders.send(second.send(2)).await.unwrap();
    senders.send(first.send(3)).await.unwrap();
    assert_eq!(stream.take(1).await, [(0, 1, 3)], "a removed mailbox is silent");

    // Nothing was lost by it.
    let mut again = Stream::open(&mut owners, &second).await;
    assert_eq!(again.until_caught_up().await, [(0, 1, 1), (0, 2, 2)]);
}

async fn a_mailbox_whose_number_is_guessed_does_not_stay_open(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let (first, second) = (Owner::with_mailbox(&mut owners).await, Owner::with_mailbox(&mut owners).await);
    let mut stream = Stream::open(&mut owners, &first).await;
    stream.until_caught_up().await;
    stream.say(Ask::Add(v1::Add { proof: Some(second.proof(Operation::OpenMailbox)) }));
    stream.say(Ask::Remove(v1::Remove { mailbox: 1 }));
    loop {
        match stream.next().await.unwrap() {
            // It came too soon…
            Some(Said::Closing(closing)) => {
                return assert_eq!(Reason::try_from(closing.reason), Ok(Reason::StreamProtocol));
            }
            // … or in time.
            Some(Said::MailboxClosed(closed)) => return assert_eq!(closed.mailbox, 1),
            Some(Said::Opened(_) | Said::CaughtUp(_)) => {}
            other => panic!("not expected: {other:?}"),
        }
    }
}

pub(crate) async fn a_displaced_mailbox_leaves_the_others_alone(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let (first, second) = (Owner::with_mailbox(&mut owners).await, Owner::with_mailbox(&mut owners).await);
    let mut stream = Stream::open_with(&mut owners, &[&first, &second], 10, 1 << 20).await.unwrap();
    let mut markers = 0;
    while markers < 2 {
        assert!(matches!(stream.next().await.unwrap(), Some(Said::CaughtUp(_))));
        markers += 1;
    }
    let _other = Stream::open(&mut owners, &second).await;
    let closed = v1::MailboxClosed { mailbox: 1, reason: i32::from(Reason::Displaced) };
    assert_eq!(stream.next().await.unwrap(), Some(Said::MailboxClosed(closed)));
    cluster.senders(0).await.send(first.send(1)).await.unwrap();
    assert_eq!(stream.take(1).await, [(0, 1, 1)]);
}

async fn one_unknown_mailbox_opens_none(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let (known, unknown) = (Owner::with_mailbox(&mut owners).await, Owner::new());
    let Err(status) = Stream::open_with(&mut owners, &[&known, &unknown], 10, 1 << 20).await else {
        panic!("there is no such mailbox")
    };
    let failure = Failure::from_status(&status).unwrap();
    assert_eq!((failure.reason, failure.field.as_deref()), (Reason::MailboxUnknown, Some("open.proofs[1]")));
    let twice = Stream::open_with(&mut owners, &[&known, &known], 10, 1 << 20).await.err().unwrap();
    assert_eq!(Failure::from_status(&twice).unwrap().reason, Reason::StreamProtocol);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_stream_does_not_add_and_remove_for_ever() {
    let cluster = Cluster::embedded_with(|settings| settings.limits.max_mailboxes = Some(2)).await;
    let mut owners = cluster.owners(0).await;
    let (first, second) = (Owner::with_mailbox(&mut owners).await, Owner::with_mailbox(&mut owners).await);
    let stream = &mut Stream::open(&mut owners, &first).await;
    stream.until_caught_up().await;
    for number in 1.. {
        stream.say(Ask::Add(v1::Add { proof: Some(second.proof(Operation::OpenMailbox)) }));
        match stream.next().await.unwrap() {
            Some(Said::Opened(opened)) => assert_eq!(opened.mailboxes[0].mailbox, number),
            Some(Said::Closing(closing)) => {
                assert_eq!(Reason::try_from(closing.reason), Ok(Reason::LimitExceeded));
                assert!(number > 16, "only {number}");
                return;
            }
            other => panic!("not expected: {other:?}"),
        }
        assert!(matches!(stream.next().await.unwrap(), Some(Said::CaughtUp(_))));
        stream.say(Ask::Remove(v1::Remove { mailbox: number }));
        assert!(matches!(stream.next().await.unwrap(), Some(Said::MailboxClosed(_))));
    }
}
