//! Every metric, by name, in one place. Labels are enums, so their number is known.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter as PrometheusCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as PrometheusGauge;
use prometheus_client::registry::Registry;

use super::process::Process;

/// The metrics of one relay.
#[derive(Debug)]
pub struct Metrics {
    /// Envelopes asked to be queued, by outcome.
    pub sends: Sends,
    /// Envelopes sent to owners.
    pub delivered: Counter,
    /// Envelopes that owners acknowledged on their streams.
    pub acknowledged: Counter,
    /// Open Receive and Subscribe streams.
    pub streams: Gauge,
    /// Client connections.
    pub connections: Gauge,
    /// How connections began.
    pub greetings: Greetings,
    /// Failed calls, by reason.
    pub failures: Failures,
    /// Changed files of certificates, by outcome.
    pub certificate_reloads: Reloads,
    /// Full days until the first certificate ends.
    pub certificate_days_left: Figure,
    /// Changed files of ticket keys, by outcome.
    pub ticket_key_reloads: Reloads,
    registry: Registry,
}

/// A number that only rises.
#[derive(Debug, Clone, Default)]
pub struct Counter(PrometheusCounter);

/// A number of things that there are.
#[derive(Debug, Clone, Default)]
pub struct Gauge(PrometheusGauge);

/// A number that is not there until it is known.
#[derive(Debug, Clone, Default)]
pub struct Figure(Family<[(&'static str, &'static str); 0], PrometheusGauge>);

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// It was queued.
    Accepted,
    /// Its fields were wrong.
    Invalid,
    /// No such mailbox, or not its key.
    Refused,
    /// The mailbox was full.
    Full,
    /// The store failed.
    Unavailable,
}

/// What became of a file that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Reload {
    /// It is in use.
    Loaded,
    /// It cannot be used: what was in use before still is.
    Refused,
}

/// A procedure of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs)]
pub enum Procedure {
    Send,
    SendStream,
    FetchCard,
    CreateMailbox,
    UpdateMailbox,
    DeleteMailbox,
    DescribeMailbox,
    Receive,
    Subscribe,
    Acknowledge,
}

/// How a connection began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Greeting {
    /// Its handshake is done.
    Done,
    /// Its handshake, or its PROXY header, was wrong.
    Failed,
    /// It took too long, or gave way to others.
    TookTooLong,
    /// Its peer has all the connections that it may have.
    TooManyOfPeer,
}

/// Connections by how they began.
#[derive(Debug, Clone, Default)]
pub struct Greetings(Family<GreetingLabels, PrometheusCounter>);

/// A handle for each [`Outcome`], so that counting looks nothing up.
#[derive(Debug)]
pub struct Sends {
    accepted: PrometheusCounter,
    invalid: PrometheusCounter,
    refused: PrometheusCounter,
    full: PrometheusCounter,
    unavailable: PrometheusCounter,
}

/// A handle for each [`Reload`], so that both are there from the start.
#[derive(Debug)]
pub struct Reloads {
    loaded: PrometheusCounter,
    refused: PrometheusCounter,
}

/// Failures by procedure and reason.
#[derive(Debug, Clone, Default)]
pub struct Failures(Family<FailureLabels, PrometheusCounter>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SendLabels {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GreetingLabels {
    outcome: Greeting,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    outcome: Reload,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    procedure: Procedure,
    reason: &'static str,
}

impl Metrics {
    /// With all numbers at nought.
    pub fn new() -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(Process));
        let registry = all.sub_registry_with_prefix("sealpost");
        let sends: Family<SendLabels, PrometheusCounter> = Family::default();
        let delivered = Counter::default();
        let acknowledged = Counter::default();
        let streams = Gauge::default();
        let connections = Gauge::default();
        let failures = Failures::default();
        let greetings = Greetings::default();
        let certificate_reloads: Family<ReloadLabels, PrometheusCounter> = Family::default();
        let certificate_days_left = Figure::default();
        let ticket_key_reloads: Family<ReloadLabels, PrometheusCounter> = Family::default();
        registry.register("sends", "Envelopes that senders asked to be queued", sends.clone());
        registry.register("deliveries", "Envelopes sent to owners", delivered.0.clone());
        registry.register("acknowledgements", "Envelopes that owners acknowledged", acknowledged.0.clone());
        registry.register("streams_open", "Receive and Subscribe streams that are open", streams.0.clone());
        registry.register("connections_open", "Client connections that are open", connections.0.clone());
        registry.register("handshakes", "Client connections by how they began", greetings.0.clone());
        registry.register("failures", "Failed calls by procedure and reason", failures.0.clone());
        registry.register(
            "certificate_reloads",
            "Files of certificates that changed, by outcome",
            certificate_reloads.clone(),
        );
        registry.register(
            "certificate_days_left",
            "Full days until the first of the relay's certificates ends",
            certificate_days_left.0.clone(),
        );
        registry.register(
            "ticket_key_reloads",
            "Files of ticket keys that changed, by outcome",
            ticket_key_reloads.clone(),
        );
        let of = |outcome| sends.get_or_create_owned(&SendLabels { outcome });
        Self {
            sends: Sends {
                accepted: of(Outcome::Accepted),
                invalid: of(Outcome::Invalid),
                refused: of(Outcome::Refused),
                full: of(Outcome::Full),
                unavailable: of(Outcome::Unavailable),
            },
            delivered,
            acknowledged,
            streams,
            connections,
            greetings,
            failures,
            certificate_reloads: Reloads::of(&certificate_reloads),
            certificate_days_left,
            ticket_key_reloads: Reloads::of(&ticket_key_reloads),
            registry: all,
        }
    }

    /// All of them, in the OpenMetrics text format.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // A String takes anything that is written to it.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Counter {
    /// Counts some.
    pub fn add(&self, many: usize) {
        self.0.inc_by(many as u64);
    }
}

impl Gauge {
    /// One more.
    pub fn opened(&self) {
        self.0.inc();
    }

    /// One less.
    pub fn closed(&self) {
        self.0.dec();
    }
}

impl Figure {
    /// It is known.
    pub fn set(&self, figure: i64) {
        self.0.get_or_create(&[]).set(figure);
    }
}

impl Sends {
    /// Counts one.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => &self.accepted,
            Outcome::Invalid => &self.invalid,
            Outcome::Refused => &self.refused,
            Outcome::Full => &self.full,
            Outcome::Unavailable => &self.unavailable,
        }
        .inc();
    }
}

impl Greetings {
    /// Counts one.
    pub fn count(&self, outcome: Greeting) {
        self.0.get_or_create(&GreetingLabels { outcome }).inc();
    }
}

impl Reloads {
    fn of(family: &Family<ReloadLabels, PrometheusCounter>) -> Self {
        let of = |outcome| family.get_or_create_owned(&ReloadLabels { outcome });
        Self { loaded: of(Reload::Loaded), refused: of(Reload::Refused) }
    }

    /// Counts one.
    pub fn count(&self, outcome: Reload) {
        match outcome {
            Reload::Loaded => &self.loaded,
            Reload::Refused => &self.refused,
        }
        .inc();
    }
}

impl Failures {
    /// Counts one. The reason is one of the contract's names.
    pub fn count(&self, procedure: Procedure, reason: &'static str) {
        self.0.get_or_create(&FailureLabels { procedure, reason }).inc();
    }
}
