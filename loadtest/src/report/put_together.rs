//! One report of several: of repeats, one after the other, or of generators that ran at once.

use std::collections::BTreeMap;
use std::ops::Add;

use super::{Connections, Measured, Moment, Percentiles, Process, Report, Verdict, curve, from_text, to_text};
use crate::latencies::{Times, add, no_times};
use crate::problem::Problem;

/// Of repeats: counts are summed, times merged, rates are those of all of them together; each is kept in `runs`, and the
/// spread of the main figures is said.
///
/// # Errors
/// Where the times of one cannot be read.
pub fn of_repeats(runs: Vec<Report>) -> Result<Report, Problem> {
    let mut whole = together(&runs, Together::OneAfterTheOther)?;
    if runs.len() > 1 {
        whole.spread = spread(&runs);
        whole.runs = runs;
        // Each has its own.
        (whole.timeline, whole.events) = (Vec::new(), Vec::new());
    }
    Ok(whole)
}

/// Of generators that ran at the same time against the same system: rates are summed, too. What servers used is taken from
/// the one that saw most of it, for all saw the same servers.
///
/// # Errors
/// Where there is none, they are of different scenarios, or the times of one cannot be read.
pub fn of_generators(reports: Vec<Report>) -> Result<Report, Problem> {
    let Some(first) = reports.first() else { return Err(Problem::usage("there is no report to merge")) };
    if reports.iter().any(|report| report.scenario != first.scenario) {
        return Err(Problem::usage("the reports are of different scenarios")
            .remedy("merge those of generators that ran the same scenario at the same time"));
    }
    let mut whole = together(&reports, Together::AtOnce)?;
    whole.runs = reports;
    Ok(whole)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Together {
    OneAfterTheOther,
    AtOnce,
}

fn together(reports: &[Report], how: Together) -> Result<Report, Problem> {
    let Some(first) = reports.first() else { return Ok(Report::default()) };
    let mut whole = first.clone();
    if reports.len() == 1 {
        return Ok(whole);
    }
    whole.counts = reports.iter().filter_map(|report| report.counts).reduce(Add::add);
    whole.errors = reports.iter().fold(BTreeMap::new(), |mut sum, report| {
        report.errors.iter().for_each(|(reason, count)| *sum.entry(reason.clone()).or_default() += count);
        sum
    });
    whole.verdict = Some(verdict_of(reports));
    let sum = |of: fn(&Report) -> Option<f64>| {
        let all: Vec<f64> = reports.iter().filter_map(of).collect();
        (!all.is_empty()).then(|| all.iter().sum::<f64>())
    };
    let mean = |of: fn(&Report) -> Option<f64>| Some(sum(of)? / reports.iter().filter_map(of).count() as f64);
    let rate = |of| if how == Together::AtOnce { sum(of) } else { mean(of) };
    whole.offered_per_s = rate(|report| report.offered_per_s);
    whole.throughput_per_s = rate(|report| report.throughput_per_s);
    whole.knee_per_s = rate(|report| report.knee_per_s);
    whole.kib_per_idle_owner = mean(|report| report.kib_per_idle_owner);
    whole.generator_headroom = reports.iter().filter_map(|report| report.generator_headroom).reduce(f64::min);
    whole.figures = mean_of_figures(reports);
    whole.lost_on_kill = reports.iter().map(|report| report.lost_on_kill).sum();

    let times = merged_times(reports)?;
    if !times.is_empty() {
        whole.latency_us = Percentiles::of(&times);
        whole.latency_curve = curve(&times);
        whole.latency_histogram = Some(to_text(&times)?);
    }
    // Without their histograms nothing can be said of the others.
    (whole.acceptance_us, whole.lateness_us) = (None, None);
    whole.measured = Some(measured_of(reports, how));
    if let Some(measured) = &whole.measured
        && measured.messages > 0
    {
        let each = |(kind, seconds): (&String, &f64)| (kind.clone(), seconds * 1e6 / measured.messages as f64);
        whole.cpu_us_per_message = measured.cpu_s.iter().map(each).collect();
    }
    whole.rss_kib = highest(reports.iter().map(|report| &report.rss_kib));
    if how == Together::AtOnce {
        whole.mailboxes = reports.iter().map(|report| report.mailboxes).sum();
        whole.connections = reports
            .iter()
            .filter_map(|report| report.connections)
            .reduce(|sum, more| Connections { owners: sum.owners + more.owners, senders: sum.senders + more.senders });
        whole.timeline = side_by_side(reports);
    }
    whole.processes = reports.iter().map(|report| &report.processes).fold(Vec::new(), of_processes);
    Ok(whole)
}

fn verdict_of(reports: &[Report]) -> Verdict {
    let mut whole = Verdict { passed: true, ..Verdict::default() };
    for (number, report) in reports.iter().enumerate() {
        let Some(verdict) = &report.verdict else { continue };
        whole.passed &= verdict.passed;
        let of_it = |text: &String| format!("run {}: {text}", number + 1);
        whole.problems.extend(verdict.problems.iter().map(of_it));
        whole.warnings.extend(verdict.warnings.iter().map(of_it));
    }
    whole
}

fn merged_times(reports: &[Report]) -> Result<Times, Problem> {
    let mut all = no_times();
    for text in reports.iter().filter_map(|report| report.latency_histogram.as_ref()) {
        add(&mut all, &from_text(text)?);
    }
    Ok(all)
}

fn measured_of(reports: &[Report], how: Together) -> Measured {
    let mut whole = Measured::default();
    for measured in reports.iter().filter_map(|report| report.measured.as_ref()) {
        whole.messages += measured.messages;
        let at_once = how == Together::AtOnce;
        whole.seconds = if at_once { whole.seconds.max(measured.seconds) } else { whole.seconds + measured.seconds };
        for (kind, seconds) in &measured.cpu_s {
            let so_far = whole.cpu_s.entry(kind.clone()).or_default();
            // Each generator is a process of its own; the servers are the same ones.
            let same = at_once && kind != crate::target::Kind::Generator.name();
            *so_far = if same { so_far.max(*seconds) } else { *so_far + seconds };
        }
    }
    whole
}

fn mean_of_figures(reports: &[Report]) -> BTreeMap<String, f64> {
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for (name, figure) in reports.iter().flat_map(|report| &report.figures) {
        let (sum, count) = sums.entry(name.clone()).or_default();
        (*sum, *count) = (*sum + figure, *count + 1.0);
    }
    sums.into_iter().map(|(name, (sum, count))| (name, sum / count)).collect()
}

fn highest<'a>(of: impl Iterator<Item = &'a BTreeMap<String, u64>>) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for (kind, kib) in of.flatten() {
        let so_far = all.entry(kind.clone()).or_default();
        *so_far = (*so_far).max(*kib);
    }
    all
}

