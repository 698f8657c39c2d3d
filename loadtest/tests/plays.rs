//! Each play, for real and in small: the built program against relays and a Redis that it starts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a panic is a failed test")]

mod support;

use serde_json::Value;
use support::{Ran, loadtest};

/// Plays a scenario in small, and gives the report.
fn play(scenario: &str, settings: &[&str]) -> (Ran, Value) {
    let directory = tempfile::tempdir().unwrap();
    let json = directory.path().join("report.json");
    let small = ["owners.mailboxes=40", "load.rate=400", "load.warm_up=500ms", "load.steady=2s", "load.ramp=0s"];
    let mut arguments = vec!["run".to_owned(), scenario.to_owned(), "--json".to_owned(), json.display().to_string()];
    for setting in small.iter().chain(settings) {
        arguments.extend(["--set".to_owned(), (*setting).to_owned()]);
    }
    let ran = loadtest(&arguments);
    let text = std::fs::read_to_string(&json).unwrap_or_else(|_| panic!("no report:\n{ran}"));
    (ran, serde_json::from_str(&text).unwrap())
}

/// One that must pass.
fn good(scenario: &str, settings: &[&str]) -> Value {
    let (ran, report) = play(scenario, settings);
    assert_eq!(ran.code, Some(0), "{ran}");
    assert_eq!(report["verdict"]["passed"], true, "{ran}");
    report
}

fn count(report: &Value, key: &str) -> u64 {
    report[key].as_u64().unwrap_or_else(|| panic!("{key} is no number in {report}"))
}

#[test]
fn a_stream_is_measured_and_everything_arrives() {
    let report = good("stream", &["repeats=2"]);
    let sent = count(&report, "sent");
    assert!(sent > 1_500, "{sent}");
    assert_eq!((count(&report, "accepted"), count(&report, "delivered")), (sent, sent));
    for bad in ["lost", "out_of_order", "corrupted", "refused"] {
        assert_eq!(count(&report, bad), 0, "{bad}");
    }
    for kind in ["relay", "store", "generator"] {
        assert!(report["cpu_us_per_message"][kind].as_f64().unwrap() > 0.0, "{kind}");
    }
    for kind in ["relay", "store"] {
        assert!(count(&report["rss_kib"], kind) > 1_000, "{kind}");
    }
    let latency = &report["latency_us"];
    let in_order = ["p50", "p90", "p99", "p999", "max"].map(|key| count(latency, key));
    assert!(in_order.is_sorted() && in_order[0] > 0, "{latency}");
    for key in ["scenario", "commit", "started", "duration_s", "payload_bytes", "tls", "mailboxes", "offered_per_s"] {
        assert!(!report[key].is_null(), "{key} is missing");
    }
    assert!((0.0..=1.0).contains(&report["generator_headroom"].as_f64().unwrap()));
    assert_eq!(report["runs"].as_array().unwrap().len(), 2);
    assert!(report["spread"]["throughput_per_s"].is_array());
    assert!(!report["runs"][0]["timeline"].as_array().unwrap().is_empty());
}

#[test]
fn a_call_for_each_message_and_real_sealing_work_too() {
    let report = good("unary", &["senders.connections=10", "load.sealed=true", "load.rate=50", "spawn.tls=false"]);
    assert_eq!(count(&report, "delivered"), count(&report, "sent"));
    assert_eq!(report["sealed"], true);
    assert_eq!(report["tls"], false);
    good("stream", &["load.sealed=true", "load.rate=50", "load.payload_bytes=2048", "spawn.store=embedded"]);
}

#[test]
fn a_relay_that_stands_still_shows() {
    let report = good("stream", &["spawn.pause=1s", "load.steady=4s"]);
    // One message in four is due while it stands still: the open loop charges it with each of them.
    let (p90, max) = (count(&report["latency_us"], "p90"), count(&report["latency_us"], "max"));
    assert!(p90 > 100_000, "p90 is {p90} µs");
    assert!(max > 900_000, "max is {max} µs");
    assert_eq!(report["events"].as_array().unwrap().len(), 2);
}

#[test]
fn the_checker_finds_every_fault() {
    let report = good("verify", &["verify.one_in=50"]);
    let labels: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|it| it["label"].as_str().unwrap()).collect();
    assert_eq!(labels.len(), 5);
    assert!(labels[0].ends_with("0 lost, 0 twice, 0 out of order, 0 corrupted"), "{labels:?}");
}

