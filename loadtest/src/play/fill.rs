//! From what was measured to the report.

use std::collections::BTreeMap;

use super::scene::{Scene, Target};
use super::stage::{Heard, Stage};
use crate::board::{Board, Verdict as Found};
use crate::problem::Problem;
use crate::report::{
    Connections, Counts, Environment, Measured, Percentiles, Process, Report, Step, Verdict, curve, grouped, micros,
    to_text,
};
use crate::scenario::{Durability, Scenario, StoreKind, Topology};
use crate::target::Kind;
use crate::target::system::About;

/// Below this share of idle time the machine itself may be what is measured.
const LITTLE_IDLE: f64 = 0.1;
/// The generator should hand 99 of 100 messages over in this time, in microseconds.
const LATE_US: u64 = 2_000;
/// A system that delivers less than this share of what is offered does not keep up.
const KEEPS_UP: f64 = 0.98;

/// What is known before anything was measured.
pub(super) fn begun(scene: &Scene, scenario: &Scenario) -> Report {
    let mailboxes = scenario.owners.mailboxes;
    let owners = match scenario.owners.topology {
        Topology::Own => mailboxes,
        Topology::Gateway => scenario.owners.connections.min(mailboxes),
    };
    let spawned = matches!(scene.target, Target::Spawn(_));
    Report {
        scenario: Some(scene.name.clone()),
        description: Some(scenario.description.clone()),
        payload_bytes: Some(scenario.load.payload_bytes),
        sealed: Some(scenario.load.sealed),
        tls: match &scene.target {
            Target::Spawn(_) => Some(scenario.spawn.tls),
            Target::Deployment(deployment) => Some(deployment.uses_tls()),
        },
        topology: Some(match scenario.owners.topology {
            Topology::Own => "own".to_owned(),
            Topology::Gateway => "gateway".to_owned(),
        }),
        durability: spawned.then(|| durability(scenario)),
        mailboxes: Some(mailboxes),
        connections: Some(Connections { owners, senders: scenario.senders.connections }),
        ..Report::default()
    }
}

fn durability(scenario: &Scenario) -> String {
    let store = match scenario.spawn.store {
        StoreKind::Redis => "Redis",
        StoreKind::Embedded => "embedded",
    };
    format!("{store}, {}", word(scenario.spawn.durability))
}

fn word(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "memory",
        Durability::Everysec => "everysec",
        Durability::Always => "always",
    }
}

/// What was measured.
pub(super) fn heard(report: &mut Report, heard: &Heard) -> Result<(), Problem> {
    let cpu_s: BTreeMap<String, f64> =
        heard.cpu.iter().map(|(kind, cpu)| (kind.name().to_owned(), cpu.as_secs_f64())).collect();
    report.duration_s = Some(heard.seconds);
    report.offered_per_s = Some(heard.offered_per_s);
    report.throughput_per_s = Some(heard.messages as f64 / heard.seconds);
    report.latency_us = Percentiles::of(&heard.delivered);
    report.acceptance_us = Percentiles::of(&heard.answered);
    report.lateness_us = Percentiles::of(&heard.lateness);
    report.latency_curve = curve(&heard.delivered);
    report.latency_histogram = Some(to_text(&heard.delivered)?);
    report.cpu_us_per_message = cpu_us_per_message(heard);
    report.rss_kib = servers_only(heard);
    report.generator_headroom = Some(heard.idle);
    report.measured = Some(Measured { seconds: heard.seconds, messages: heard.messages, cpu_s });
    let process = |reading: &crate::target::Reading| Process {
        name: reading.name.clone(),
        cpu_s: reading.usage.cpu.as_secs_f64(),
        rss_kib: reading.usage.rss_kib,
        peak_rss_kib: reading.usage.peak_rss_kib,
    };
    report.processes = heard.readings.iter().map(process).collect();
    let warnings = warnings(heard);
    report.verdict.get_or_insert_with(|| Verdict { passed: true, ..Verdict::default() }).warnings.extend(warnings);
    Ok(())
}

/// One step of several.
pub(super) fn step(label: impl Into<String>, heard: &Heard) -> Step {
    let rss_kib = servers_only(heard);
    Step {
        label: label.into(),
        offered_per_s: heard.offered_per_s,
        throughput_per_s: heard.messages as f64 / heard.seconds,
        latency_us: Percentiles::of(&heard.delivered),
        cpu_us_per_message: cpu_us_per_message(heard),
        rss_kib,
        ..Step::default()
    }
}

fn cpu_us_per_message(heard: &Heard) -> BTreeMap<String, f64> {
    let messages = heard.messages.max(1) as f64;
    heard.cpu.iter().map(|(kind, cpu)| (kind.name().to_owned(), cpu.as_secs_f64() * 1e6 / messages)).collect()
}

fn servers_only(heard: &Heard) -> BTreeMap<String, u64> {
    let servers = heard.rss_kib.iter().filter(|(kind, _)| **kind != Kind::Generator);
    servers.map(|(kind, kib)| (kind.name().to_owned(), *kib)).collect()
}

