//! A send is followed from its client to its delivery, across relays.

use std::collections::HashSet;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use sealpost_proto::v1;
use sealpost_testkit::{Collector, eventually};
use tonic::Request;

use crate::cluster::{Cluster, PATIENCE};
use crate::owner::Owner;
use crate::stream::Stream;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENTS_SPAN: &str = "b7ad6b7169203331";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("traceparent", format!("00-{TRACE}-{CLIENTS_SPAN}-01").parse().unwrap());
    request
}

/// Two relays that go on with the traces of clients.
async fn cluster(collector: &Collector) -> Cluster {
    Cluster::redis_with(2, |settings| {
        settings.telemetry.otlp_endpoint = Some(collector.endpoint());
        settings.telemetry.trace_ratio = Some(0.0);
        settings.telemetry.trace_context = Some(true);
    })
    .await
}

/// The spans of the trace, once there are so many, by name; each with its relay.
async fn spans(collector: &Collector, many: usize) -> Vec<(String, Span)> {
    let mut spans = eventually("the spans have come", PATIENCE, async || {
        let all = collector.spans();
        (all.len() >= many).then_some(all)
    })
    .await;
    assert!(spans.iter().all(|(_, span)| hex(&span.trace_id) == TRACE), "nothing else is traced");
    spans.sort_by_key(|(_, span)| (span.start_time_unix_nano, span.name.clone()));
    spans
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_is_followed_to_its_delivery_at_another_relay() {
    let collector = Collector::start().await;
    let cluster = cluster(&collector).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut stream = Stream::open(&mut cluster.owners(1).await, &owner).await;
    stream.until_caught_up().await;
    cluster.senders(0).await.send(traced(owner.send(1))).await.unwrap();
    assert_eq!(stream.take(1).await.len(), 1);

    let spans = spans(&collector, 5).await;
    let find = |name: &str| spans.iter().find(|(_, span)| span.name == name).unwrap_or_else(|| panic!("{name}"));
    let (sender, send) = find("sealpost.v1.DeliveryService/Send");
    let (_, append) = find("append");
    let (_, lane) = find("lane");
    let (_, redis) = find("EVALSHA append");
    let (deliverer, deliver) = find("deliver");
    assert_eq!(spans.len(), 5);
    assert_ne!(sender, deliverer, "they are of two relays");
    assert_eq!((hex(&send.parent_span_id), send.kind()), (CLIENTS_SPAN.to_owned(), SpanKind::Server));
    assert_eq!(append.parent_span_id, send.span_id);
    for below in [lane, redis, deliver] {
        assert_eq!(below.parent_span_id, append.span_id, "{}", below.name);
    }
    assert!(lane.end_time_unix_nano <= redis.start_time_unix_nano + 1_000_000, "first it waits, then it leaves");
    assert_eq!(send.start_time_unix_nano % 60_000_000_000, 0, "nobody learns when");
    for (_, span) in &spans {
        let later = span.start_time_unix_nano - send.start_time_unix_nano;
        assert!(later < 20_000_000_000, "{} is {later} ns later", span.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_span_and_its_sends_are_followed() {
    let collector = Collector::start().await;
    let cluster = cluster(&collector).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut stream = Stream::open(&mut cluster.owners(1).await, &owner).await;
    stream.until_caught_up().await;
    let batch = v1::SendStreamRequest {
        sends: (0..3).map(|number| v1::TaggedSend { tag: number, send: Some(owner.send(number)) }).collect(),
    };
    let mut senders = cluster.senders(0).await;
    let mut results = senders.send_stream(traced(tokio_stream::once(batch))).await.unwrap().into_inner();
    assert_eq!(results.message().await.unwrap().unwrap().results.len(), 3);
    assert_eq!(stream.take(3).await.len(), 3);
    let spans = spans(&collector, 7).await;
    let count = |name: &str| spans.iter().filter(|(_, span)| span.name == name).count();
    assert_eq!(count("sealpost.v1.DeliveryService/SendStream"), 1);
    assert_eq!((count("append"), count("lane"), count("EVALSHA append"), count("deliver")), (1, 1, 1, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_says_of_traces_is_not_listened_to_unless_that_is_wanted() {
    let collector = Collector::start().await;
    let cluster = Cluster::embedded_with(|settings| {
        settings.telemetry.otlp_endpoint = Some(collector.endpoint());
        settings.telemetry.trace_ratio = Some(1.0);
    })
    .await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    cluster.senders(0).await.send(traced(owner.send(1))).await.unwrap();
    let spans = eventually("the spans have come", PATIENCE, async || {
        Some(collector.spans()).filter(|spans| spans.iter().any(|(_, span)| span.name.ends_with("/Send")))
    })
    .await;
    assert!(spans.iter().all(|(_, span)| hex(&span.trace_id) != TRACE && hex(&span.parent_span_id) != CLIENTS_SPAN));
    let traces: HashSet<_> = spans.iter().map(|(_, span)| span.trace_id.clone()).collect();
    assert_eq!(traces.len(), 2, "making the mailbox, and the send");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_sent_when_the_relay_leaves() {
    let collector = Collector::start().await;
    let mut cluster = Cluster::embedded_with(|settings| {
        settings.telemetry.otlp_endpoint = Some(collector.endpoint());
        settings.telemetry.trace_ratio = Some(1.0);
    })
    .await;
    Owner::with_mailbox(&mut cluster.owners(0).await).await;
    cluster.take(0).drain().await;
    let spans = collector.spans();
    assert_eq!(
        spans.iter().map(|(_, span)| span.name.as_str()).collect::<Vec<_>>(),
        ["sealpost.v1.MailboxService/CreateMailbox"]
    );
}
