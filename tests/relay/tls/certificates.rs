//! Which certificate is shown, and that it can be replaced.

use std::os::unix::fs::symlink;
use std::{fs, io};

use hyper_util::rt::TokioIo;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rustls::SignatureScheme;
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_testkit::eventually;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::*;
use crate::owner::Owner;
use crate::stream::Stream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_replaced_under_connections_that_stay() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let authority = Authority::new();
    // Kubernetes mounts a secret as links into a directory, and replaces a link to that directory.
    let [first, second] = ["first", "second"].map(|name| authority.issue(&path(name), &["relay.test"]));
    symlink(path("first"), path("data")).unwrap();
    let mounted = Pair { certificate: path("data/tls.crt"), key: path("data/tls.key") };
    let cluster = Cluster::embedded_with(with(&[&mounted])).await;
    let address = cluster.address(0);
    assert_eq!(shown("relay.test", address).await, first.certificate());
    let mut owners = MailboxServiceClient::new(channel(address, client(&authority)).await);
    let owner = Owner::with_mailbox(&mut owners).await;
    let mut stream = Stream::open(&mut owners, &owner).await;

    symlink(path("second"), path("new")).unwrap();
    fs::rename(path("new"), path("data")).unwrap();
    let new = async || (shown("relay.test", address).await == second.certificate()).then_some(());
    eventually("the second certificate is shown", PATIENCE, new).await;
    counted(&cluster, 0, "sealpost_certificate_reloads_total{outcome=\"loaded\"} 1").await;

    // Half a certificate; then a whole one with a key that is not its own.
    let whole = fs::read(path("second/tls.crt")).unwrap();
    fs::write(path("second/tls.crt"), &whole[..whole.len() / 2]).unwrap();
    counted(&cluster, 0, "sealpost_certificate_reloads_total{outcome=\"refused\"} 1").await;
    let third = authority.issue(&path("third"), &["relay.test"]);
    let fourth = authority.issue(&path("fourth"), &["relay.test"]);
    fs::copy(&third.certificate, path("second/tls.crt")).unwrap();
    counted(&cluster, 0, "sealpost_certificate_reloads_total{outcome=\"refused\"} 2").await;
    assert_ne!(shown("relay.test", address).await, third.certificate());
    fs::copy(&fourth.certificate, path("second/tls.crt")).unwrap();
    fs::copy(&fourth.key, path("second/tls.key")).unwrap();
    let new = async || (shown("relay.test", address).await == fourth.certificate()).then_some(());
    eventually("the fourth certificate is shown", PATIENCE, new).await;

    // Through all of this the first stream was open.
    let mut senders = DeliveryServiceClient::new(channel(address, client(&authority)).await);
    senders.send(owner.send(1)).await.unwrap();
    assert_eq!(stream.take(1).await, [(0, 1, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_name_is_shown_its_certificate() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let issue = |names: &[&str]| authority.issue(&directory.path().join(names[0]), names);
    let first = issue(&["relay.test"]);
    let second = issue(&["one.test", "two.test"]);
    let third = issue(&["x.one.test", "*.one.test"]);
    let cluster = Cluster::embedded_with(with(&[&first, &second, &third])).await;
    for (name, pair) in [
        ("relay.test", &first),
        ("two.test", &second),
        ("TWO.test", &second),
        ("x.one.test", &third),
        ("any.one.test", &third),
        ("below.any.one.test", &first),
        ("unknown.test", &first),
        ("127.0.0.1", &first),
    ] {
        assert_eq!(shown(name, cluster.address(0)).await, pair.certificate(), "{name}");
    }
    let unnamed = shown_to("two.test", cluster.address(0), |config| config.enable_sni = false).await;
    assert_eq!(unnamed, first.certificate());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_certificates_for_a_name_each_client_is_shown_one_that_it_knows() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let [first, second] = [("first", &PKCS_ECDSA_P256_SHA256), ("second", &PKCS_ED25519)]
        .map(|(name, kind)| authority.issue_with(&directory.path().join(name), &["relay.test"], kind, |_| {}));
    let cluster = Cluster::embedded_with(with(&[&first, &second])).await;
    for (scheme, pair) in [(SignatureScheme::ECDSA_NISTP256_SHA256, &first), (SignatureScheme::ED25519, &second)] {
        let only = Arc::new(Anybody { knows: vec![scheme] });
        let knows = |config: &mut ClientConfig| config.dangerous().set_certificate_verifier(only);
        assert_eq!(shown_to("relay.test", cluster.address(0), knows).await, pair.certificate(), "{scheme:?}");
    }
}

/// A gRPC connection over TLS.
async fn channel(address: SocketAddr, config: ClientConfig) -> Channel {
    let connector = service_fn(move |_| {
        let config = config.clone();
        async move { Ok::<_, io::Error>(TokioIo::new(connect(address, config).await?)) }
    });
    Endpoint::from_static("http://relay.test").connect_with_connector(connector).await.unwrap()
}
