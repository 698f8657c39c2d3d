//! Two reports side by side, as ratios.

use std::collections::BTreeMap;

use super::{Report, number};

/// A figure that two reports have, with its ratio (second by first).
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Its key.
    pub name: String,
    /// In the first report.
    pub first: f64,
    /// In the second.
    pub second: f64,
    /// The spreads of their repeats touch: the difference may be chance.
    pub may_be_chance: bool,
}

impl Compared {
    /// Second by first; `None` by nought.
    pub fn ratio(&self) -> Option<f64> {
        (self.first.abs() > f64::EPSILON).then(|| self.second / self.first)
    }

    /// As a line: the name, both figures, the ratio.
    pub fn line(&self) -> String {
        let ratio = self.ratio().map_or("–".to_owned(), |ratio| format!("{} ×", number(ratio)));
        let chance = if self.may_be_chance { "  (within the spread of the repeats)" } else { "" };
        format!("  {:<40} {:>12} {:>12} {:>10}{chance}", self.name, number(self.first), number(self.second), ratio)
    }
}

/// Every figure that both have.
pub fn compare(first: &Report, second: &Report) -> Vec<Compared> {
    let others = figures_of(second);
    let both =
        figures_of(first).into_iter().filter_map(|(name, figure)| Some((others.get(&name).copied()?, name, figure)));
    both.map(|(other, name, figure)| Compared {
        may_be_chance: touch(first.spread.get(&name), second.spread.get(&name)),
        name,
        first: figure,
        second: other,
    })
    .collect()
}

fn touch(first: Option<&(f64, f64)>, second: Option<&(f64, f64)>) -> bool {
    first.zip(second).is_some_and(|(first, second)| first.0 <= second.1 && second.0 <= first.1)
}

fn figures_of(report: &Report) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut take = |name: String, figure: Option<f64>| {
        if let Some(figure) = figure {
            all.insert(name, figure);
        }
    };
    take("offered_per_s".to_owned(), report.offered_per_s);
    take("throughput_per_s".to_owned(), report.throughput_per_s);
    take("knee_per_s".to_owned(), report.knee_per_s);
    take("kib_per_idle_owner".to_owned(), report.kib_per_idle_owner);
    for (name, times) in [("latency_us", report.latency_us), ("acceptance_us", report.acceptance_us)] {
        let Some(times) = times else { continue };
        for (share, time) in
            [("p50", times.p50), ("p90", times.p90), ("p99", times.p99), ("p999", times.p999), ("max", times.max)]
        {
            take(format!("{name}.{share}"), Some(time as f64));
        }
    }
    for (kind, cpu) in &report.cpu_us_per_message {
        take(format!("cpu_us_per_message.{kind}"), Some(*cpu));
    }
    for (kind, kib) in &report.rss_kib {
        take(format!("rss_kib.{kind}"), Some(*kib as f64));
    }
    for (name, figure) in &report.figures {
        take(format!("figures.{name}"), Some(*figure));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(throughput: f64, spread: (f64, f64)) -> Report {
        Report {
            throughput_per_s: Some(throughput),
            spread: [("throughput_per_s".to_owned(), spread)].into(),
            ..Report::default()
        }
    }

    #[test]
    fn figures_of_both_are_compared_and_chance_is_said() {
        let first = report(100.0, (90.0, 110.0));
        let apart = compare(&first, &report(150.0, (140.0, 160.0)));
        assert_eq!(apart.len(), 1);
        assert_eq!(apart[0].ratio(), Some(1.5));
        assert!(!apart[0].may_be_chance && apart[0].line().contains("1.50 ×"));
        assert!(compare(&first, &report(105.0, (95.0, 115.0)))[0].may_be_chance);
        assert!(compare(&first, &Report::default()).is_empty());
    }
}
