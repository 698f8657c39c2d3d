//! Metrics and reflection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cluster::Cluster;
use crate::owner::Owner;

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
        "sealpost_certificate_reloads_total{outcome=\"Refused\"} 0",
        "\nprocess_cpu_seconds_total ",
        "\nprocess_resident_memory_bytes ",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing from {text}");
    }
    assert!(!text.contains("\nsealpost_certificate_days_left{"), "there is no certificate: {text}");
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
