//! The report as a table for a terminal.

use std::collections::BTreeMap;

use super::{Percentiles, Report, Step, duration, grouped, micros, number};

/// The whole of it, a few dozen lines.
pub fn table(report: &Report) -> String {
    let mut lines = Vec::new();
    head(report, &mut lines);
    figures(report, &mut lines);
    steps(&report.steps, &mut lines);
    peers(report, &mut lines);
    counts(report, &mut lines);
    verdict(report, &mut lines);
    lines.join("\n")
}

fn head(report: &Report, lines: &mut Vec<String>) {
    let scenario = report.scenario.as_deref().unwrap_or("a run");
    lines.push(format!("{scenario}: {}", report.description.as_deref().unwrap_or_default()));
    let mut facts = Vec::new();
    facts.extend(report.mailboxes.map(|count| format!("{} mailboxes", grouped(count as u64))));
    facts.extend(report.topology.as_ref().map(|topology| format!("topology {topology}")));
    facts.extend(report.payload_bytes.map(|bytes| format!("{bytes} bytes")));
    facts.extend(report.sealed.map(|sealed| if sealed { "sealed" } else { "opaque" }.to_owned()));
    facts.extend(report.tls.map(|tls| if tls { "TLS" } else { "plaintext" }.to_owned()));
    facts.extend(report.durability.clone());
    facts.extend(report.duration_s.map(duration));
    if report.runs.len() > 1 {
        facts.push(format!("{} runs", report.runs.len()));
    }
    lines.push(facts.join(", "));
    lines.push(String::new());
}

fn figures(report: &Report, lines: &mut Vec<String>) {
    let mut row = |name: &str, text: String| lines.push(format!("  {name:<28} {text}"));
    let spread = |name: &str| match report.spread.get(name) {
        Some((low, high)) => format!("   ({} – {})", number(*low), number(*high)),
        None => String::new(),
    };
    if let Some(knee) = report.knee_per_s {
        row("knee", format!("{} messages/s{}", number(knee), spread("knee_per_s")));
    }
    if let (Some(throughput), Some(offered)) = (report.throughput_per_s, report.offered_per_s) {
        let text =
            format!("{} messages/s of {} offered{}", number(throughput), number(offered), spread("throughput_per_s"));
        row("throughput", text);
    }
    if let Some(times) = report.latency_us {
        row("until its owner had it", percentiles(times));
    }
    if let Some(times) = report.acceptance_us {
        row("until the sender knew", percentiles(times));
    }
    for (kind, cpu) in &report.cpu_us_per_message {
        let text = format!("{} µs a message{}", number(*cpu), spread(&format!("cpu_us_per_message.{kind}")));
        row(&format!("CPU, {kind}"), text);
    }
    for (kind, kib) in &report.rss_kib {
        row(&format!("memory, {kind}"), format!("{} MiB", number(*kib as f64 / 1024.0)));
    }
    if let Some(kib) = report.kib_per_idle_owner {
        row("an idle owner", format!("{} KiB of the relay{}", number(kib), spread("kib_per_idle_owner")));
    }
    if let Some(lost) = report.lost_on_kill {
        row("lost on kill -9", format!("{} messages", grouped(lost)));
    }
    for (name, figure) in &report.figures {
        row(name, format!("{}{}", number(*figure), spread(&format!("figures.{name}"))));
    }
    for (name, ratio) in &report.ratios {
        row(name, format!("{} ×", number(*ratio)));
    }
    if let Some(idle) = report.generator_headroom {
        row("idle share of this machine", format!("{} %", number(idle * 100.0)));
    }
}

fn percentiles(times: Percentiles) -> String {
    let Percentiles { p50, p90, p99, p999, max } = times;
    let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(micros);
    format!("p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}")
}

fn cpu(of: &BTreeMap<String, f64>) -> String {
    let each = of.iter().map(|(kind, cpu)| format!("{kind} {}", number(*cpu)));
    each.collect::<Vec<_>>().join(", ")
}

fn steps(steps: &[Step], lines: &mut Vec<String>) {
    if steps.is_empty() {
        return;
    }
    lines.push(String::new());
    let heading = ["step", "delivered/s", "p50", "p99", "max", "CPU µs a message"];
    let mut rows = vec![heading.map(str::to_owned)];
    for step in steps {
        let time = |of: fn(Percentiles) -> u64| step.latency_us.map(of).map_or("–".to_owned(), micros);
        let behind = if step.kept_up == Some(false) { " (falls behind)" } else { "" };
        rows.push([
            step.label.clone(),
            format!("{}{behind}", number(step.throughput_per_s)),
            time(|times| times.p50),
            time(|times| times.p99),
            time(|times| times.max),
            cpu(&step.cpu_us_per_message),
        ]);
    }
    lines.extend(aligned(&rows));
}

