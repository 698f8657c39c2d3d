//! Reflection.

use crate::cluster::Cluster;

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
