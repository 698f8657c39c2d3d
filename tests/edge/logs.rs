//! Peers who have the relay log what they like: it must not fill the disk, nor hold what they said.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::PATIENCE;
use crate::attack::{Attack, Bound, Done};
use crate::frame::{ACK, PING, frame};
use crate::peer::{End, Peer};
use crate::relay::{NAME, Relay, Start};

/// Has a relay been silent since its log had so many bytes?
fn nothing_logged(attack: &Attack, before: usize) {
    let log = attack.relay.log();
    let logged = &log[before..];
    assert!(logged.is_empty(), "{} bytes, beginning with {:?}", logged.len(), logged.lines().next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_pings_that_were_never_sent_are_not_logged() {
    let attack = Attack::begin("PING, unasked answers").await;
    let before = attack.relay.log().len();
    let mut peer = Peer::connect(&attack.relay).await;
    let flood = peer.flood(20_000, |_| frame(PING, ACK, 0, *b"hostile!")).await;
    assert_eq!((flood.end, flood.sent), (End::Works, 20_000));
    let bound = Bound { memory_kib: 4 * 1024 };
    attack.stays_within(bound, Done { count: flood.sent, of: "frames", outcome: "goes on" }).await;
    nothing_logged(&attack, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_no_host_can_have_are_not_logged() {
    let attack = Attack::on("TLS for a name that no host can have", Start { tls: true, ..Start::default() }).await;
    let before = attack.relay.log().len();
    let handshakes = 200;
    for _ in 0..handshakes {
        let mut socket = TcpStream::connect(attack.relay.address()).await.expect("it takes connections");
        socket.write_all(&hello("relay test")).await.unwrap();
        let mut heard = Vec::new();
        // A connection that is reset is as closed.
        let _ = tokio::time::timeout(PATIENCE, socket.read_to_end(&mut heard)).await.expect("it is closed in time");
    }
    let bound = Bound { memory_kib: 4 * 1024 };
    attack.stays_within(bound, Done { count: handshakes, of: "handshakes", outcome: "refused" }).await;
    nothing_logged(&attack, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_logged_changes_while_the_relay_runs() {
    let relay = Relay::start(Start { arguments: &["--log", "warn"], ..Start::default() }).await;
    assert_eq!(relay.operator("GET", "/log", "").await, (200, "warn\n".to_owned()));
    let (status, why) = relay.operator("PUT", "/log", "h2=trace").await;
    assert!(status == 400 && why.contains("is no level"), "{why}");
    let (status, _) = relay.operator("PUT", "/log", &"x".repeat(10_000)).await;
    assert_eq!(status, 413);
    assert!(!relay.log().contains("INFO"), "{}", relay.log());
    let levels = "info,sealpost::edge=debug\n".to_owned();
    assert_eq!(relay.operator("PUT", "/log", levels.trim()).await, (200, levels.clone()));
    assert_eq!(relay.operator("GET", "/log", "").await, (200, levels));
    relay.operator("PUT", "/log", "info").await;
    let log = relay.log();
    let line = log.lines().find(|line| line.contains("INFO")).unwrap_or_else(|| panic!("{log}"));
    let (time, _) = line.split_once(' ').unwrap();
    assert!(time.len() == "2026-11-24T14:03Z".len() && time.ends_with('Z'), "{line}: a time is a minute");
}

/// What a client says first, with another name of the same length in it.
fn hello(name: &str) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let mut client = ClientConnection::new(Arc::new(config), ServerName::try_from(NAME).unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    let at = bytes.windows(NAME.len()).position(|window| window == NAME.as_bytes()).expect("the name is in it");
    bytes[at..at + NAME.len()].copy_from_slice(name.as_bytes());
    bytes
}
