//! TLS: post-quantum key exchange, no way to link connections, no trust in strangers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should panic"
)]

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{HandshakeKind, NamedGroup, ServerConfig};
use sealpost_client::{Device, Error, Relay, RelayOptions, Timeouts, Trust};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

type Handshake = (NamedGroup, HandshakeKind, Option<Vec<u8>>);

/// Completes handshakes, reports on them, and hangs up.
async fn listen() -> (u16, String, mpsc::UnboundedReceiver<Handshake>) {
    let certified = rcgen::generate_simple_self_signed(["relay.example".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (report, reports) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(socket).await else { continue };
            let (_, tls) = stream.get_ref();
            let group = tls.negotiated_key_exchange_group().unwrap().name();
            let _ = report.send((group, tls.handshake_kind().unwrap(), tls.alpn_protocol().map(<[u8]>::to_vec)));
        }
    });
    (port, certified.cert.pem(), reports)
}

fn options(port: u16, trust: Trust) -> RelayOptions {
    RelayOptions::from_url("https://relay.example")
        .unwrap()
        .connect_to(format!("127.0.0.1:{port}"))
        .trust(trust)
        .timeouts(Timeouts::default().operation(Duration::from_millis(20)))
}

#[tokio::test]
async fn p7_sender_and_owner_use_connections_that_cannot_be_linked() {
    let (port, pem, mut handshakes) = listen().await;
    let relay = Relay::connect(options(port, Trust::Authorities(pem.into_bytes()))).unwrap();
    let device = Device::new();
    for _ in 0..2 {
        relay.describe_mailbox(&device).await.unwrap_err();
        relay.accept(&device.invite(relay.host()).unwrap()).await.unwrap_err();
    }
    for _ in 0..4 {
        let (group, kind, protocol) = handshakes.recv().await.unwrap();
        assert_eq!(group, NamedGroup::X25519MLKEM768);
        assert_eq!(kind, HandshakeKind::Full);
        assert_eq!(protocol.as_deref(), Some(&b"h2"[..]));
    }
}

#[tokio::test]
async fn a_certificate_of_nobody_we_trust_is_refused() {
    let (port, _, _handshakes) = listen().await;
    let stranger = rcgen::generate_simple_self_signed(["relay.example".to_owned()]).unwrap();
    let relay = Relay::connect(options(port, Trust::Authorities(stranger.cert.pem().into_bytes()))).unwrap();
    let error = relay.describe_mailbox(&Device::new()).await.unwrap_err();
    assert!(matches!(error, Error::Untrusted(_)), "{error}");
    assert!(!error.is_retryable());
}
