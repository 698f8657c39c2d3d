//! P11: leaving is polite.

use std::time::{Duration, Instant};

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;

use crate::cluster::{Cluster, PATIENCE};
use crate::metrics::counted;
use crate::operator::{Operator, serving};
use crate::over_both_stores;
use crate::owner::Owner;
use crate::stream::Stream;
use crate::tls::authority::Authority;
use crate::tls::{client, connect, with};

/// Longer than any test runs.
const FOREVER_MS: u64 = 3_600_000;
/// What the last acknowledgements have for themselves after the deadline, at least.
const FLUSH: Duration = Duration::from_secs(2);

over_both_stores!(p11_streams_end_with_a_reason_and_a_time_to_come_back, p11_sends_in_flight_are_answered);

async fn p11_streams_end_with_a_reason_and_a_time_to_come_back(mut cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=3).await;
    let mut stream = Stream::open(&mut owners, &owner).await;
    stream.until_caught_up().await;
    stream.acknowledge(2);

    let leaving = tokio::spawn(cluster.take(0).drain());
    let closing = stream.closing().await;
    assert_eq!(Reason::try_from(closing.reason), Ok(Reason::Draining));
    assert!((1..=5_000).contains(&closing.retry_after_ms));
    drop((owners, senders));
    leaving.await.unwrap();

    // The acknowledgement was written before the relay was gone.
    let next = cluster.add().await;
    let mut stream = Stream::open(&mut cluster.owners(next).await, &owner).await;
    assert_eq!(stream.until_caught_up().await, [(0, 3, 3)]);
}

