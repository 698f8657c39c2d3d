//! Whoever looks at a relay's admin listener.

use std::net::SocketAddr;

use sealpost_testkit::eventually;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::cluster::PATIENCE;

/// An operator of one relay.
pub(crate) struct Operator {
    admin: SocketAddr,
}

impl Operator {
    pub(crate) fn of(admin: SocketAddr) -> Self {
        Self { admin }
    }

    /// The status and the body of a page.
    pub(crate) async fn get(&self, path: &str, accept: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.admin).await.expect("the admin listener is there");
        let request = format!("GET {path} HTTP/1.1\r\nhost: relay\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) async fn status(&self, path: &str) -> u16 {
        self.get(path, "*/*").await.0
    }

    /// Names of the conditions that do not hold.
    pub(crate) async fn failing(&self) -> Vec<String> {
        let (status, body) = self.get("/readyz", "application/json").await;
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["ready"], status == 200, "{told}");
        let failing = told["conditions"].as_array().unwrap().iter().filter(|condition| condition["holds"] == false);
        failing.map(|condition| condition["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until exactly these conditions do not hold.
    pub(crate) async fn sees_failing(&self, names: &[&str]) {
        let seen = async || (self.failing().await == names).then_some(());
        eventually(&format!("what fails is {names:?}"), PATIENCE, seen).await;
    }

    pub(crate) async fn health(&self) -> HealthClient<Channel> {
        HealthClient::new(Endpoint::from_shared(format!("http://{}", self.admin)).unwrap().connect().await.unwrap())
    }
}

/// What gRPC health says of a service: 1 that it serves, 2 that it does not; `None` if there is none of the name.
pub(crate) async fn serving(health: &mut HealthClient<Channel>, service: &str) -> Option<i32> {
    match health.check(HealthCheckRequest { service: service.to_owned() }).await {
        Ok(answer) => Some(answer.into_inner().status),
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound);
            None
        }
    }
}
