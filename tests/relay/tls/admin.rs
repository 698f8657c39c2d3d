//! TLS of the admin listener.

use sealpost::config::AdminTlsMode;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use sealpost_testkit::eventually;

use super::*;

/// Asks for the metrics; a failure may come with the handshake or behind it, where TLS 1.3 refuses a certificate.
async fn scrape(cluster: &Cluster, mut config: ClientConfig) -> io::Result<String> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let mut tls = connect(cluster.relay(0).admin_address(), config).await?;
    tls.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    tls.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_speak_tls_to_anybody() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let cluster = Cluster::embedded_with(|settings| {
        with(&[&pair])(settings);
        settings.tls.admin = Some(AdminTlsMode::Server);
    })
    .await;
    let text = scrape(&cluster, client(&authority)).await.expect("it is served");
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\nsealpost_ticket_key_reloads_total{"), "{text}");
    eventually("the days are told", PATIENCE, async || {
        let text = scrape(&cluster, client(&authority)).await.unwrap();
        text.contains("\nsealpost_certificate_days_left ").then_some(())
    })
    .await;
    let mut plaintext = TcpStream::connect(cluster.relay(0).admin_address()).await.unwrap();
    plaintext.write_all(b"GET /metrics HTTP/1.1\r\nhost: relay\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // The relay may cut it, too.
    let _ = plaintext.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "nothing is served in plaintext");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_ask_for_a_certificate_of_an_authority_that_changes() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let pair = authority.issue(directory.path(), &["relay.test"]);
    let [first, second] = [Authority::new(), Authority::new()];
    let file = directory.path().join("clients.pem");
    first.write(&file);
    let cluster = Cluster::embedded_with(|settings| {
        with(&[&pair])(settings);
        settings.tls.admin = Some(AdminTlsMode::Mutual);
        settings.tls.admin_client_ca = Some(file.clone());
    })
    .await;
    let of = |issuer: &Authority, name: &str| {
        let pair = issuer.issue(&directory.path().join(name), &["prometheus.test"]);
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authority.trusted())
            .with_client_auth_cert(vec![pair.certificate()], pair.key())
            .unwrap();
        config.resumption = rustls::client::Resumption::disabled();
        config
    };
    let [first_client, second_client] = [of(&first, "first"), of(&second, "second")];
    assert!(scrape(&cluster, first_client.clone()).await.unwrap().starts_with("HTTP/1.1 200"));
    scrape(&cluster, second_client.clone()).await.expect_err("of another authority");
    scrape(&cluster, client(&authority)).await.expect_err("without a certificate");
    // Clients of the relay need none.
    connect(cluster.address(0), client(&authority)).await.expect("senders are nobody");

    second.write(&file);
    counted(&cluster, 0, "sealpost_certificate_reloads_total{outcome=\"loaded\"} 1").await;
    assert!(scrape(&cluster, second_client).await.unwrap().starts_with("HTTP/1.1 200"));
    scrape(&cluster, first_client).await.expect_err("of the authority that was");
}