fn of_processes(mut all: Vec<Process>, more: &Vec<Process>) -> Vec<Process> {
    for process in more {
        match all.iter_mut().find(|known| known.name == process.name) {
            Some(known) => {
                known.cpu_s = known.cpu_s.max(process.cpu_s);
                known.rss_kib = known.rss_kib.max(process.rss_kib);
                known.peak_rss_kib = known.peak_rss_kib.max(process.peak_rss_kib);
            }
            None => all.push(process.clone()),
        }
    }
    all
}

/// Rates of the same second are summed; of times only the worst can be said.
fn side_by_side(reports: &[Report]) -> Vec<Moment> {
    let mut seconds: BTreeMap<u64, Moment> = BTreeMap::new();
    for moment in reports.iter().flat_map(|report| &report.timeline) {
        // A time in a run, which is short.
        let whole = seconds.entry(moment.at_s.round().max(0.0) as u64).or_insert_with(|| Moment {
            at_s: moment.at_s,
            cpu_cores: moment.cpu_cores.clone(),
            rss_kib: moment.rss_kib.clone(),
            ..Moment::default()
        });
        whole.offered_per_s += moment.offered_per_s;
        whole.delivered_per_s += moment.delivered_per_s;
        whole.refused_per_s += moment.refused_per_s;
        whole.p99_us = whole.p99_us.max(moment.p99_us);
        whole.max_us = whole.max_us.max(moment.max_us);
    }
    seconds.into_values().collect()
}

