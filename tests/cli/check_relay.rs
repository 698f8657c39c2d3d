//! `sealpost check-relay`: it says that a relay works only if it does, and why not.

use sealpost_testkit::{RedisServer, RedisSettings};

use crate::scene::{Scene, json};

const CA: [&str; 2] = ["--ca", "sealpost-data/tls/ca.pem"];

#[tokio::test]
async fn a_relay_that_works_passes_and_nothing_is_left_at_it() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    let scene = Scene::with_store(redis.url()).await;
    let told = scene.run(["check-relay", &scene.url(), CA[0], CA[1]]).succeeded();
    for words in ["make a mailbox each", "stored a sealed text", "verifies", "writes again", "deleted", "works."] {
        assert!(told.contains(words), "{words:?} is not in:\n{told}");
    }
    let told = json(&scene.run(["check-relay", &scene.url(), CA[0], CA[1], "--json"]).succeeded());
    assert_eq!(told["ok"], true);
    assert_eq!(told["steps"].as_array().unwrap().len(), 7, "{told}");
    for kind in ["m:*", "q:*", "c:*"] {
        let left = redis.command(&["KEYS", kind]).await.unwrap();
        assert_eq!(left.items().len(), 0, "{left:?}");
    }
}

#[tokio::test]
async fn a_relay_is_asked_by_its_name_wherever_it_is_connected_to() {
    let mut scene = Scene::bare();
    scene.start_relay(&["--relay-names", "relay.example.org"]).await;
    let here = format!("localhost:{}", scene.port);
    let check = |url: &str, more: &[&str]| scene.run([&["check-relay", url], &CA[..], more].concat());
    check("https://relay.example.org", &["--connect-to", &here]).succeeded();
    // Its certificate is for its names, and not for this one.
    check(&scene.url(), &[]).failed(1, &["not trusted"]);
}

#[tokio::test]
async fn in_plaintext_to_another_machine_if_that_is_meant() {
    let mut scene = Scene::bare();
    scene.start_relay(&["--tls-mode", "plaintext", "--relay-names", "relay.example.org"]).await;
    let here = format!("localhost:{}", scene.port);
    let check = ["check-relay", "http://relay.example.org", "--connect-to", &here];
    scene.run(check).failed(64, &["without encryption", "--plaintext"]);
    scene.run(check.into_iter().chain(["--plaintext"])).succeeded();
}

#[tokio::test]
async fn what_is_wrong_is_said_with_what_to_do() {
    let mut scene = Scene::new().await;
    let url = scene.url();
    let check = |url: &str, more: &[&str]| scene.run([&["check-relay", url, "--timeout", "1"], more].concat());
    // An authority that the system does not know, and another relay's.
    check(&url, &[]).failed(1, &["not trusted", "--ca FILE"]);
    let other = Scene::new().await;
    check(&other.url(), &CA).failed(1, &["not trusted"]);
    check(&url, &["--ca", "none.pem"]).failed(64, &["none.pem cannot be read"]);
    check("localhost:1", &CA).failed(64, &["no relay", "https://localhost:8443"]);
    check("https://localhost:1", &CA).failed(1, &["cannot be reached"]);
    scene.kill_relay();
    scene.run(["check-relay", &url, CA[0], CA[1], "--timeout", "1"]).failed(1, &["cannot be reached"]);
}

#[tokio::test]
async fn a_relay_that_asks_for_vouchers_is_given_one_for_each_mailbox() {
    let mut scene = Scene::bare();
    let public = scene.run(["voucher", "keygen"]).succeeded();
    scene.start_relay(&["--admission-mode", "voucher", "--admission-operator-keys", public.trim()]).await;
    let issued = scene.run(["voucher", "issue", "--relay-name", "localhost", "--count", "2"]).succeeded();
    let [first, second] = issued.lines().collect::<Vec<_>>()[..] else { panic!("{issued}") };
    let url = scene.url();
    let check = |more: &[&str]| scene.run([&["check-relay", &url], &CA[..], more].concat());
    check(&[]).failed(1, &["VOUCHER_REQUIRED", "--voucher TEXT --voucher TEXT"]);
    check(&["--voucher", first]).failed(64, &["two vouchers or none"]);
    check(&["--voucher", first, "--voucher", "x"]).failed(64, &["copy it whole"]);
    check(&["--voucher", first, "--voucher", second]).succeeded();
}

#[tokio::test]
async fn a_relay_whose_store_takes_nothing_does_not_pass() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    let scene = Scene::with_store(redis.url()).await;
    redis.config_set("maxmemory", "1").await;
    let check = ["check-relay", &scene.url(), CA[0], CA[1], "--timeout", "2"];
    scene.run(check).failed(1, &["STORE_UNAVAILABLE"]);
}
