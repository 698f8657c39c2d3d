//! What people get wrong, and what they are told: why, and what to do.

use sealpost_testkit::{RedisServer, RedisSettings};

use crate::scene::{Scene, json};

#[tokio::test]
async fn whom_what_and_where() {
    let scene = Scene::new().await;
    scene.appear("alice");
    let send = |more: &[&str]| scene.run_as("alice", &[&["send"], more].concat());
    send(&["bob", "hello"]).failed(64, &["no contact \"bob\"", "contact list"]);
    send(&["sealpost://localhost/sp1qqq#abc", "hello"])
        .failed(64, &["no invite", "address is malformed", "whole link"]);
    send(&["http://localhost", "hello"]).failed(64, &["begins with sealpost://"]);
    send(&["bob", "--file", "nothing.png"]).failed(64, &["nothing.png cannot be read", "check the path"]);
    send(&["bob"]).failed(64, &["required"]);
    scene.run_as("alice", &["contact", "add", "bob", "sp1qqq"]).failed(64, &["no address"]);
    scene.run_as("bob", &["send", "alice", "hi"]).failed(64, &["no mailbox", "mailbox create --profile bob"]);
    scene.run_as("../bob", &["invite"]).failed(64, &["profile's name"]);
    scene.run_as("alice", &["mailbox", "create"]).failed(1, &["MAILBOX_EXISTS", "mailbox show"]);
    scene.run_as("alice", &["mailbox", "delete"]).failed(64, &["--yes"]);
    scene.run(["inspect", "sp1abc"]).failed(64, &["no address"]);
}

#[tokio::test]
async fn what_is_too_large_is_told_how_much_fits() {
    let scene = Scene::new().await;
    scene.appear("alice");
    scene.befriend("alice", "alice");
    std::fs::write(scene.path("large"), vec![1; 70_000]).unwrap();
    scene.run_as("alice", &["send", "alice", "--file", "large"]).failed(1, &["too large", "bytes fit", "split"]);
    assert!(scene.receive("alice").is_empty());
}

#[tokio::test]
async fn a_relay_that_is_not_trusted_or_not_there() {
    let mut scene = Scene::new().await;
    scene.appear("alice");
    let other = Scene::new().await;
    let url = other.url();
    let create = |more: &[&str]| scene.run_as("bob", &[&["mailbox", "create", "--timeout", "1"], more].concat());
    // In this directory lies the authority of another relay.
    create(&["--relay", &url]).failed(1, &["not trusted", "--ca FILE"]);
    create(&["--relay", &url, "--ca", "none.pem"]).failed(64, &["none.pem cannot be read"]);
    create(&["--relay", &url, "--ca", "relay.log"]).failed(64, &["not PEM"]);
    create(&["--relay", "localhost:1"]).failed(64, &["https://host"]);
    create(&["--relay", "http://localhost:1"]).failed(64, &["without encryption", "--plaintext"]);
    create(&["--relay", "https://localhost:1"]).failed(1, &["cannot be reached", "sealpost serve"]);
    create(&["--relay", &url, "--plaintext"]).failed(64, &["contradicts"]);
    // Nothing of these tries is left behind that would look like a mailbox.
    scene.run_as("bob", &["invite"]).failed(64, &["has no mailbox"]);
    scene.kill_relay();
    scene.run_as("alice", &["mailbox", "show", "--timeout", "1"]).failed(1, &["cannot be reached"]);
}

#[test]
fn a_configuration_is_refused_with_everything_that_is_wrong() {
    let scene = Scene::bare();
    std::fs::write(scene.path("a.toml"), "[mailbox]\nmax_messages = 0\n[listen]\naddress = \"nowhere\"\n").unwrap();
    for command in ["serve", "check-config"] {
        scene.run([command, "--config", "a.toml"]).failed(
            64,
            &["mailbox.max_messages must be at least 1", "listen.address \"nowhere\"", "sealpost.example.toml"],
        );
    }
    let wrong = ["check-config", "--web-origins", "https://app.example.org,*"];
    scene.run(wrong).failed(64, &["web.origins \"*\" is no origin", "there is no wildcard"]);
    std::fs::write(scene.path("b.toml"), "[mailbox]\nmax_massages = 1\n").unwrap();
    scene.run(["check-config", "--config", "b.toml"]).failed(64, &["b.toml", "max_massages"]);
    scene.run(["check-config", "--config", "c.toml"]).failed(64, &["c.toml cannot be read"]);
    scene.run(["check-config"]).succeeded();
    scene.run(["inspect", &format!("sp1{}", "q".repeat(58))]).failed(64, &["no address"]);
}

#[tokio::test]
async fn without_encryption_if_that_is_meant() {
    let mut scene = Scene::bare();
    scene.start_relay(&["--tls-mode", "plaintext"]).await;
    let url = format!("http://localhost:{}", scene.port);
    scene.ok("alice", &["mailbox", "create", "--plaintext", "--relay", &url]);
    // It is remembered.
    assert_eq!(json(&scene.ok("alice", &["mailbox", "show", "--json"]))["relay"], url);
}

#[tokio::test]
async fn a_relay_that_redis_refuses_says_what_to_set_and_ends() {
    let settings = RedisSettings { password: Some("sesame".to_owned()), ..RedisSettings::default() };
    let redis = RedisServer::spawn(settings).await;
    let scene = Scene::bare();
    let serve = |url: &str, more: &[&str]| {
        let said = scene.run([&["serve", "--listen", "127.0.0.1:0", "--store", url], more].concat());
        for secret in ["sesam", "127.0.0.1", &redis.port().to_string()] {
            assert!(!said.err.contains(secret), "{secret:?} is given away:\n{}", said.err);
        }
        said
    };
    let url = redis.url();
    serve(&url.replace("sesame", "sesamum"), &[])
        .failed(1, &["refuses the user or the password", "store.password_file"]);
    serve(&url, &["--store-durability", "fsync"]).failed(1, &["store.durability", "set appendonly yes"]);
    serve(&url, &["--store-durability", "replicas:1"]).failed(1, &["store.durability", "connect more replicas"]);
    serve(&url.replace("redis://", "redis+cluster://"), &[]).failed(1, &["store.url", "write redis://"]);
}
