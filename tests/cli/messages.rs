//! People who write to each other.

use std::collections::BTreeSet;
use std::process::Stdio;

use sealpost_client::{Device, Relay, RelayOptions, Trust};
use sealpost_testkit::{RedisServer, RedisSettings, eventually};
use serde_json::Value;

use crate::scene::{PATIENCE, Scene, json};

async fn alice_and_bob() -> Scene {
    let scene = Scene::new().await;
    scene.appear("alice");
    scene.appear("bob");
    scene.befriend("alice", "bob");
    scene
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_text_and_a_file_arrive_and_are_answered() {
    let scene = alice_and_bob().await;
    let bytes: Vec<u8> = (0..20_000_u32).flat_map(|number| number.to_be_bytes()).take(20_000).collect();
    std::fs::write(scene.path("photo.png"), &bytes).unwrap();
    scene.ok("alice", &["send", "bob", "Grüße \u{1b}[2Jan Bob"]);
    let sent = json(&scene.ok("alice", &["send", "bob", "--file", "photo.png", "--json"]));

    let shown = scene.ok("bob", &["receive", "--count", "1"]);
    assert!(shown.contains("Grüße \u{fffd}[2Jan Bob") && shown.contains("unknown (introduced as sp1"), "{shown}");
    let received = scene.receive("bob");
    let [file] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((&file["id"], &file["name"]), (&sent["id"], &Value::from("photo.png")));
    assert_eq!(std::fs::read(file["saved"].as_str().unwrap()).unwrap(), bytes);
    assert!(scene.receive("bob").is_empty());

    let stranger = json(&scene.ok("bob", &["contact", "list", "--json"]));
    scene.ok("bob", &["contact", "add", "alice", stranger["address"].as_str().unwrap()]);
    let mut answer = scene.command(["send", "alice", "-", "--profile", "bob"]);
    std::fs::write(scene.path("answer"), "Hello Alice,\nthank you!").unwrap();
    answer.stdin(std::fs::File::open(scene.path("answer")).unwrap());
    assert!(answer.output().unwrap().status.success());
    let [received] = &scene.receive("alice")[..] else { panic!("one message") };
    assert_eq!((&received["text"], &received["from"]), (&"Hello Alice,\nthank you!".into(), &"bob".into()));
}

#[tokio::test]
async fn p2_p3_a_thousand_messages_outlive_the_relay() {
    let mut scene = alice_and_bob().await;
    scene.ok("alice", &["send", "bob", "note", "--count", "1000"]);
    scene.kill_relay();
    scene.run_as("bob", &["receive", "--timeout", "1"]).failed(1, &["cannot be reached", "sealpost serve"]);
    scene.start_relay(&[]).await;
    let received = scene.receive("bob");
    let expected: Vec<String> = (1..=1000).map(|number| format!("note {number}")).collect();
    assert_eq!(texts(&received), expected);
    assert!(scene.receive("bob").is_empty());
    assert_eq!(json(&scene.ok("bob", &["mailbox", "show", "--json"]))["queued_messages"], 0);
}

#[tokio::test]
async fn whoever_follows_reads_live_and_through_a_restart() {
    let mut scene = alice_and_bob().await;
    let mut follow = scene.command(["receive", "--follow", "--count", "3", "--json", "--profile", "bob"]);
    let (out, err) = (scene.path("out"), scene.path("err"));
    follow.stdout(std::fs::File::create(&out).unwrap()).stderr(std::fs::File::create(&err).unwrap());
    let mut follow = follow.spawn().unwrap();
    let said =
        |path: &std::path::Path, words: &str| std::fs::read_to_string(path).unwrap().contains(words).then_some(());
    eventually("it is connected", PATIENCE, async || said(&err, "Connected to")).await;
    scene.ok("alice", &["send", "bob", "one"]);
    eventually("the first came", PATIENCE, async || said(&out, "\"one\"")).await;
    scene.kill_relay();
    eventually("it has noticed", PATIENCE, async || said(&err, "Not connected")).await;
    scene.start_relay(&[]).await;
    scene.ok("alice", &["send", "bob", "two"]);
    scene.ok("alice", &["send", "bob", "three", "--suite", "x25519", "--urgent"]);
    eventually("it ends after three", PATIENCE, async || follow.try_wait().unwrap()).await;
    let out = std::fs::read_to_string(&out).unwrap();
    let received: Vec<Value> = out.lines().map(json).collect();
    assert_eq!(texts(&received), ["one", "two", "three"]);
}

#[tokio::test]
async fn p5_the_newest_reader_wins_and_the_older_one_says_why() {
    let scene = alice_and_bob().await;
    let follow = |home: &str| {
        let mut command = scene.command(["receive", "--follow", "--profile", "bob", "--home", home]);
        command.stdout(Stdio::null()).stderr(std::fs::File::create(scene.path(home).with_extension("err")).unwrap());
        command.spawn().unwrap()
    };
    let said = |home: &str, words: &str| {
        std::fs::read_to_string(scene.path(home).with_extension("err")).unwrap().contains(words).then_some(())
    };
    std::fs::create_dir_all(scene.path("copy/bob")).unwrap();
    for file in ["device.json", "relay.json"] {
        std::fs::copy(scene.path("home/bob").join(file), scene.path("copy/bob").join(file)).unwrap();
    }
    let mut first = follow("home");
    eventually("the first reads", PATIENCE, async || said("home", "Connected")).await;
    scene.run_as("bob", &["receive"]).failed(1, &["received already"]);
    let mut second = follow("copy");
    let ended = eventually("the first is displaced", PATIENCE, async || first.try_wait().unwrap()).await;
    assert_eq!(ended.code(), Some(1));
    assert!(said("home", "DISPLACED").is_some() && said("home", "one reader").is_some());
    second.kill().unwrap();
    second.wait().unwrap();
}

#[tokio::test]
async fn nothing_is_sent_to_those_who_took_their_invite_back() {
    let scene = alice_and_bob().await;
    scene.ok("bob", &["mailbox", "delete", "--yes"]);
    scene.run_as("alice", &["send", "bob", "hello"]).failed(1, &["DELIVERY_REFUSED", "new invite"]);
    scene.run_as("bob", &["receive"]).failed(1, &["MAILBOX_UNKNOWN", "mailbox create"]);
    scene.ok("bob", &["mailbox", "create"]);
    scene.ok("alice", &["send", "bob", "hello"]);
    assert_eq!(texts(&scene.receive("bob")), ["hello"]);
}

#[tokio::test]
async fn an_invite_may_have_a_key_of_its_own_and_an_end() {
    let scene = alice_and_bob().await;
    let invite = json(&scene.ok("bob", &["invite", "--expires", "5", "--json"]));
    let plain = json(&scene.ok("bob", &["invite", "--json"]));
    assert_ne!(invite["link"], plain["link"]);
    assert!(invite["expires_hour"].is_u64() && plain["expires_hour"].is_null());
    scene.ok("alice", &["send", invite["link"].as_str().unwrap(), "by link"]);
    assert_eq!(texts(&scene.receive("bob")), ["by link"]);
    assert!(scene.ok("bob", &["mailbox", "show"]).contains("until 20"));
    assert!(scene.ok("bob", &["invite"]).contains('█'));
}

#[tokio::test]
async fn p2_what_could_not_be_shown_or_saved_comes_again() {
    let scene = alice_and_bob().await;
    scene.ok("alice", &["send", "bob", "precious"]);
    let mut receive = scene.command(["receive", "--profile", "bob"]);
    let full = receive.stdout(std::fs::File::options().write(true).open("/dev/full").unwrap());
    assert_eq!(full.stderr(Stdio::null()).status().unwrap().code(), Some(1));
    assert_eq!(texts(&scene.receive("bob")), ["precious"]);

    std::fs::write(scene.path("a.pdf"), "paper").unwrap();
    scene.ok("alice", &["send", "bob", "--file", "a.pdf"]);
    scene.run_as("bob", &["receive", "--save", "a.pdf/in"]).failed(1, &["a.pdf/in cannot be written"]);
    scene.ok("bob", &["receive", "--save", "in"]);
    assert_eq!(std::fs::read(scene.path("in/a.pdf")).unwrap(), b"paper");
}

#[tokio::test]
async fn p6_a_full_mailbox_is_told_and_nothing_is_dropped() {
    let mut scene = Scene::bare();
    scene.start_relay(&["--mailbox-max-messages", "10"]).await;
    scene.appear("alice");
    scene.appear("bob");
    scene.befriend("alice", "bob");
    let send = scene.run_as("alice", &["send", "bob", "n", "--count", "12", "--timeout", "1"]);
    send.failed(1, &["after 10 messages", "MAILBOX_FULL", "have been online"]);
    assert_eq!(scene.receive("bob").len(), 10);
}

#[tokio::test]
async fn an_unknown_sender_waits_until_known_or_discarded() {
    let scene = alice_and_bob().await;
    scene.ok("alice", &["send", "bob", "hello"]);
    scene.receive("bob");
    // As if the contacts were lost; alice introduces herself no more.
    std::fs::remove_file(scene.path("home/bob/contacts.json")).unwrap();
    scene.ok("alice", &["send", "bob", "it is me"]);
    scene.run_as("bob", &["receive"]).failed(1, &["cannot be opened", "did not introduce", "--discard"]);
    scene.befriend("bob", "alice");
    let received = scene.receive("bob");
    assert_eq!((texts(&received), &received[0]["from"]), (vec!["it is me"], &"alice".into()));

    scene.ok("bob", &["contact", "remove", "alice"]);
    scene.ok("alice", &["send", "bob", "again"]);
    scene.ok("bob", &["receive", "--discard"]);
    assert_eq!(json(&scene.ok("bob", &["mailbox", "show", "--json"]))["queued_messages"], 0);
}

#[tokio::test]
async fn new_keys_of_a_contact_are_fetched_when_a_message_needs_them() {
    let scene = alice_and_bob().await;
    scene.ok("alice", &["send", "bob", "hello"]);
    scene.receive("bob");
    let file = scene.path("home/alice/device.json");
    let mut alice = Device::from_json(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let later = alice.card().issued().saturating_add(1);
    alice.rotate(&mut rand::rng(), later);
    let ca = std::fs::read(scene.path("sealpost-data/tls/ca.pem")).unwrap();
    let options = RelayOptions::from_url(&scene.url()).unwrap().trust(Trust::Authorities(ca));
    Relay::connect(options).unwrap().update_mailbox(&alice).await.unwrap();
    std::fs::write(&file, alice.to_json().unwrap().as_bytes()).unwrap();
    scene.ok("alice", &["send", "bob", "with new keys"]);
    assert_eq!(texts(&scene.receive("bob")), ["with new keys"]);
}

#[tokio::test]
async fn people_at_different_relays_write_to_each_other() {
    let (mut here, mut there) = (Scene::bare(), Scene::bare());
    here.start_relay(&["--tls-mode", "plaintext"]).await;
    there.start_relay(&["--tls-mode", "plaintext"]).await;
    for (who, relay) in [("alice", &here), ("bob", &there)] {
        let url = format!("http://localhost:{}", relay.port);
        here.ok(who, &["mailbox", "create", "--plaintext", "--relay", &url]);
    }
    here.befriend("alice", "bob");
    here.ok("alice", &["send", "bob", "over there"]);
    let received = here.receive("bob");
    assert_eq!(texts(&received), ["over there"]);
    here.ok("bob", &["contact", "add", "alice", received[0]["address"].as_str().unwrap()]);
    here.ok("bob", &["send", "alice", "back here"]);
    assert_eq!(texts(&here.receive("alice")), ["back here"]);
}

#[tokio::test]
async fn an_inspection_shows_everything_and_then_nothing() {
    let redis = RedisServer::spawn(RedisSettings::default()).await;
    let scene = Scene::with_store(redis.url()).await;
    scene.appear("alice");
    let bob = scene.appear("bob");
    scene.befriend("alice", "bob");
    scene.ok("alice", &["send", "bob", "secret words", "--urgent"]);
    let inspect = |more: &[&str]| scene.run(["inspect", &bob, "--store", &redis.url()].iter().chain(more)).succeeded();
    let held = inspect(&[]);
    for words in
        [bob.as_str(), "delivery key", "public keys, issued 20", "4 KiB", "UTC", "urgent", "who sent an envelope"]
    {
        assert!(held.contains(words), "{words:?} is not in:\n{held}");
    }
    assert!(!held.contains("secret") && !held.contains("alice"));
    let shown = json(&inspect(&["--json"]));
    assert_eq!(shown["entries"][0]["sequence"], 1);
    assert_eq!(fields(&shown), explained(), "docs/disclosure.md explains each field that is shown, and no other");
    assert_eq!(texts(&scene.receive("bob")), ["secret words"]);
    assert_eq!(json(&inspect(&["--json"]))["entries"].as_array().unwrap().len(), 0);
    assert!(inspect(&[]).contains("waiting          nothing"));
}

/// Each field of what is shown, as in `entries[].bytes`.
fn fields(shown: &Value) -> BTreeSet<String> {
    let of = |path: String, value: &Value| match value {
        Value::Object(_) => fields(value).into_iter().map(|name| format!("{path}.{name}")).collect(),
        Value::Array(items) => {
            items.iter().flat_map(fields).map(|name| format!("{path}[].{name}")).collect::<BTreeSet<_>>()
        }
        _ => BTreeSet::from([path]),
    };
    shown.as_object().expect("an object").iter().flat_map(|(name, value)| of(name.clone(), value)).collect()
}

/// The fields in the first column of a table of docs/disclosure.md.
fn explained() -> BTreeSet<String> {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/disclosure.md")).unwrap();
    let (_, table) = document.split_once("| field of `inspect --json` |").expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split(','));
    names.map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

#[tokio::test]
async fn an_embedded_store_is_inspected_while_no_relay_has_it() {
    let mut scene = alice_and_bob().await;
    let bob = json(&scene.ok("bob", &["mailbox", "show", "--json"]))["address"].as_str().unwrap().to_owned();
    scene.ok("alice", &["send", "bob", "hello"]);
    scene.run(["inspect", &bob]).failed(1, &["a relay is running", "stop that relay"]);
    scene.kill_relay();
    assert!(scene.run(["inspect", &bob]).succeeded().contains("4 KiB"));
}
