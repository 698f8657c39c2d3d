//! What the servers use, from second to second: of processes here, and of relays elsewhere by their metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use super::metrics::Endpoint;
use super::{Kind, Reading, Watched};
use crate::problem::Problem;
use crate::process::Usage;

/// Everything that is watched.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    processes: Vec<Watched>,
    endpoints: Vec<Endpoint>,
}

impl Probes {
    /// Of processes that were started here.
    pub fn of_processes(processes: Vec<Watched>) -> Self {
        Self { processes, endpoints: Vec::new() }
    }

    /// Of relays elsewhere.
    pub fn of_endpoints(endpoints: Vec<Endpoint>) -> Self {
        Self { processes: Vec::new(), endpoints }
    }

    /// What each kind of process uses, all of it together.
    ///
    /// # Errors
    /// As [`read`](Probes::read).
    pub async fn by_kind(&self) -> Result<BTreeMap<Kind, Usage>, Problem> {
        Ok(by_kind(&self.read().await?))
    }

    /// Each process now.
    ///
    /// # Errors
    /// Where a metrics endpoint does not answer.
    pub async fn read(&self) -> Result<Vec<Reading>, Problem> {
        let of = |watched: &Watched| Reading {
            kind: watched.kind,
            name: watched.account.name().to_owned(),
            usage: watched.account.usage(),
        };
        let mut readings: Vec<Reading> = self.processes.iter().map(of).collect();
        for endpoint in &self.endpoints {
            readings.push(endpoint.read().await?);
        }
        Ok(readings)
    }
}

/// The CPU time that each kind of process used between two looks.
pub fn cpu_between(before: &BTreeMap<Kind, Usage>, after: &BTreeMap<Kind, Usage>) -> BTreeMap<Kind, Duration> {
    let used = |(kind, usage): (&Kind, &Usage)| {
        let before = before.get(kind).map(|usage| usage.cpu).unwrap_or_default();
        (*kind, usage.cpu.saturating_sub(before))
    };
    after.iter().map(used).collect()
}

/// What each kind of process used, all of it together.
pub fn by_kind(readings: &[Reading]) -> BTreeMap<Kind, Usage> {
    let mut all: BTreeMap<Kind, Usage> = BTreeMap::new();
    for Reading { kind, usage, .. } in readings {
        let sum = all.entry(*kind).or_default();
        sum.cpu += usage.cpu;
        sum.rss_kib += usage.rss_kib;
        sum.peak_rss_kib += usage.peak_rss_kib;
    }
    all
}
