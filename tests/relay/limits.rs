//! What a connection, a peer and the relay as a whole may ask for, and what happens to those who ask for more.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hyper_util::rt::TokioIo;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::cluster::{Cluster, PATIENCE};
use crate::metrics::shown;
use crate::owner::Owner;
use crate::stream::Stream;

fn reason(status: &Status) -> Option<Reason> {
    Failure::from_status(status).map(|failure| failure.reason)
}

/// Waits until the relay closes a connection; how long that took.
async fn closed(socket: &mut TcpStream) -> Duration {
    let begin = Instant::now();
    let mut heard = Vec::new();
    match tokio::time::timeout(PATIENCE, socket.read_to_end(&mut heard)).await.expect("it is closed") {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    begin.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_is_told_when_to_ask_again() {
    let cluster = Cluster::embedded_with(|settings| settings.listen.max_requests_per_second = Some(3)).await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut senders = cluster.senders(0).await;
    let refused = eventually("a send is refused", PATIENCE, async || senders.send(owner.send(1)).await.err()).await;
    assert_eq!(reason(&refused), Some(Reason::Overloaded));
    let wait = Failure::from_status(&refused).and_then(|failure| failure.retry_after).expect("it says when");
    assert!(wait <= Duration::from_secs(1), "{wait:?}");
    // Others are not concerned.
    cluster.senders(0).await.send(owner.send(2)).await.expect("this connection has asked for nothing yet");
    eventually("it is time", PATIENCE, async || senders.send(owner.send(3)).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_fast_waits_and_loses_nothing() {
    let cluster = Cluster::embedded_with(|settings| settings.listen.max_bytes_per_second = Some(64 * 1024)).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let begin = Instant::now();
    for number in 0..3 {
        senders.send(owner.send_sized(number, 64 * 1024)).await.expect("it is taken");
    }
    assert!(begin.elapsed() > Duration::from_secs(1), "three seconds' worth, less the burst: {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_has_only_so_many_connections() {
    let cluster = Cluster::embedded_with(|settings| settings.listen.max_connections_per_peer = Some(2)).await;
    let mut first = cluster.owners(0).await;
    let second = cluster.senders(0).await;
    let owner = Owner::with_mailbox(&mut first).await;
    let mut third = TcpStream::connect(cluster.address(0)).await.unwrap();
    closed(&mut third).await;
    // Another address of this machine is another peer.
    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let other = other.connect(cluster.address(0)).await.unwrap();
    DeliveryServiceClient::new(over(other).await).send(owner.send(1)).await.expect("it is served");
    drop(second);
    eventually("there is room again", PATIENCE, async || {
        let socket = TcpStream::connect(cluster.address(0)).await.unwrap();
        DeliveryServiceClient::new(over(socket).await).send(owner.send(2)).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_balancer_says_where_a_connection_comes_from() {
    let cluster = Cluster::embedded_with(|settings| {
        settings.listen.proxy_protocol = Some(true);
        settings.listen.max_connections_per_peer = Some(1);
    })
    .await;
    let served = async |last: u8| {
        let mut socket = TcpStream::connect(cluster.address(0)).await.unwrap();
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
        header.extend_from_slice(&[192, 0, 2, last, 10, 0, 0, 1, 0xd4, 0x31, 0x20, 0xfb]);
        socket.write_all(&header).await.unwrap();
        let mut client = MailboxServiceClient::new(over(socket).await);
        client.create_mailbox(Owner::new().creation()).await.ok().map(|_| client)
    };
    let first = served(1).await.expect("the first of this peer");
    assert!(served(1).await.is_none(), "its second");
    assert!(served(2).await.is_some(), "another peer");
    drop(first);
    let mut unsaid = TcpStream::connect(cluster.address(0)).await.unwrap();
    unsaid.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    closed(&mut unsaid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_for_nothing_is_not_kept() {
    let cluster = Cluster::embedded_with(|settings| settings.listen.first_request_timeout_ms = Some(300)).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut silent = TcpStream::connect(cluster.address(0)).await.unwrap();
    let mut greeting = TcpStream::connect(cluster.address(0)).await.unwrap();
    greeting.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut senders = cluster.senders(0).await;
    senders.send(owner.send(1)).await.expect("it is served");
    closed(&mut silent).await;
    closed(&mut greeting).await;
    senders.send(owner.send(2)).await.expect("who has asked once stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_are_bounded() {
    let cluster = Cluster::embedded_with(|settings| settings.limits.max_calls = Some(1)).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut waiting = cluster.owners(0).await;
    // It may itself be refused while a send is under way.
    let waiting = tokio::spawn(async move { while waiting.receive(tokio_stream::pending()).await.is_err() {} });
    let mut senders = cluster.senders(0).await;
    let refused = eventually("a send is refused", PATIENCE, async || senders.send(owner.send(1)).await.err()).await;
    assert_eq!(reason(&refused), Some(Reason::Overloaded));
    waiting.abort();
    eventually("there is room again", PATIENCE, async || senders.send(owner.send(2)).await.ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_does_not_get_on_ends() {
    let cluster = Cluster::embedded_with(|settings| settings.limits.call_timeout_ms = Some(200)).await;
    let refused = cluster.owners(0).await.receive(tokio_stream::pending()).await.map(drop).unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::TimedOut));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lives_only_so_long_and_its_streams_go_on() {
    let cluster = Cluster::embedded_with(|settings| {
        settings.listen.first_request_timeout_ms = Some(100);
        settings.listen.max_connection_life_secs = Some(1);
    })
    .await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut stream = Stream::open(&mut owners, &owner).await;
    stream.until_caught_up().await;
    let before = connections(&cluster);
    // The client's library hears GOAWAY, and makes another connection for the next call.
    eventually("calls go over another connection", PATIENCE, async || {
        // A call that the client's library holds just when it hears that is given up unsent.
        if owner.describe(&mut owners).await.is_err() {
            owner.describe(&mut owners).await.expect("one retry cures it");
        }
        (connections(&cluster) > before).then_some(())
    })
    .await;
    cluster.senders(0).await.send(owner.send(7)).await.unwrap();
    assert_eq!(stream.take(1).await, [(0, 1, 7)]);
}

fn connections(cluster: &Cluster) -> f64 {
    shown(cluster, 0, "sealpost_handshakes_total{outcome=\"done\"}").expect("it is counted")
}

/// A channel over one connection that is there already, and no other.
async fn over(socket: TcpStream) -> Channel {
    let mut socket = Some(TokioIo::new(socket));
    let connect = tower::service_fn(move |_: http::Uri| {
        let socket = socket.take().ok_or(std::io::Error::from(ErrorKind::NotConnected));
        async move { socket }
    });
    Endpoint::from_static("http://relay.test").connect_with_connector_lazy(connect)
}
