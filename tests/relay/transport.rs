//! TLS, reflection and metrics.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use sealpost::config::TlsMode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::cluster::Cluster;
use crate::owner::Owner;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_1_3_with_a_post_quantum_key_exchange_and_http_2() {
    let directory = tempfile::TempDir::new().unwrap();
    let cluster = Cluster::embedded_with(|settings| {
        settings.tls.mode = Some(TlsMode::Development);
        settings.tls.directory = Some(directory.path().to_owned());
    })
    .await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.path().join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(cluster.address(0)).await.unwrap();
    let name = ServerName::try_from("relay.test").unwrap();
    let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("the certificate is good");
    let (_, session) = tls.get_ref();
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    assert_eq!(session.negotiated_key_exchange_group().map(|group| group.name()), Some(NamedGroup::X25519MLKEM768));
    assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_apart_from_clients() {
    let cluster = Cluster::embedded().await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    senders.send(owner.send(1)).await.unwrap();
    senders.send(Owner::new().send(1)).await.unwrap_err();
    let mut socket = TcpStream::connect(cluster.relay(0).admin_address()).await.unwrap();
    socket.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    for line in [
        "sealpost_sends_total{outcome=\"Accepted\"} 1",
        "sealpost_sends_total{outcome=\"Refused\"} 1",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_resident_memory_bytes ",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing from {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_is_served_only_when_asked_for() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

    let ask = || {
        tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        })
    };
    let closed = Cluster::embedded().await;
    ServerReflectionClient::new(closed.channel(0).await).server_reflection_info(ask()).await.unwrap_err();

    let open = Cluster::embedded_with(|settings| settings.listen.reflection = Some(true)).await;
    let mut client = ServerReflectionClient::new(open.channel(0).await);
    let mut answers = client.server_reflection_info(ask()).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(services)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("a list of services");
    };
    let names: Vec<_> = services.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        names.contains(&"sealpost.v1.DeliveryService") && names.contains(&"sealpost.v1.MailboxService"),
        "{names:?}"
    );
}
