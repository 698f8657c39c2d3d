//! P11 of a relay as a process: what signals do to it.

use std::process::Stdio;

use sealpost_testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::scene::{PATIENCE, Scene};

/// Longer than any test runs.
const FOREVER_MS: &str = "3600000";

#[tokio::test]
async fn p11_during_the_notice_it_serves_and_a_second_signal_ends_it_at_once() {
    let mut scene = Scene::bare();
    scene.start_relay(&["--drain-notice-ms", FOREVER_MS]).await;
    eventually("it is ready", PATIENCE, async || (ready(&scene.admin).await == Some(200)).then_some(())).await;
    scene.signal_relay();
    eventually("it says that it leaves", PATIENCE, async || (ready(&scene.admin).await == Some(503)).then_some(()))
        .await;
    scene.appear("alice");

    let status = scene.stop_relay().await;
    assert_eq!(status.code(), Some(1));
    let log = std::fs::read_to_string(scene.path("relay.log")).unwrap();
    assert!(log.contains("told twice to stop"), "{log}");
}

#[tokio::test]
async fn p11_it_leaves_by_itself_when_the_notice_is_over() {
    let mut scene = Scene::bare();
    scene.start_relay(&["--drain-notice-ms", "100", "--drain-spread-ms", "100"]).await;
    assert_eq!(scene.stop_relay().await.code(), Some(0));
}

#[tokio::test]
async fn a_relay_that_still_starts_says_so_and_can_be_stopped() {
    // Redis takes connections, and is silent.
    let redis = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let scene = Scene::bare();
    let store = format!("redis://{}", redis.local_addr().unwrap());
    let mut command = scene.command(["serve", "--listen", "127.0.0.1:0", "--listen-admin", &admin, "--store", &store]);
    let mut relay = command.args(["--store-timeout-ms", FOREVER_MS]).stderr(Stdio::null()).spawn().unwrap();
    eventually("it starts", PATIENCE, async || (get(&admin, "/startupz").await == Some(503)).then_some(())).await;
    assert_eq!(get(&admin, "/livez").await, Some(200));
    assert_eq!(ready(&admin).await, Some(503));
    let asked = std::process::Command::new("kill").arg(relay.id().to_string()).status().unwrap();
    assert!(asked.success());
    let status = eventually("it ends", PATIENCE, async || relay.try_wait().unwrap()).await;
    assert_eq!(status.code(), Some(0));
}

async fn ready(admin: &str) -> Option<u16> {
    get(admin, "/readyz").await
}

/// The status of a page, if somebody answers.
async fn get(admin: &str, path: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(admin).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}
