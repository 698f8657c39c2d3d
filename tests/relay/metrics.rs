//! What a relay counts is what happened.

use sealpost_proto::Reason;
use sealpost_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::{Cluster, PATIENCE};
use crate::over_both_stores;
use crate::owner::Owner;
use crate::stream::Stream;

over_both_stores!(a_message_is_counted_on_its_way, a_stream_without_credit_is_counted);

/// What a series shows; `None` where it is not there.
pub(crate) fn shown(cluster: &Cluster, relay: usize, series: &str) -> Option<f64> {
    let text = cluster.relay(relay).metrics().encode();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    Some(line.parse().expect("a number"))
}

/// Waits until a line of the metrics is there.
pub(crate) async fn counted(cluster: &Cluster, relay: usize, line: &str) {
    eventually(line, PATIENCE, async || {
        cluster.relay(relay).metrics().encode().lines().any(|it| it == line).then_some(())
    })
    .await;
}

async fn a_message_is_counted_on_its_way(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    senders.send(owner.send(1)).await.unwrap();
    senders.send(Owner::new().send(1)).await.unwrap_err();
    let mut stream = Stream::open(&mut owners, &owner).await;
    stream.until_caught_up().await;
    senders.send(owner.send(2)).await.unwrap();
    let typing = sealpost_proto::v1::SendRequest { ephemeral: true, ..owner.send(3) };
    senders.send(typing).await.unwrap();
    assert_eq!(stream.take(2).await.len(), 2);
    let shown = |series: &str| shown(&cluster, 0, series);
    for (series, value) in [
        ("sealpost_sends_total{outcome=\"accepted\"}", 3.0),
        ("sealpost_sends_total{outcome=\"refused\"}", 1.0),
        ("sealpost_envelopes_stored_total", 2.0),
        ("sealpost_envelope_bytes_stored_total", 2048.0),
        ("sealpost_failures_total{procedure=\"Send\",reason=\"DELIVERY_REFUSED\"}", 1.0),
        ("sealpost_call_seconds_count{procedure=\"Send\"}", 4.0),
        ("sealpost_call_seconds_count{procedure=\"Receive\"}", 1.0),
        ("sealpost_deliveries_total{path=\"read\"}", 1.0),
        ("sealpost_deliveries_total{path=\"pushed\"}", 1.0),
        ("sealpost_deliveries_total{path=\"ephemeral\"}", 1.0),
        // Of this one only the hour is known.
        ("sealpost_envelope_waiting_seconds_bucket{le=\"3600.0\",path=\"read\"}", 1.0),
        ("sealpost_envelope_waiting_seconds_bucket{le=\"5.0\",path=\"pushed\"}", 1.0),
        ("sealpost_envelope_waiting_seconds_bucket{le=\"5.0\",path=\"ephemeral\"}", 1.0),
        ("sealpost_store_command_seconds_count{command=\"append\"}", 4.0),
        ("sealpost_store_command_seconds_count{command=\"open\"}", 1.0),
        ("sealpost_streams_open", 1.0),
        ("sealpost_mailboxes_open", 1.0),
        ("sealpost_connections_open", 2.0),
        ("sealpost_inbox_envelopes", 0.0),
        ("sealpost_ready", 1.0),
        ("sealpost_draining", 0.0),
    ] {
        assert_eq!(shown(series), Some(value), "{series}");
    }
    counted(&cluster, 0, "sealpost_acknowledgements_total 0").await;
    stream.acknowledge(1);
    counted(&cluster, 0, "sealpost_acknowledgements_total 1").await;

    let newer = Stream::open(&mut owners, &owner).await;
    stream.ends_with(Reason::Displaced).await;
    counted(&cluster, 0, "sealpost_streams_closed_total{reason=\"displaced\"} 1").await;
    counted(&cluster, 0, "sealpost_redeliveries_total 1").await;
    drop(newer);
    counted(&cluster, 0, "sealpost_streams_closed_total{reason=\"left\"} 1").await;
    counted(&cluster, 0, "sealpost_mailboxes_open 0").await;
    // Asked now and then.
    eventually("what the store uses is shown", PATIENCE, async || {
        (shown("sealpost_store_used_bytes")? > 100_000.0).then_some(())
    })
    .await;
}