async fn p11_sends_in_flight_are_answered(mut cluster: Cluster) {
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let (sends, batches) = mpsc::unbounded_channel();
    let mut results = senders.send_stream(UnboundedReceiverStream::new(batches)).await.unwrap().into_inner();
    let batch = |first: u64| v1::SendStreamRequest {
        sends: (first..first + 10).map(|tag| v1::TaggedSend { tag, send: Some(owner.send(tag)) }).collect(),
    };
    sends.send(batch(1)).unwrap();
    let mut accepted: Vec<u64> = results.message().await.unwrap().unwrap().results.iter().map(|it| it.tag).collect();
    for first in (11..100).step_by(10) {
        sends.send(batch(first)).unwrap();
    }
    let leaving = tokio::spawn(cluster.take(0).drain());
    let end = loop {
        match results.message().await {
            Ok(Some(batch)) => accepted.extend(batch.results.iter().map(|it| it.tag)),
            Ok(None) => panic!("the stream ends with a reason"),
            Err(status) => break status,
        }
    };
    let failure = Failure::from_status(&end).unwrap();
    assert_eq!(failure.reason, Reason::Draining);
    assert!(failure.retry_after.is_some());
    drop((senders, sends));
    leaving.await.unwrap();

    // What was accepted is there; what got no answer may be sent again.
    let next = cluster.add().await;
    let mut stream = Stream::open(&mut cluster.owners(next).await, &owner).await;
    let stored: Vec<u64> = stream.until_caught_up().await.iter().map(|(_, _, number)| *number).collect();
    assert!(accepted.iter().all(|tag| stored.contains(tag)), "accepted {accepted:?}, stored {stored:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_stream_that_does_not_end_is_cut_at_the_deadline() {
    let mut cluster = Cluster::embedded_with(|settings| {
        settings.drain.spread_ms = Some(10);
        settings.drain.deadline_ms = Some(500);
    })
    .await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let stuck = stuck_stream(&cluster, &owner).await;
    let begin = Instant::now();
    tokio::time::timeout(PATIENCE, cluster.take(0).drain()).await.expect("it leaves all the same");
    assert!(begin.elapsed() >= Duration::from_millis(500), "nothing held it up");
    drop(stuck);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_who_says_nothing_does_not_hold_it_up() {
    let mut cluster = Cluster::embedded_with(|settings| {
        settings.listen.handshake_timeout_ms = Some(FOREVER_MS);
        settings.listen.first_request_timeout_ms = Some(FOREVER_MS);
        settings.drain.deadline_ms = Some(FOREVER_MS);
    })
    .await;
    let mut silent = TcpStream::connect(cluster.address(0)).await.unwrap();
    // Connections are accepted in their order, so that one was when this one is served.
    Owner::with_mailbox(&mut cluster.owners(0).await).await;
    tokio::time::timeout(PATIENCE, cluster.take(0).drain()).await.expect("it leaves all the same");
    silent.read_to_end(&mut Vec::new()).await.expect("it was told that it is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_handshake_that_is_never_finished_does_not_hold_it_up() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let mut cluster = Cluster::embedded_with(|settings| {
        with(&[&authority.issue(directory.path(), &["relay.test"])])(settings);
        settings.listen.handshake_timeout_ms = Some(FOREVER_MS);
        settings.drain.deadline_ms = Some(FOREVER_MS);
    })
    .await;
    let silent = TcpStream::connect(cluster.address(0)).await.unwrap();
    // The head of a TLS record that says hello, and of the hello itself four bytes.
    let mut begun = TcpStream::connect(cluster.address(0)).await.unwrap();
    begun.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]).await.unwrap();
    // Connections are accepted in their order, so those two were when this one is.
    drop(connect(cluster.address(0), client(&authority)).await.expect("others are served"));
    tokio::time::timeout(PATIENCE, cluster.take(0).drain()).await.expect("it leaves all the same");
    drop((silent, begun));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_it_stays_until_the_last_acknowledgements_are_written() {
    let mut cluster = Cluster::redis_with(1, |settings| settings.drain.deadline_ms = Some(FOREVER_MS)).await;
    let (owner, stream) = acknowledged_to_a_silent_redis(&cluster).await;
    let mut leaving = AbortOnDropHandle::new(tokio::spawn(cluster.take(0).drain()));
    stream.ends_with(Reason::Draining).await;
    // Nobody is connected any more.
    assert!(tokio::time::timeout(FLUSH / 2, &mut leaving).await.is_err(), "it left with acknowledgements unwritten");

    cluster.redis.as_ref().unwrap().resume();
    tokio::time::timeout(PATIENCE, leaving).await.expect("nothing else holds it up").unwrap();
    let next = cluster.add().await;
    let mut stream = Stream::open(&mut cluster.owners(next).await, &owner).await;
    assert_eq!(stream.until_caught_up().await, [(0, 3, 3)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_acknowledgements_get_their_time_after_a_connection_was_cut() {
    let deadline = Duration::from_millis(500);
    let mut cluster = Cluster::redis_with(1, |settings| {
        settings.drain.spread_ms = Some(10);
        settings.drain.deadline_ms = Some(500);
    })
    .await;
    let stuck = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let stuck = stuck_stream(&cluster, &stuck).await;
    let (_owner, stream) = acknowledged_to_a_silent_redis(&cluster).await;
    let begin = Instant::now();
    let leaving = AbortOnDropHandle::new(tokio::spawn(cluster.take(0).drain()));
    stream.ends_with(Reason::Draining).await;
    tokio::time::timeout(PATIENCE, leaving).await.expect("it does not wait for ever").unwrap();
    assert!(begin.elapsed() >= deadline + FLUSH, "it left after {:?}", begin.elapsed());
    drop(stuck);
}

/// A stream whose owner takes nothing, with more to be sent than fits on the way: it cannot end.
async fn stuck_stream(cluster: &Cluster, owner: &Owner) -> Stream {
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=8).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", cluster.address(0))).unwrap();
    let channel = endpoint.initial_stream_window_size(1024).connect().await.unwrap();
    let stream = Stream::open(&mut MailboxServiceClient::new(channel), owner).await;
    counted(cluster, 0, "sealpost_deliveries_total{path=\"read\"} 8").await;
    stream
}

/// Two of three envelopes are acknowledged, as the relay knows; but Redis does not hear of it.
async fn acknowledged_to_a_silent_redis(cluster: &Cluster) -> (Owner, Stream) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    owner.is_sent(&mut senders, 1..=3).await;
    let mut stream = Stream::open(&mut owners, &owner).await;
    stream.until_caught_up().await;
    cluster.redis.as_ref().unwrap().pause();
    stream.acknowledge(2);
    counted(cluster, 0, "sealpost_acknowledgements_total 2").await;
    (owner, stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_stream_has_a_longest_life() {
    let cluster = Cluster::embedded_with(|settings| settings.streams.max_life_secs = Some(1)).await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut stream = Stream::open(&mut owners, &owner).await;
    stream.until_caught_up().await;
    let closing = stream.closing().await;
    assert_eq!(Reason::try_from(closing.reason), Ok(Reason::Rebalance));
    assert!(closing.retry_after_ms > 0);
}

/// However busy its sender is. What was read has been answered, and the rest may be sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_stream_of_sends_has_a_longest_life() {
    let cluster = Cluster::embedded_with(|settings| {
        settings.streams.max_life_secs = Some(1);
        // Whatever is sent in that second.
        settings.mailbox.max_messages = Some(u64::MAX / 2);
        settings.mailbox.max_bytes = Some(u64::MAX / 2);
    })
    .await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let (sends, batches) = mpsc::channel(4);
    let mut senders = cluster.senders(0).await;
    let sending = async move {
        for tag in 1.. {
            let batch = v1::SendStreamRequest { sends: vec![v1::TaggedSend { tag, send: Some(owner.send(tag)) }] };
            if sends.send(batch).await.is_err() {
                return;
            }
        }
    };
    let listening = async move {
        let mut results = senders.send_stream(ReceiverStream::new(batches)).await.unwrap().into_inner();
        let mut next = 1;
        loop {
            match results.message().await {
                Ok(Some(answer)) => answer.results.iter().for_each(|result| {
                    assert_eq!((result.tag, &result.refusal), (next, &None));
                    next += 1;
                }),
                Ok(None) => panic!("the stream ends with a reason"),
                Err(status) => return (next, Failure::from_status(&status).unwrap()),
            }
        }
    };
    let both = async { tokio::join!(sending, listening) };
    let ((), (next, failure)) = tokio::time::timeout(PATIENCE, both).await.expect("it ends in time");
    assert!(next > 1, "something was answered");
    assert_eq!(failure.reason, Reason::Rebalance);
    assert!(failure.retry_after.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_relay_that_leaves_is_not_ready_at_once_and_serves_until_that_was_noticed() {
    let mut cluster = Cluster::embedded_with(|settings| settings.drain.notice_ms = Some(FOREVER_MS)).await;
    let operator = Operator::of(cluster.relay(0).admin_address());
    operator.sees_failing(&[]).await;
    let mut health = operator.health().await;
    let mut changes = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(changes.message().await.unwrap().unwrap().status, 1);

    let relay = cluster.take(0);
    let clients = format!("http://{}", relay.address());
    let leaving = AbortOnDropHandle::new(tokio::spawn(relay.drain()));
    let next = tokio::time::timeout(PATIENCE, changes.message()).await.expect("in time");
    assert_eq!(next.unwrap().unwrap().status, 2);
    assert_eq!(operator.failing().await, ["staying"]);
    for service in ["", "sealpost.v1.DeliveryService", "sealpost.v1.MailboxService"] {
        assert_eq!(serving(&mut health, service).await, Some(2), "{service}");
    }
    assert_eq!(operator.status("/livez").await, 200);

    // Whoever was sent here all the same is served.
    let channel = Endpoint::from_shared(clients).unwrap().connect().await.expect("new connections are accepted");
    let mut owners = MailboxServiceClient::new(channel);
    let owner = Owner::with_mailbox(&mut owners).await;
    Stream::open(&mut owners, &owner).await.until_caught_up().await;
    assert!(!leaving.is_finished());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_streams_end_when_the_notice_is_over() {
    let mut cluster = Cluster::embedded_with(|settings| settings.drain.notice_ms = Some(100)).await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let stream = Stream::open(&mut owners, &owner).await;
    let leaving = tokio::spawn(cluster.take(0).drain());
    stream.ends_with(Reason::Draining).await;
    drop(owners);
    tokio::time::timeout(PATIENCE, leaving).await.expect("it leaves").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_who_watches_its_health_does_not_hold_it_up() {
    let mut cluster = Cluster::embedded_with(|settings| settings.drain.deadline_ms = Some(FOREVER_MS)).await;
    let mut health = Operator::of(cluster.relay(0).admin_address()).health().await;
    let changes = health.watch(HealthCheckRequest::default()).await.unwrap();
    tokio::time::timeout(PATIENCE, cluster.take(0).drain()).await.expect("it leaves all the same");
    drop(changes);
}
