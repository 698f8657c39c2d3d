//! Sessions that are resumed, at the same relay and at others.

use std::fs;
use std::path::{Path, PathBuf};

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConnection, HandshakeKind};
use sealpost::config::TlsVersion;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;

const RESUMED: Option<HandshakeKind> = Some(HandshakeKind::Resumed);
const FULL: Option<HandshakeKind> = Some(HandshakeKind::Full);

/// A relay with this certificate and, from a file, these keys.
async fn relay(pair: &Pair, keys: Option<&Path>) -> Cluster {
    Cluster::embedded_with(|settings| {
        with(&[pair])(settings);
        settings.tls.min_version = Some(TlsVersion::V1_2);
        settings.tls.ticket_keys_file = keys.map(Path::to_owned);
    })
    .await
}

/// Connects, and stays until the relay has said something, before which it gives its tickets.
async fn visit(cluster: &Cluster, config: &ClientConfig) -> Option<HandshakeKind> {
    let mut tls = connect(cluster.address(0), config.clone()).await.expect("it connects");
    tls.read_u8().await.expect("the relay's HTTP/2 settings");
    tls.get_ref().1.handshake_kind()
}

fn key(number: u8) -> String {
    format!("{number:02x}").repeat(32)
}

/// Both versions have tickets, each in its own way.
fn clients(authority: &Authority) -> impl Iterator<Item = ClientConfig> {
    // Each has a memory of its own; clones share it.
    [&TLS13, &TLS12].into_iter().map(|version| client_with(authority, default_provider(), &[version]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_resumed_at_any_relay_with_the_same_keys() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let file = |name: &str, keys: &[u8]| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, keys.iter().map(|number| key(*number) + "\n").collect::<String>()).unwrap();
        path
    };
    let [one, same, other] = [file("one", &[1]), file("same", &[2, 1]), file("other", &[3])];
    let (one, same, other) =
        (relay(&pair, Some(&one)).await, relay(&pair, Some(&same)).await, relay(&pair, Some(&other)).await);
    for client in clients(&authority) {
        assert_eq!(visit(&one, &client).await, FULL);
        assert_eq!(visit(&one, &client).await, RESUMED);
        assert_eq!(visit(&same, &client).await, RESUMED);
    }
    // The first key of the one is not the other's.
    for client in clients(&authority) {
        assert_eq!(visit(&same, &client).await, FULL);
        assert_eq!(visit(&one, &client).await, FULL, "the key that seals is not known here");
    }
    for client in clients(&authority) {
        assert_eq!(visit(&one, &client).await, FULL);
        assert_eq!(visit(&other, &client).await, FULL, "with other keys the ticket is worth nothing");
        assert_eq!(visit(&other, &client).await, RESUMED);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_replaced_while_the_relay_runs() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let file = directory.path().join("keys");
    let write =
        |keys: &[u8]| fs::write(&file, keys.iter().map(|number| key(*number) + "\n").collect::<String>()).unwrap();
    write(&[1]);
    let cluster = relay(&pair, Some(&file)).await;
    let [early, late] = [client(&authority), client(&authority)];
    assert_eq!(visit(&cluster, &early).await, FULL);
    assert_eq!(visit(&cluster, &late).await, FULL);

    write(&[2, 1]);
    counted(&cluster, 0, "sealpost_ticket_key_reloads_total{outcome=\"loaded\"} 1").await;
    assert_eq!(visit(&cluster, &early).await, RESUMED, "the old key still opens");
    fs::write(&file, "sesame").unwrap();
    counted(&cluster, 0, "sealpost_ticket_key_reloads_total{outcome=\"refused\"} 1").await;
    write(&[2]);
    counted(&cluster, 0, "sealpost_ticket_key_reloads_total{outcome=\"loaded\"} 2").await;
    assert_eq!(visit(&cluster, &early).await, RESUMED, "its new ticket is of the new key");
    assert_eq!(visit(&cluster, &late).await, FULL, "the old key is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_file_each_relay_has_keys_of_its_own() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let (one, other) = (relay(&pair, None).await, relay(&pair, None).await);
    for client in clients(&authority) {
        assert_eq!(visit(&one, &client).await, FULL);
        assert_eq!(visit(&one, &client).await, RESUMED);
        assert_eq!(visit(&other, &client).await, FULL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_ticket_is_given_at_a_time_and_none_for_early_data() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let file = directory.path().join("keys");
    fs::write(&file, key(1)).unwrap();
    for keys in [None, Some(file.as_path())] {
        let cluster = relay(&pair, keys).await;
        let mut client = client(&authority);
        client.enable_early_data = true;
        assert_eq!(visit(&cluster, &client).await, FULL);
        let name = ServerName::try_from("relay.test").unwrap();
        let mut early = ClientConnection::new(Arc::new(client.clone()), name).unwrap();
        assert!(early.early_data().is_none(), "nothing may be sent before the handshake");

        assert_eq!(visit(&cluster, &client).await, FULL, "the one ticket went into that try");
        // Nothing is read from these, so they bring no new ticket.
        for kind in [RESUMED, FULL] {
            let tls = connect(cluster.address(0), client.clone()).await.unwrap();
            assert_eq!(tls.get_ref().1.handshake_kind(), kind);
        }
    }
}