async fn a_stream_without_credit_is_counted(cluster: Cluster) {
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    owner.is_sent(&mut cluster.senders(0).await, 1..=3).await;
    let mut stream = Stream::open_with(&mut owners, &[&owner], 2, 1024 * 1024).await.unwrap();
    assert_eq!(stream.take(2).await.len(), 2);
    counted(&cluster, 0, "sealpost_credit_stalls_total 1").await;
    stream.acknowledge(2);
    assert_eq!(stream.take(1).await.len(), 1);
    counted(&cluster, 0, "sealpost_credit_stalls_total 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_trouble_is_seen() {
    let mut cluster = Cluster::redis(1).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let _stream = Stream::open(&mut cluster.owners(0).await, &owner).await;
    senders.send(owner.send(1)).await.unwrap();
    counted(&cluster, 0, "sealpost_redis_breakers_open 0").await;
    assert!(shown(&cluster, 0, "sealpost_redis_round_trip_seconds_count") > Some(0.0));
    assert!(shown(&cluster, 0, "sealpost_redis_batch_commands_sum") > Some(0.0));
    let connections = shown(&cluster, 0, "sealpost_redis_connections_total");
    assert!(connections > Some(1.0), "one to hear by, and one to ask over: {connections:?}");
    assert_eq!(shown(&cluster, 0, "sealpost_store_limit_bytes"), None);
    eventually("what is published arrives", PATIENCE, async || {
        (shown(&cluster, 0, "sealpost_wake_path_age_seconds")? < 5.0).then_some(())
    })
    .await;

    cluster.redis.as_mut().unwrap().kill();
    senders.send(owner.send(2)).await.unwrap_err();
    counted(&cluster, 0, "sealpost_sends_total{outcome=\"unavailable\"} 1").await;
    counted(&cluster, 0, "sealpost_store_failures_total{command=\"append\",error=\"unavailable\"} 1").await;
    counted(&cluster, 0, "sealpost_wake_path_breaks_total 1").await;
    counted(&cluster, 0, "sealpost_redis_breakers_open 1").await;
    counted(&cluster, 0, "sealpost_ready 0").await;
    eventually("it is long ago that anything arrived", PATIENCE, async || {
        (shown(&cluster, 0, "sealpost_wake_path_age_seconds")? > 5.0).then_some(())
    })
    .await;

    cluster.redis.as_mut().unwrap().restart().await;
    counted(&cluster, 0, "sealpost_ready 1").await;
    counted(&cluster, 0, "sealpost_redis_breakers_open 0").await;
    assert!(shown(&cluster, 0, "sealpost_wake_path_age_seconds") < Some(5.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shed_is_counted_by_its_limit() {
    let cluster = Cluster::embedded_with(|settings| {
        settings.listen.max_requests_per_second = Some(3);
        settings.listen.max_connections_per_peer = Some(2);
    })
    .await;
    let mut owners = cluster.owners(0).await;
    for _ in 0..3 {
        owners.create_mailbox(Owner::new().creation()).await.unwrap();
    }
    owners.create_mailbox(Owner::new().creation()).await.unwrap_err();
    counted(&cluster, 0, "sealpost_shed_total{limit=\"requests_per_second\"} 1").await;
    let sockets = [(); 3].map(|()| TcpStream::connect(cluster.address(0)));
    let _sockets = futures_util::future::join_all(sockets).await;
    counted(&cluster, 0, "sealpost_shed_total{limit=\"connections_per_peer\"} 2").await;
    counted(&cluster, 0, "sealpost_handshakes_total{outcome=\"too_many_of_peer\"} 2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_apart_from_clients() {
    let cluster = Cluster::embedded().await;
    let mut socket = TcpStream::connect(cluster.relay(0).admin_address()).await.unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    for line in [
        "\nprocess_cpu_seconds_total ",
        "\nprocess_resident_memory_bytes ",
        "\nprocess_open_fds ",
        "\nsealpost_allocator_resident_bytes ",
        "\nsealpost_runtime_tasks ",
        "\nsealpost_build_info{version=\"",
        "\nsealpost_certificate_reloads_total{outcome=\"refused\"} 0\n",
        "\n# EOF\n",
    ] {
        assert!(text.contains(line), "{line} is missing from {text}");
    }
    assert!(!text.contains("\nsealpost_certificate_days_left "), "there is no certificate: {text}");
}
