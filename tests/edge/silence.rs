//! Peers who say nothing, or not all of it, or nothing any more.

use std::time::Duration;

use sealpost::config::{Config, Settings, TlsMode};
use sealpost_testkit::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;
use crate::attack::{Attack, Bound, Done};
use crate::bystander::Bystander;
use crate::frame::{ACK, PING, PREFACE, frame};
use crate::peer::Peer;
use crate::relay::{Relay, Start};

/// A connection that says so much, and then nothing more.
async fn falls_silent(relay: &Relay, say: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(relay.address()).await.expect("it takes connections");
    socket.write_all(say).await.unwrap();
    socket
}

/// As many of them, all open at once: the relay must not close one before the last is there.
async fn silent(relay: &Relay, many: usize, say: &[u8]) -> Vec<TcpStream> {
    let before = relay.descriptors();
    let mut sockets = Vec::new();
    for _ in 0..many {
        sockets.push(falls_silent(relay, say).await);
    }
    eventually("they are accepted", PATIENCE, async || (relay.descriptors() >= before + many).then_some(())).await;
    sockets
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_connections_without_a_preface_cost_a_known_amount() {
    let attack = Attack::begin("1,000 connections without a preface").await;
    let _sockets = silent(&attack.relay, 1000, b"").await;
    attack.meanwhile(5).await;
    let bound = Bound { memory_kib: 1000 * 32 };
    attack.stays_within(bound, Done { count: 1000, of: "connections", outcome: "waits" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_connections_with_half_a_preface_cost_a_known_amount() {
    let attack = Attack::begin("1,000 connections with half a preface").await;
    let _sockets = silent(&attack.relay, 1000, &PREFACE[..12]).await;
    attack.meanwhile(5).await;
    let bound = Bound { memory_kib: 1000 * 32 };
    attack.stays_within(bound, Done { count: 1000, of: "connections", outcome: "waits" }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_tls_handshakes_that_do_not_begin_cost_a_known_amount() {
    let attack = Attack::on("2,000 TLS handshakes that do not begin", Start { tls: true, ..Start::default() }).await;
    let _sockets = silent(&attack.relay, 2000, b"").await;
    attack.meanwhile(5).await;
    let bound = Bound { memory_kib: 2000 * 16 };
    attack.stays_within(bound, Done { count: 2000, of: "connections", outcome: "waits, 10 s at most" }).await;
}

/// Who is silent must not take the place of who is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_handshakes_that_do_not_begin_keep_nobody_out() {
    let relay = Relay::tls().await;
    let sockets = silent(&relay, 1000, b"").await;
    Bystander::new(&relay).await.exchange().await;
    // They are all still there.
    for socket in &sockets {
        let open = socket.try_read(&mut [0]).expect_err("nothing to read, and not closed");
        assert_eq!(open.kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// With this, what a connection may take until its first request.
const FIRST_REQUEST: [&str; 2] = ["--listen-first-request-timeout-ms", "300"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_request_is_closed_in_time() {
    for tls in [false, true] {
        let relay = Relay::start(Start { tls, arguments: &FIRST_REQUEST, ..Start::default() }).await;
        Peer::connect(&relay).await.until_closed().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_a_preface_is_closed_in_time() {
    let relay = Relay::start(Start { arguments: &FIRST_REQUEST, ..Start::default() }).await;
    for say in [&PREFACE[..0], &PREFACE[..12]] {
        let mut socket = falls_silent(&relay, say).await;
        let mut heard = Vec::new();
        // A connection that is reset is as closed.
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut heard)).await.expect("it is closed in time");
    }
}

/// A relay in this process: keepalive is what it was made with.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_who_died_without_a_word_is_given_up() {
    let directory = TempDir::new().unwrap();
    let mut settings = Settings::default();
    settings.listen.address = Some("127.0.0.1:0".to_owned());
    settings.listen.admin = Some("127.0.0.1:0".to_owned());
    settings.tls.mode = Some(TlsMode::Plaintext);
    settings.store.url = Some(format!("embedded:{}", directory.path().join("store").display()));
    let mut config = Config::load(None, &settings).expect("the settings are good");
    config.edge.keepalive_interval = Duration::from_millis(100);
    config.edge.keepalive_timeout = Duration::from_millis(500);
    let relay = sealpost::server::Relay::start(config).await.expect("it starts");

    let mut alive = Peer::dial_at(relay.address(), None).await;
    alive.shake_hands(&[]).await;
    let mut dead = Peer::dial_at(relay.address(), None).await;
    dead.shake_hands(&[]).await;
    let answering = tokio::spawn(async move {
        while let Some(asked) = alive.next().await {
            if asked.kind == PING && asked.flags & ACK == 0 {
                alive.say(&frame(PING, ACK, 0, asked.payload)).await.expect("it listens");
            }
        }
    });
    let frames = dead.until_closed().await;
    assert!(frames.iter().any(|frame| frame.kind == PING), "it was asked for a sign of life");
    assert!(!answering.is_finished(), "who answers is kept");
    answering.abort();
}
