//! What is known after a run: the JSON that other tools read (loadtest/README.md documents every key), and what is made of
//! it.

mod compare;
mod page;
mod put_together;
mod table;
mod text;
mod times;

use std::collections::BTreeMap;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::target::Kind;

pub use compare::{Compared, compare};
pub use page::page;
pub use put_together::{of_generators, of_repeats};
pub use table::table;
pub use text::{duration, grouped, micros, number};
pub use times::{Percentiles, curve, from_text, to_text};

/// The form of the JSON; another number where a key changes its meaning.
pub const FORMAT: u32 = 1;

/// A report. The same keys describe a whole run, one of its repeats, a peer and the floor; what there is not is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<Connections>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered_per_s: Option<f64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptance_us: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lateness_us: Option<Percentiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_per_s: Option<f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_us_per_message: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rss_kib: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kib_per_idle_owner: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_headroom: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub knee_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_on_kill: Option<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency_curve: Vec<(f64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_histogram: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<Moment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<Self>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<Box<Self>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ratios: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Self>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub spread: BTreeMap<String, (f64, f64)>,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Connections {
    pub owners: usize,
    pub senders: usize,
}

/// What became of all messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Counts {
    pub sent: u64,
    pub accepted: u64,
    pub refused: u64,
    pub unknown: u64,
    pub delivered: u64,
    pub duplicates: u64,
    pub lost: u64,
    pub out_of_order: u64,
    pub corrupted: u64,
    pub unexpected: u64,
    pub retried: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            sent: self.sent + more.sent,
            accepted: self.accepted + more.accepted,
            refused: self.refused + more.refused,
            unknown: self.unknown + more.unknown,
            delivered: self.delivered + more.delivered,
            duplicates: self.duplicates + more.duplicates,
            lost: self.lost + more.lost,
            out_of_order: self.out_of_order + more.out_of_order,
            corrupted: self.corrupted + more.corrupted,
            unexpected: self.unexpected + more.unexpected,
            retried: self.retried + more.retried,
        }
    }
}

/// Whether the run is a good one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Verdict {
    pub passed: bool,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

/// The sums that rates are made of, over the measured time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Measured {
    pub seconds: f64,
    pub messages: u64,
    pub cpu_s: BTreeMap<String, f64>,
}

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Moment {
    pub at_s: f64,
    pub offered_per_s: f64,
    pub delivered_per_s: f64,
    pub refused_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_us: Option<u64>,
    pub cpu_cores: BTreeMap<String, f64>,
    pub rss_kib: BTreeMap<String, u64>,
}

/// Something that happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Event {
    pub at_s: f64,
    pub what: String,
}

/// A part of a run, with its own load.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Step {
    pub label: String,
    pub offered_per_s: f64,
    pub throughput_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_us: Option<Percentiles>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cpu_us_per_message: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_up: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rss_kib: BTreeMap<String, u64>,
}

/// A process of the system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Process {
    pub name: String,
    pub cpu_s: f64,
    pub rss_kib: u64,
    pub peak_rss_kib: u64,
}

/// Where it was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Environment {
    pub commit: String,
    pub dirty: bool,
    pub cpu: String,
    pub cores: usize,
    pub memory_kib: u64,
    pub kernel: String,
    pub os: String,
    pub profile: String,
    pub wake_us: f64,
    pub versions: BTreeMap<String, String>,
    pub configurations: BTreeMap<String, String>,
}

impl Report {
    /// Whether no message was lost, corrupted or out of order, and nothing else was found to be wrong.
    pub fn passed(&self) -> bool {
        self.verdict.as_ref().is_none_or(|verdict| verdict.passed)
    }

    /// CPU of all servers together a message, in microseconds.
    pub fn server_cpu_us(&self) -> Option<f64> {
        let servers = self.cpu_us_per_message.iter().filter(|(kind, _)| *kind != Kind::Generator.name());
        let each: Vec<f64> = servers.map(|(_, cpu)| *cpu).collect();
        (!each.is_empty()).then(|| each.iter().sum())
    }
}