/// The lowest and the highest of the main figures.
fn spread(runs: &[Report]) -> BTreeMap<String, (f64, f64)> {
    let mut spread: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    let mut take = |name: String, figure: f64| {
        let (low, high) = spread.entry(name).or_insert((figure, figure));
        (*low, *high) = (low.min(figure), high.max(figure));
    };
    for run in runs {
        let rates = [
            ("throughput_per_s", run.throughput_per_s),
            ("knee_per_s", run.knee_per_s),
            ("kib_per_idle_owner", run.kib_per_idle_owner),
        ];
        rates
            .iter()
            .filter_map(|(name, figure)| Some((name, (*figure)?)))
            .for_each(|(name, figure)| take((*name).to_owned(), figure));
        if let Some(times) = run.latency_us {
            for (name, time) in [("p50", times.p50), ("p99", times.p99), ("p999", times.p999), ("max", times.max)] {
                take(format!("latency_us.{name}"), time as f64);
            }
        }
        run.cpu_us_per_message.iter().for_each(|(kind, cpu)| take(format!("cpu_us_per_message.{kind}"), *cpu));
        run.figures.iter().for_each(|(name, figure)| take(format!("figures.{name}"), *figure));
    }
    spread
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latencies::note;
    use crate::report::Counts;

    fn report(millis: u64, lost: u64) -> Report {
        let mut times = no_times();
        (0..100).for_each(|_| note(&mut times, Duration::from_millis(millis)));
        let cpu_s = [("relay".to_owned(), 2.0), ("generator".to_owned(), 1.0)];
        Report {
            scenario: Some("stream".to_owned()),
            counts: Some(Counts { sent: 100, accepted: 100, delivered: 100 - lost, lost, ..Counts::default() }),
            offered_per_s: Some(10.0),
            throughput_per_s: Some(10.0),
            mailboxes: Some(5),
            latency_us: Percentiles::of(&times),
            latency_histogram: Some(to_text(&times).unwrap()),
            measured: Some(Measured { seconds: 10.0, messages: 100, cpu_s: cpu_s.into() }),
            verdict: Some(Verdict { passed: lost == 0, problems: vec![format!("{lost} lost")], warnings: Vec::new() }),
            timeline: vec![Moment { at_s: 1.0, delivered_per_s: 10.0, max_us: Some(millis), ..Moment::default() }],
            ..Report::default()
        }
    }

    #[test]
    fn repeats_are_merged_and_their_spread_is_said() {
        let whole = of_repeats(vec![report(1, 0), report(3, 0), report(3, 1)]).unwrap();
        assert_eq!(whole.counts.unwrap().sent, 300);
        assert_eq!(whole.throughput_per_s, Some(10.0));
        assert_eq!(whole.mailboxes, Some(5));
        let latency = whole.latency_us.unwrap();
        // Of all messages, not an average of percentiles.
        assert!(latency.p50.abs_diff(3_000) < 10, "{latency:?}");
        let (low, high) = whole.spread["latency_us.p50"];
        assert!((low - 1_000.0).abs() < 10.0 && (high - 3_000.0).abs() < 10.0);
        assert_eq!(whole.cpu_us_per_message["relay"].to_string(), "20000");
        assert_eq!(whole.measured.unwrap().seconds.to_string(), "30");
        assert!(!whole.verdict.unwrap().passed);
        assert_eq!(whole.runs.len(), 3);
    }

    #[test]
    fn generators_share_the_servers_and_add_to_each_other() {
        let whole = of_generators(vec![report(1, 0), report(3, 0)]).unwrap();
        assert_eq!(whole.throughput_per_s, Some(20.0));
        assert_eq!(whole.mailboxes, Some(10));
        // 2 s of one relay for 200 messages, and 1 s of each of two generators.
        assert_eq!(whole.cpu_us_per_message["relay"].to_string(), "10000");
        assert_eq!(whole.cpu_us_per_message["generator"].to_string(), "10000");
        assert_eq!(whole.measured.unwrap().seconds.to_string(), "10");
        assert_eq!(whole.timeline.len(), 1);
        assert_eq!(whole.timeline[0].delivered_per_s.to_string(), "20");
        assert_eq!(whole.timeline[0].max_us, Some(3));
        assert!(whole.verdict.unwrap().passed);
    }

    #[test]
    fn reports_that_do_not_belong_together_are_not_merged() {
        let other = Report { scenario: Some("unary".to_owned()), ..report(1, 0) };
        assert!(of_generators(vec![report(1, 0), other]).unwrap_err().to_string().contains("different scenarios"));
        assert!(of_generators(Vec::new()).is_err());
    }

    #[test]
    fn one_is_itself() {
        assert_eq!(of_repeats(vec![report(1, 0)]).unwrap(), report(1, 0));
    }
}