fn peers(report: &Report, lines: &mut Vec<String>) {
    if report.peers.is_empty() && report.floor.is_none() {
        return;
    }
    lines.push(String::new());
    let heading = ["system", "durability", "server CPU µs", "knee/s", "p99", "KiB idle owner", "lost on kill -9"];
    let mut rows = vec![heading.map(str::to_owned)];
    for peer in std::iter::once(report).chain(&report.peers).chain(report.floor.as_deref()) {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        rows.push([
            peer.name.clone().unwrap_or_else(|| "Sealpost".to_owned()),
            or_none(peer.durability.clone()),
            or_none(peer.server_cpu_us().map(number)),
            or_none(peer.knee_per_s.map(number)),
            or_none(peer.latency_us.map(|times| micros(times.p99))),
            or_none(peer.kib_per_idle_owner.map(number)),
            or_none(peer.lost_on_kill.map(grouped)),
        ]);
    }
    lines.extend(aligned(&rows));
}

fn counts(report: &Report, lines: &mut Vec<String>) {
    let Some(counts) = report.counts else { return };
    lines.push(String::new());
    let all = [
        ("sent", counts.sent),
        ("accepted", counts.accepted),
        ("delivered", counts.delivered),
        ("refused", counts.refused),
        ("unknown", counts.unknown),
        ("retried", counts.retried),
        ("duplicates", counts.duplicates),
        ("lost", counts.lost),
        ("out of order", counts.out_of_order),
        ("corrupted", counts.corrupted),
        ("unexpected", counts.unexpected),
    ];
    // Nobody wants to read what there is not, but for what must not be.
    let shown = all.iter().filter(|(name, count)| *count > 0 || ["lost", "out of order", "corrupted"].contains(name));
    let texts: Vec<String> = shown.map(|(name, count)| format!("{} {name}", grouped(*count))).collect();
    lines.push(format!("  messages: {}", texts.join(", ")));
    if !report.errors.is_empty() {
        let texts: Vec<String> =
            report.errors.iter().map(|(reason, count)| format!("{reason} {}", grouped(*count))).collect();
        lines.push(format!("  failures on the way: {}", texts.join(", ")));
    }
}

fn verdict(report: &Report, lines: &mut Vec<String>) {
    let Some(verdict) = &report.verdict else { return };
    lines.push(String::new());
    lines.extend(verdict.warnings.iter().map(|warning| format!("  beware: {warning}")));
    lines.extend(verdict.problems.iter().map(|problem| format!("  wrong: {problem}")));
    lines.push(if verdict.passed { "passed" } else { "FAILED" }.to_owned());
}

/// Columns; the first is flush left, the others right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(place, (cell, width))| match place {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Counts, Verdict};

    #[test]
    fn a_report_is_a_table_with_a_verdict() {
        let report = Report {
            scenario: Some("stream".to_owned()),
            mailboxes: Some(1000),
            throughput_per_s: Some(4999.0),
            offered_per_s: Some(5000.0),
            latency_us: Some(Percentiles { p50: 812, p90: 1200, p99: 2310, p999: 4100, max: 5600 }),
            cpu_us_per_message: [("relay".to_owned(), 22.14)].into(),
            counts: Some(Counts { sent: 100_000, accepted: 100_000, delivered: 99_999, lost: 1, ..Counts::default() }),
            verdict: Some(Verdict { passed: false, problems: vec!["1 message was lost".to_owned()], warnings: vec![] }),
            ..Report::default()
        };
        let table = table(&report);
        for part in [
            "4,999 messages/s of 5,000 offered",
            "p99 2.31 ms",
            "CPU, relay                   22.1 µs a message",
            "99,999 delivered, 1 lost, 0 out of order",
            "wrong: 1 message was lost",
            "FAILED",
        ] {
            assert!(table.contains(part), "{part}:\n{table}");
        }
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["step", "rate"], ["2,000/s", "1,999"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), ["  step      rate", "  2,000/s  1,999"]);
    }
}