fn warnings(heard: &Heard) -> Vec<String> {
    let mut warnings = Vec::new();
    if heard.idle < LITTLE_IDLE {
        warnings.push(format!(
            "this machine was idle for only {:.0} % of the time: latencies and throughput are as much its as the system's",
            heard.idle * 100.0
        ));
    }
    let late = heard.lateness.value_at_quantile(0.99);
    if late > LATE_US {
        warnings.push(format!(
            "the generator handed 1 of 100 messages over {} late or later, which latencies include",
            micros(late)
        ));
    }
    if !heard.keeps_up(KEEPS_UP) {
        warnings.push("the system did not keep up with what was offered".to_owned());
    }
    warnings
}

/// What became of the messages.
pub(super) fn found(report: &mut Report, board: &Board) {
    let Found { counts, corrupted, retried, errors } = board.verdict();
    let verdict = report.verdict.get_or_insert_with(|| Verdict { passed: true, ..Verdict::default() });
    let wrong = [
        (counts.lost, "accepted and never delivered"),
        (counts.out_of_order, "delivered before one that was accepted earlier"),
        (corrupted, "not as they were sent"),
        (counts.unexpected, "delivered that were refused, or that nobody had sent"),
    ];
    for (count, what) in wrong.iter().filter(|(count, _)| *count > 0) {
        verdict.passed = false;
        verdict.problems.push(format!("{} messages {what}", grouped(*count)));
    }
    if counts.accepted == 0 && !errors.is_empty() {
        verdict.passed = false;
        verdict.problems.push("no message was accepted; the failures on the way say why".to_owned());
    }
    if counts.refused + counts.unknown > 0 {
        let text = format!(
            "{} messages were refused, and of {} nobody knows",
            grouped(counts.refused),
            grouped(counts.unknown)
        );
        verdict.warnings.push(text);
    }
    report.counts = Some(Counts {
        sent: counts.sent,
        accepted: counts.accepted,
        refused: counts.refused,
        unknown: counts.unknown,
        delivered: counts.delivered,
        duplicates: counts.duplicates,
        lost: counts.lost,
        out_of_order: counts.out_of_order,
        corrupted,
        unexpected: counts.unexpected,
        retried,
    });
    report.errors = errors;
}

/// The seconds, and what happened in them.
pub(super) fn story(report: &mut Report, stage: &mut Stage) {
    (report.timeline, report.events) = stage.story();
}

/// Something is wrong that the checker does not know of.
pub(super) fn wrong(report: &mut Report, what: impl Into<String>) {
    let verdict = report.verdict.get_or_insert_default();
    verdict.passed = false;
    verdict.problems.push(what.into());
}

/// What is wrong with another part of the run is wrong with the whole.
pub(super) fn blame(report: &mut Report, part: &Report, name: &str) {
    let problems = part.verdict.iter().flat_map(|verdict| &verdict.problems);
    problems.for_each(|problem| wrong(report, format!("{name}: {problem}")));
}

/// The beginning of a report on another system that was started here.
pub(super) fn of_system(scene: &Scene, about: &About) -> Report {
    let (name, mut environment) = (about.name.clone(), Environment::default());
    environment.versions.insert(name.clone(), about.version.clone());
    environment.configurations.insert(name.clone(), about.configuration.clone());
    Report {
        name: Some(name),
        durability: Some(about.durability.clone()),
        tls: Some(false),
        environment: Some(environment),
        ..begun(scene, &scene.scenario)
    }
}

/// How ours stands beside the floor and the peers: each is compared with ours of the like durability.
pub(super) fn ratios(report: &mut Report) {
    let mut ratios = BTreeMap::new();
    if let Some(floor) = &report.floor
        && let (Some(knee), Some(bare)) = (report.knee_per_s, floor.knee_per_s)
    {
        ratios.insert("knee to the floor's".to_owned(), knee / bare);
    }
    let ours = |like: Durability| {
        let all = std::iter::once(&*report).chain(&report.peers).filter(|it| it.name.as_deref() == Some(OURS));
        let of_it = |it: &&Report| it.durability.as_deref().is_some_and(|text| text.ends_with(word(like)));
        all.into_iter().find(of_it)
    };
    for peer in report.peers.iter().filter(|peer| peer.name.as_deref() != Some(OURS)) {
        let (name, durability) =
            (peer.name.as_deref().unwrap_or_default(), peer.durability.as_deref().unwrap_or_default());
        let like = if durability.starts_with("memory") {
            Durability::Memory
        } else if durability.contains("before the answer") {
            Durability::Always
        } else {
            Durability::Everysec
        };
        let ours_to_theirs = ours(like).and_then(|ours| Some(ours.server_cpu_us()? / peer.server_cpu_us()?));
        if let Some(ratio) = ours_to_theirs {
            ratios.insert(format!("server CPU, ours ({}) to {name}'s", word(like)), ratio);
        }
    }
    report.ratios.extend(ratios);
}

/// As the report calls us among peers.
pub(super) const OURS: &str = "Sealpost";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_in_which_nothing_got_through_has_not_passed() {
        let (mut reached, mut unreached) = (Report::default(), Report::default());
        let board = Board::new(1, None);
        found(&mut reached, &board);
        assert!(reached.verdict.is_some_and(|verdict| verdict.passed), "there was nothing to send");
        board.error("unreachable");
        found(&mut unreached, &board);
        assert!(unreached.verdict.is_some_and(|verdict| !verdict.passed));
    }
}