#[test]
fn a_run_with_a_fault_fails() {
    // Of too few messages none gets a fault, and a checker that finds none of none proves nothing.
    let (ran, report) = play("verify", &["verify.one_in=1000000"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert_eq!(report["verdict"]["passed"], false);
}

#[test]
fn a_ladder_ends_at_the_knee() {
    // A debug build may be slow, and anything else may run on this machine: so a rate that nothing keeps up with is a step.
    let settings = [
        "ladder.from=100",
        "ladder.factor=50",
        "ladder.refine=1",
        "ladder.step=2s",
        "ladder.p99=2s",
        "ladder.delivered=0.8",
    ];
    let report = good("ladder", &settings);
    let steps = report["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["kept_up"] == true), "{steps:?}");
    assert!(report["knee_per_s"].as_f64().unwrap() >= 100.0);
    assert!(!report["ratios"]["p99 to the store's round trip"].is_null());
}

#[test]
fn owners_come_go_and_wait() {
    let idle = good("idle", &["idle.groups=2", "idle.settle=200ms", "idle.burst=3"]);
    assert!(!idle["kib_per_idle_owner"].is_null());
    assert!(!idle["figures"]["KiB an idle owner in plaintext"].is_null());
    assert_eq!(count(&idle, "delivered"), 120);
    let backlog = good("backlog", &["backlog.depth=20"]);
    assert!(count(&backlog, "delivered") > 500);
    let storm = good("storm", &["storm.rounds=2", "storm.spread=100ms"]);
    assert!(!storm["figures"]["seconds until all were back, longest"].is_null());
}

#[test]
fn slow_owners_and_leaving_relays_lose_nothing() {
    let slow = good("slow", &[]);
    assert_eq!(slow["steps"].as_array().unwrap().len(), 2);
    let settings =
        ["drain.rounds=2", "drain.pause=200ms", "spawn.relays=2", "spawn.relay_settings.drain-spread-ms=300"];
    let drain = good("drain", &settings);
    assert!(drain["figures"]["streams that moved"].as_f64().unwrap() >= 1.0);
    assert_eq!((count(&drain, "lost"), count(&drain, "unknown")), (0, 0));
}

#[test]
fn certificates_are_replaced_and_nobody_notices() {
    // A debug build on a busy machine may take longer than a relay should.
    let short = ["certificate.rounds=2", "certificate.pause=300ms"];
    let report = good("certificate", &[&short[..], &["certificate.within=5s", "spawn.relays=2"]].concat());
    let figures = &report["figures"];
    assert!(figures["until handshakes show a new certificate, longest in ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&figures["streams that ended"], &figures["failures on the way"]), (&0.0.into(), &0.0.into()));
    assert_eq!((count(&report, "lost"), count(&report, "duplicates")), (0, 0));
    let happened: Vec<&str> =
        report["events"].as_array().unwrap().iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(happened.iter().filter(|what| what.starts_with("handshakes show it")).count(), 3, "{happened:?}");
    assert!(happened.iter().any(|what| what.starts_with("relays have counted it")), "{happened:?}");

    // Late, and with streams that do not outlive it.
    let bad = ["certificate.within=1ms", "spawn.relay_settings.streams-max-life-secs=1"];
    let (ran, report) = play("certificate", &[&short[..], &bad].concat());
    assert_eq!(ran.code, Some(1), "{ran}");
    let problems = report["verdict"]["problems"].to_string();
    for problem in ["showed a new certificate after", "connections were lost"] {
        assert!(problems.contains(problem), "{problems}");
    }
}

#[test]
fn few_and_many_shallow_and_deep() {
    let settings = ["flat.mailboxes=[10, 40]", "flat.depths=[1, 20]", "flat.deep_mailboxes=10", "load.steady=1s"];
    let flat = good("flat", &settings);
    assert_eq!(flat["steps"].as_array().unwrap().len(), 4);
    assert!(flat["ratios"]["relay CPU a message, deepest to shallowest"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_floor_and_a_peer_stand_beside_us() {
    let settings = [
        "ladder.from=200",
        "ladder.to=500",
        "ladder.step=2s",
        "ladder.p99=2s",
        "ladder.delivered=0.8",
        "peers.systems=[\"mosquitto\"]",
        "peers.kill_after=1s",
    ];
    let report = good("peers", &settings);
    let name = |report: &Value| format!("{}: {}", report["name"], report["durability"]);
    let peers: Vec<String> = report["peers"].as_array().unwrap().iter().map(name).collect();
    assert_eq!(peers.len(), 3, "{peers:?}");
    assert_eq!(peers[1], "\"Sealpost\": \"Redis, always\"");
    assert!(peers[2].starts_with("\"Mosquitto\": \"memory"), "{peers:?}");
    // What is on the disk before it is answered outlives a kill.
    assert_eq!(count(&report["peers"][1], "lost_on_kill"), 0);
    for side in [&report, &report["peers"][2]] {
        assert!(side["lost_on_kill"].is_u64() && side["kib_per_idle_owner"].is_f64() && side["knee_per_s"].is_f64());
    }
    assert!(report["floor"]["knee_per_s"].as_f64().unwrap() >= 200.0);
    assert!(!report["ratios"]["server CPU, ours (memory) to Mosquitto's"].is_null());
}
