//! Pages in browsers: gRPC-Web, and CORS.

use std::sync::Arc;

use http::{HeaderMap, Version};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sealpost::config::{Settings, TlsMode};
use sealpost_core::Operation;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;
use sealpost_proto::v1::receive_response::Kind as Said;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::Code;

use crate::browser::{Answer, Browser};
use crate::cluster::{Cluster, PATIENCE};
use crate::owner::{Owner, number};
use crate::stream::Stream;

const APP: &str = "https://app.example.org";
const STRANGER: &str = "https://elsewhere.example.org";
const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

fn for_browsers(settings: &mut Settings) {
    settings.web.origins = Some(vec!["http://localhost:3000".to_owned(), APP.to_owned()]);
}

async fn browser(cluster: &Cluster, relay: usize, version: Version) -> Browser {
    Browser::new(cluster.address(relay), version, APP).await
}

/// What is listed behind such a header.
fn listed(headers: &HeaderMap, name: &str) -> Vec<String> {
    let values = headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap().split(','));
    values.map(|value| value.trim().to_lowercase()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_named_origin_is_told_what_it_may_do() {
    let cluster = Cluster::embedded_with(for_browsers).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    for version in VERSIONS {
        let mut page = browser(&cluster, 0, version).await;
        let answer = page.preflight("DeliveryService/Send").await;
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert_eq!(headers["access-control-allow-origin"], APP);
        assert_eq!(listed(headers, "access-control-allow-methods"), ["post"]);
        assert_eq!(
            listed(headers, "access-control-allow-headers"),
            ["content-type", "x-grpc-web", "x-user-agent", "grpc-timeout"]
        );
        assert_eq!(headers["access-control-max-age"], "7200");
        assert!(listed(headers, "vary").contains(&"origin".to_owned()));
        assert!(!headers.contains_key("access-control-allow-credentials"), "the services are called without cookies");

        let answer = page.call("DeliveryService/Send", &owner.send(1)).await;
        assert_eq!(answer.headers["access-control-allow-origin"], APP);
        assert_eq!(answer.headers["content-type"], "application/grpc-web+proto");
        assert_eq!(
            listed(&answer.headers, "access-control-expose-headers"),
            ["grpc-status", "grpc-message", "grpc-status-details-bin"]
        );
        answer.only::<v1::SendResponse>().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_gets_nothing_done() {
    let cluster = Cluster::embedded_with(for_browsers).await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    for version in VERSIONS {
        for origin in [STRANGER, "null", "https://app.example.org.elsewhere.example", "http://app.example.org"] {
            let mut page = Browser::new(cluster.address(0), version, origin).await;
            let answer = page.preflight("DeliveryService/Send").await;
            assert_eq!(answer.status(), 403);
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
            // The second type is one for which a browser does not ask first.
            for kind in ["application/grpc-web+proto", "text/plain"] {
                let mut page = Browser::new(cluster.address(0), version, origin).await;
                let answer = page.call_as(kind, "DeliveryService/Send", &owner.send(1)).await.unwrap();
                assert_eq!(answer.status, 403);
                assert!(!answer.headers.contains_key("access-control-allow-origin"));
            }
        }
    }
    assert_eq!(owner.describe(&mut owners).await.unwrap().last_sequence, 0, "nothing was queued");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p12_a_page_reads_why_it_was_refused() {
    let cluster = Cluster::embedded_with(for_browsers).await;
    for version in VERSIONS {
        let mut page = browser(&cluster, 0, version).await;
        let answer = page.call("DeliveryService/Send", &Owner::new().send(1)).await;
        assert_eq!(answer.status, 200);
        let refused = answer.only::<v1::SendResponse>().await.unwrap_err();
        assert_eq!(Failure::from_status(&refused).unwrap().reason, Reason::DeliveryRefused);
        let unknown = page.call("DeliveryService/Nothing", &v1::SendResponse {}).await;
        let unknown = unknown.only::<v1::SendResponse>().await.unwrap_err();
        assert_eq!(unknown.code(), Code::Unimplemented);
        assert!(Failure::from_status(&unknown).is_some(), "it is typed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p9_a_page_that_acknowledges_at_one_relay_gets_credit_at_another() {
    let cluster = Cluster::redis_with(2, for_browsers).await;
    for version in VERSIONS {
        let owner = Owner::new();
        let mut here = browser(&cluster, 0, version).await;
        let mut there = browser(&cluster, 1, version).await;
        let made = here.call("MailboxService/CreateMailbox", &owner.creation()).await;
        made.only::<v1::CreateMailboxResponse>().await.unwrap();
        for number in 1..=4 {
            let sent = there.call("DeliveryService/Send", &owner.send(number)).await;
            sent.only::<v1::SendResponse>().await.unwrap();
        }

        let mut stream = here.call("MailboxService/Subscribe", &subscription(&owner, 2)).await;
        let Said::Opened(opened) = said(&mut stream).await else { panic!("opened first") };
        assert_eq!(numbers(&mut stream, 2).await, [1, 2]);
        let acknowledge = |up_to| v1::AcknowledgeRequest {
            address: owner.address().as_bytes().to_vec().into(),
            session: opened.mailboxes[0].session.clone(),
            up_to,
            sequences: vec![],
        };
        let done = there.call("MailboxService/Acknowledge", &acknowledge(2)).await;
        done.only::<v1::AcknowledgeResponse>().await.unwrap();
        assert_eq!(numbers(&mut stream, 2).await, [3, 4]);
        let done = there.call("MailboxService/Acknowledge", &acknowledge(4)).await;
        done.only::<v1::AcknowledgeResponse>().await.unwrap();
        // Live, now that all that waited is gone.
        let sent = there.call("DeliveryService/Send", &owner.send(5)).await;
        sent.only::<v1::SendResponse>().await.unwrap();
        assert_eq!(numbers(&mut stream, 1).await, [5]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_may_speak_base64() {
    const TEXT: &str = "application/grpc-web-text+proto";
    let cluster = Cluster::embedded_with(for_browsers).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    for (number, version) in (1..).zip(VERSIONS) {
        let mut page = browser(&cluster, 0, version).await;
        let sent = page.call_as(TEXT, "DeliveryService/Send", &owner.send(number)).await.unwrap();
        assert_eq!(sent.headers["content-type"], TEXT);
        sent.only::<v1::SendResponse>().await.unwrap();
        let mut stream = page.call_as(TEXT, "MailboxService/Subscribe", &subscription(&owner, 2)).await.unwrap();
        assert!(matches!(said(&mut stream).await, Said::Opened(_)));
        assert_eq!(numbers(&mut stream, usize::try_from(number).unwrap()).await, (1..=number).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p11_a_page_is_told_that_the_relay_leaves() {
    for version in VERSIONS {
        let mut cluster = Cluster::embedded_with(|settings| {
            for_browsers(settings);
            settings.drain.deadline_ms = Some(3_600_000);
        })
        .await;
        let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
        let mut page = browser(&cluster, 0, version).await;
        let mut stream = page.call("MailboxService/Subscribe", &subscription(&owner, 2)).await;
        assert!(matches!(said(&mut stream).await, Said::Opened(_)));
        let leaving = tokio::spawn(cluster.take(0).drain());
        let closing = loop {
            match said(&mut stream).await {
                Said::Closing(closing) => break closing,
                Said::CaughtUp(_) | Said::Ping(_) => {}
                other => panic!("not expected: {other:?}"),
            }
        };
        assert_eq!(Reason::try_from(closing.reason), Ok(Reason::Draining));
        let end = stream.next::<v1::ReceiveResponse>().await.unwrap_err();
        assert_eq!(Failure::from_status(&end).unwrap().reason, Reason::Draining);
        tokio::time::timeout(PATIENCE, leaving).await.expect("nothing holds it up").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_clients_are_served_beside_pages() {
    let cluster = Cluster::embedded_with(for_browsers).await;
    let mut owners = cluster.owners(0).await;
    let owner = Owner::with_mailbox(&mut owners).await;
    cluster.senders(0).await.send(owner.send(1)).await.unwrap();
    let mut stream = Stream::open(&mut owners, &owner).await;
    assert_eq!(stream.until_caught_up().await, [(0, 1, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_grpc_gets_an_answer_of_http() {
    for named in [false, true] {
        let cluster = Cluster::embedded_with(|settings| {
            if named {
                for_browsers(settings);
            }
        })
        .await;
        let mut owners = cluster.owners(0).await;
        let owner = Owner::with_mailbox(&mut owners).await;
        let mut client = browser(&cluster, 0, Version::HTTP_2).await;
        let others = ["text/plain", "application/json", "application/grpcish", "application/grpc-web+proto"];
        for kind in others.into_iter().take(if named { 3 } else { 4 }) {
            let answer = client.call_as(kind, "DeliveryService/Send", &owner.send(1)).await.unwrap();
            assert_eq!(answer.status, 415, "{kind}");
            assert!(!answer.headers.contains_key("grpc-status"), "{kind}");
        }
        assert_eq!(owner.describe(&mut owners).await.unwrap().last_sequence, 0, "nothing was queued");
        for (number, kind) in (1..).zip(["application/grpc", "application/grpc+proto"]) {
            let answer = client.call_as(kind, "DeliveryService/Send", &owner.send(number)).await.unwrap();
            assert_eq!(answer.status, 200, "{kind}");
            assert_eq!(owner.describe(&mut owners).await.unwrap().last_sequence, number, "{kind}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_served_only_where_an_origin_is_named() {
    let cluster = Cluster::embedded().await;
    let mut page = browser(&cluster, 0, Version::HTTP_11).await;
    let call = page.try_call("DeliveryService/Send", &Owner::new().send(1)).await;
    assert!(call.is_err(), "HTTP/1.1 is not spoken");
    let mut page = browser(&cluster, 0, Version::HTTP_2).await;
    let answer = page.preflight("DeliveryService/Send").await;
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_1_is_negotiated_only_where_an_origin_is_named() {
    for (named, spoken) in [(true, Some(b"http/1.1".as_slice())), (false, None)] {
        let directory = tempfile::TempDir::new().unwrap();
        let cluster = Cluster::embedded_with(|settings| {
            settings.tls.mode = Some(TlsMode::Development);
            settings.tls.directory = Some(directory.path().to_owned());
            if named {
                for_browsers(settings);
            }
        })
        .await;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(directory.path().join("ca.pem")).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let negotiated = async |offered: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
            let socket = TcpStream::connect(cluster.address(0)).await.unwrap();
            let name = ServerName::try_from("relay.test").unwrap();
            let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.ok()?;
            tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
        };
        assert_eq!(negotiated(&[b"http/1.1"]).await.as_deref(), spoken);
        assert_eq!(negotiated(&[b"http/1.1", b"h2"]).await.as_deref(), Some(b"h2".as_slice()), "the relay prefers it");
    }
}

fn subscription(owner: &Owner, credit: u32) -> v1::SubscribeRequest {
    let open = v1::Open {
        proofs: vec![owner.proof(Operation::OpenMailbox)],
        max_outstanding_messages: credit,
        max_outstanding_bytes: 0,
    };
    v1::SubscribeRequest { open: Some(open) }
}

async fn said(stream: &mut Answer) -> Said {
    stream.next::<v1::ReceiveResponse>().await.expect("no end").kind.expect("a known kind")
}

/// The numbers that envelopes tell, until there are so many.
async fn numbers(stream: &mut Answer, many: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < many {
        match said(stream).await {
            Said::Deliveries(deliveries) => {
                numbers.extend(deliveries.deliveries.iter().map(|delivery| number(&delivery.envelope)));
            }
            Said::CaughtUp(_) | Said::Ping(_) => {}
            other => panic!("not expected: {other:?}"),
        }
    }
    numbers
}
