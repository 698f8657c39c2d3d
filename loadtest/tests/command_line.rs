//! What a person meets: files, flags, deployments, reports; and what is said when something is wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a panic is a failed test")]

mod support;

use std::path::Path;

use sealpost_client::{Hour, IdentityKey, Voucher};
use sealpost_core::VoucherId;
use sealpost_loadtest::scenario::Spawn;
use sealpost_loadtest::target::relay::Installation;
use support::{Ran, loadtest, relay_binary};

const SMALL: [&str; 8] = ["--mailboxes", "20", "--rate", "200", "--steady", "1s", "--set", "load.warm_up=200ms"];

fn usage_error(arguments: &[&str]) -> String {
    let ran = loadtest(arguments);
    assert_eq!(ran.code, Some(2), "{ran}");
    ran.stderr
}

#[test]
fn scenarios_are_listed_and_shown() {
    let listed = loadtest(&["scenarios"]);
    assert!(listed.stdout.contains("stream ") && listed.stdout.contains("peers "), "{listed}");
    let shown = loadtest(&["show", "drain", "--set", "drain.rounds=3"]);
    assert!(shown.stdout.contains("rounds = 3") && shown.stdout.contains("relays = 3"), "{shown}");
    // It can be read again.
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    std::fs::write(&file, &shown.stdout).unwrap();
    assert_eq!(loadtest(&["show", file.to_str().unwrap()]).stdout, shown.stdout);
}

#[test]
fn a_scenario_that_is_wrong_is_named_with_a_remedy() {
    assert!(usage_error(&["run", "steam"]).contains("there are stream, unary"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    std::fs::write(&file, "[load]\nraet = 5\n").unwrap();
    let said = usage_error(&["run", file.to_str().unwrap()]);
    assert!(said.contains("line 2") && said.contains("unknown field `raet`"), "{said}");
    assert!(usage_error(&["run", "stream", "--json", "/no/such/directory/r.json"]).contains("cannot be written"));
    assert!(usage_error(&["run", "stream", "--relay", "ftp://here"]).contains("https://host"));
    assert!(usage_error(&["run", "stream", "--relay", "http://elsewhere.example"]).contains("--plaintext"));
    assert!(usage_error(&["run", "stream", "--relay", "https://localhost", "--spawn"]).contains("cannot be used"));
    assert!(usage_error(&["run", "idle", "--relay", "https://localhost"]).contains("--metrics URL"));
    assert!(usage_error(&["run", "drain", "--relay", "https://localhost"]).contains("leave --relay out"));
}

#[test]
fn too_few_file_descriptors_are_said_with_the_number_that_is_needed() {
    let program = env!("CARGO_BIN_EXE_sealpost-loadtest");
    let script = format!("ulimit -Hn 500; ulimit -n 500; exec {program} run stream --mailboxes 5000");
    let ran = support::run("/bin/sh", &["-c", &script]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("5208 file descriptors") && ran.stderr.contains("ulimit -n 5208"), "{ran}");
}

#[test]
fn a_relay_that_is_not_there_is_said_so() {
    let free = sealpost_loadtest::target::child::free_port();
    let ran = loadtest(&["run", "stream", "--quiet", "--relay", &format!("http://127.0.0.1:{free}")]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("does the relay run"), "{ran}");
}

/// A deployment that asks for vouchers, over TLS and without Redis.
struct Deployed {
    installation: Installation,
    operator: IdentityKey,
    directory: tempfile::TempDir,
}

async fn deploy() -> Deployed {
    let operator = IdentityKey::generate(&mut rand::rng());
    let public: String = operator.public().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut spawn = Spawn { store: sealpost_loadtest::scenario::StoreKind::Embedded, ..Spawn::default() };
    spawn.relay_settings.insert("admission-mode".to_owned(), "voucher".into());
    spawn.relay_settings.insert("admission-operator-keys".to_owned(), public.into());
    let installation = Installation::start(&spawn, &relay_binary()).await.unwrap();
    Deployed { installation, operator, directory: tempfile::tempdir().unwrap() }
}

impl Deployed {
    fn vouchers(&self, count: usize) -> String {
        let file = self.directory.path().join(format!("vouchers-{count}"));
        let name = "localhost".parse().unwrap();
        let voucher = || Voucher::issue(&self.operator, &name, VoucherId::generate(&mut rand::rng()), Hour(u32::MAX));
        let lines: Vec<String> = (0..count).map(|_| voucher().to_text()).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
        file.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn ca(&self) -> String {
        self.installation.directory().join("tls/ca.pem").display().to_string()
    }

    fn run(&self, more: &[&str]) -> Ran {
        let (url, metrics) = (self.installation.urls().remove(0), self.installation.metrics().remove(0));
        let mut arguments = vec!["run", "stream", "--relay", &url, "--metrics", &metrics];
        arguments.extend(SMALL);
        arguments.extend(more);
        loadtest(&arguments)
    }
}

#[tokio::test]
async fn a_deployment_is_tested_over_tls_with_vouchers_and_left_as_it_was() {
    let deployed = deploy().await;
    let ca = deployed.ca();

    let stranger = deployed.run(&["--vouchers", &deployed.vouchers(20)]);
    assert_eq!(stranger.code, Some(1), "{stranger}");
    assert!(stranger.stderr.contains("not trusted") && stranger.stderr.contains("--ca FILE"), "{stranger}");
    let without = deployed.run(&["--ca", &ca]);
    assert!(without.stderr.contains("VOUCHER_REQUIRED") && without.stderr.contains("--vouchers"), "{without}");
    let too_few = deployed.run(&["--ca", &ca, "--vouchers", &deployed.vouchers(3)]);
    assert!(too_few.stderr.contains("3 vouchers for 20 mailboxes"), "{too_few}");
    let another = deployed.run(&["--ca", &ca, "--relay-name", "elsewhere", "--vouchers", &deployed.vouchers(20)]);
    assert!(another.stderr.contains("PROOF_AUDIENCE") && another.stderr.contains("--relay-name"), "{another}");

    let (one, two, both) = (deployed.path("1.json"), deployed.path("2.json"), deployed.path("both.json"));
    for report in [&one, &two] {
        let ran = deployed.run(&["--ca", &ca, "--vouchers", &deployed.vouchers(20), "--json", report]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert!(ran.stdout.contains("CPU, relay") && ran.stdout.contains("memory, relay"), "{ran}");
    }
    // As a Job does it: the report is all that it prints.
    let printed = deployed.run(&[
        "--ca",
        &ca,
        "--vouchers",
        &deployed.vouchers(20),
        "--json",
        "-",
        "--quiet",
        "--start-at",
        "2026-01-01T00:00:00Z",
    ]);
    assert_eq!((printed.code, printed.stderr.as_str()), (Some(0), ""), "{printed}");
    std::fs::write(&two, &printed.stdout).unwrap();
    let page = deployed.path("page.html");
    let merged = loadtest(&["merge", &one, &two, "--json", &both, "--html", &page]);
    assert_eq!(merged.code, Some(0), "{merged}");
    assert!(merged.stdout.contains("40 mailboxes"), "{merged}");
    let sent = |path: &str| -> u64 {
        let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        report["sent"].as_u64().unwrap()
    };
    assert_eq!(sent(&both), sent(&one) + sent(&two));
    assert!(std::fs::read_to_string(Path::new(&page)).unwrap().contains("sealpost-loadtest"));
    let compared = loadtest(&["compare", &one, &two]);
    assert!(compared.stdout.contains("throughput_per_s"), "{compared}");
    assert!(loadtest(&["compare", &one, &page]).stderr.contains("is no report"));
}
