//! Every metric, with its name, in one place: a file for each part of the relay that is measured.
//!
//! Labels are closed lists ([`labels`]), so how many series there are is known before there is one, and nothing that comes
//! from outside can become a label. Instruments ([`instruments`]) are atomics: what is counted is added up, and nothing
//! of a single message is kept.

mod allocator;
mod api;
mod delivery;
mod edge;
mod instruments;
mod labels;
mod process;
mod registry;
mod relay;
mod runtime;
mod store;

pub use api::{ApiMetrics, Outcome, Procedure};
pub use delivery::{DeliveryMetrics, Path, StreamEnd};
pub use edge::{ConnectionEnd, EdgeMetrics, Greeting, KeyExchange, Limit, Reload, Session};
pub use instruments::{By, Counter, Figure, Gauge, Held, Histogram};
pub use labels::Labels;
pub use relay::{RelayMetrics, Sent, Signal};
pub use store::{Command, Fault, StoreMetrics};

pub(super) use instruments::Reading;
use registry::Registry;
pub(super) use registry::{Families, Kind};

/// The metrics of one relay.
#[derive(Debug)]
pub struct Metrics {
    /// The relay as a whole.
    pub relay: RelayMetrics,
    /// What faces the network.
    pub edge: EdgeMetrics,
    /// What clients ask for.
    pub api: ApiMetrics,
    /// Streams of owners.
    pub delivery: DeliveryMetrics,
    /// What the store is asked.
    pub store: StoreMetrics,
    families: Families,
}

impl Metrics {
    /// With all numbers at nought.
    pub fn new() -> Self {
        let mut all = Registry::default();
        process::register(&mut all);
        allocator::register(&mut all);
        runtime::register(&mut all);
        Self {
            relay: RelayMetrics::new(&mut all),
            edge: EdgeMetrics::new(&mut all),
            api: ApiMetrics::new(&mut all),
            delivery: DeliveryMetrics::new(&mut all),
            store: StoreMetrics::new(&mut all),
            families: all.finish(),
        }
    }

    pub(super) fn families(&self) -> &Families {
        &self.families
    }

    /// All of them, in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        self.families.text()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_in_the_openmetrics_format() {
        let metrics = Metrics::new();
        metrics.api.sends.count(Outcome::Accepted);
        metrics.api.failures.count((Procedure::Send, sealpost_proto::Reason::MailboxFull));
        metrics.delivery.waiting.took(Path::Pushed, std::time::Duration::from_millis(3));
        let text = metrics.encode();
        for line in [
            "# TYPE sealpost_sends counter",
            "sealpost_sends_total{outcome=\"accepted\"} 1",
            "sealpost_sends_total{outcome=\"full\"} 0",
            "sealpost_failures_total{procedure=\"Send\",reason=\"MAILBOX_FULL\"} 1",
            "# UNIT sealpost_envelope_waiting_seconds seconds",
            "sealpost_envelope_waiting_seconds_bucket{le=\"0.005\",path=\"pushed\"} 1",
            "sealpost_envelope_waiting_seconds_count{path=\"pushed\"} 1",
            "sealpost_streams_open 0",
            "# EOF",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in {text}");
        }
        assert!(!text.contains("INTERNAL"), "what never failed is not shown");
        assert!(!text.contains("\nsealpost_certificate_days_left "), "nor what is not known");
    }

    /// What docs/metrics.md says between its marks.
    fn table(metrics: &Metrics) -> String {
        let row = |family: &registry::Family| {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            let labels: Vec<_> = family.labels.iter().map(|label| format!("`{label}`")).collect();
            let unit = family.unit.as_ref().map_or_else(String::new, |unit| format!("_{}", unit.as_str()));
            let total = if kind == "counter" { "_total" } else { "" };
            format!("| `{}{unit}{total}` | {kind} | {} | {} |\n", family.name, labels.join(", "), family.help)
        };
        let rows: String = metrics.families.iter().map(row).collect();
        format!("| metric | kind | labels | what |\n|---|---|---|---|\n{rows}")
    }

    #[tokio::test]
    async fn the_documentation_has_each_of_them() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let document = std::fs::read_to_string(path).expect("it is there");
        let (begin, end) = ("<!-- table: all -->\n", "<!-- end of table -->");
        let (before, rest) = document.split_once(begin).expect("it begins");
        let (written, after) = rest.split_once(end).expect("it ends");
        let table = table(&Metrics::new());
        if std::env::var_os("SEALPOST_WRITE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{begin}{table}{end}{after}")).expect("it is written");
        } else {
            assert!(written == table, "SEALPOST_WRITE_DOCS=1 cargo test -p sealpost --lib metrics writes it anew");
        }
    }

    #[test]
    fn no_two_families_have_one_name() {
        let metrics = Metrics::new();
        let mut names: Vec<_> = metrics.families.iter().map(|family| family.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
