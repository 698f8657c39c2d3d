//! What whoever runs a relay does.

use std::os::unix::fs::PermissionsExt as _;

use crate::scene::Scene;

#[tokio::test]
async fn vouchers_admit_one_mailbox_each() {
    let mut scene = Scene::bare();
    let public = scene.run(["voucher", "keygen"]).succeeded();
    let mode = std::fs::metadata(scene.path("operator.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    scene.run(["voucher", "keygen"]).failed(64, &["exists already"]);
    scene.start_relay(&["--admission-mode", "voucher", "--admission-operator-keys", public.trim()]).await;

    let issued = scene.run(["voucher", "issue", "--relay-name", "localhost", "--count", "2"]).succeeded();
    let [first, second] = issued.lines().collect::<Vec<_>>()[..] else { panic!("{issued}") };
    assert_ne!(first, second);
    let foreign = scene.run(["voucher", "issue", "--relay-name", "relay.example"]).succeeded();
    let url = scene.url();
    let create = |who, more: &[&str]| scene.run_as(who, &[&["mailbox", "create", "--relay", &url], more].concat());
    create("alice", &[]).failed(1, &["VOUCHER_REQUIRED", "--voucher"]);
    create("alice", &["--voucher", "x"]).failed(64, &["voucher"]);
    create("alice", &["--voucher", foreign.trim()]).failed(1, &["VOUCHER_INVALID"]);
    create("alice", &["--voucher", first]).succeeded();
    create("bob", &["--voucher", first]).failed(1, &["VOUCHER_SPENT"]);
    create("bob", &["--voucher", second]).succeeded();
}

#[tokio::test]
async fn secrets_are_for_their_owner_only() {
    let scene = Scene::new().await;
    scene.appear("alice");
    scene.befriend("alice", "alice");
    for file in ["device.json", "contacts.json"] {
        let mode = std::fs::metadata(scene.path("home/alice").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let mode = std::fs::metadata(scene.path("home/alice")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_relay_ends_when_asked_to() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut scene = Scene::new().await;
        let status = scene.stop_relay().await;
        assert_eq!(status.code(), Some(0));
    });
}

#[test]
fn every_shell_is_completed() {
    let scene = Scene::bare();
    for shell in ["bash", "zsh", "fish"] {
        let script = scene.run(["completions", shell]).succeeded();
        assert!(script.contains("sealpost") && script.contains("receive"), "{shell}");
    }
}
