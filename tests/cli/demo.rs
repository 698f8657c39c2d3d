//! The demo, which promises an exit code of 0 only if everything held.

use std::process::Command;

use sealpost_testkit::{RedisServer, RedisSettings};

use crate::scene::{Scene, json};

fn report(scene: &Scene, more: &[&str]) -> serde_json::Value {
    let mut command: Command = scene.command(["demo", "--json"]);
    let said = command.args(more).env("TMPDIR", scene.path("")).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    json(&String::from_utf8(said.stdout).unwrap())
}

fn check(report: &serde_json::Value) {
    assert_eq!((&report["ok"], &report["store_empty"]), (&true.into(), &true.into()));
    let messages = report["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 3);
    for message in messages {
        assert_eq!(message["wrote_sha256"], message["read_sha256"]);
        assert_ne!(message["wrote_sha256"], message["relay_held_sha256"]);
    }
}

#[test]
fn on_the_embedded_store_it_leaves_nothing_behind() {
    let scene = Scene::bare();
    check(&report(&scene, &[]));
    assert_eq!(std::fs::read_dir(scene.path("")).unwrap().count(), 0);
}

#[tokio::test]
async fn on_redis_it_leaves_no_mailbox_behind() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    let scene = Scene::bare();
    check(&report(&scene, &["--store", &redis.url()]));
    let mut redis = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut redis).await.unwrap();
    // Proofs that were used are remembered until their time is over.
    assert!(keys.iter().all(|key| key.starts_with("n:")), "{keys:?}");
}

#[test]
fn any_file_will_do_if_it_fits() {
    let scene = Scene::bare();
    std::fs::write(scene.path("small.bin"), [7; 60_000]).unwrap();
    check(&report(&scene, &["--file", "small.bin"]));
    std::fs::write(scene.path("large.bin"), [7; 70_000]).unwrap();
    scene.run(["demo", "--file", "large.bin"]).failed(1, &["too large", "bytes fit"]);
}

#[test]
fn people_are_told_the_whole_story() {
    let scene = Scene::bare();
    let story = scene.run(["demo"]).succeeded();
    for words in ["Alice sends", "Bob comes online", "ciphertext", "SHA-256", "byte for byte", "no envelope any more"] {
        assert!(story.contains(words), "{words:?} is not in:\n{story}");
    }
    assert!(!story.contains('\u{1b}'), "colour is for terminals");
    assert!(story.lines().all(|line| line.chars().count() <= 100), "{story}");
}
