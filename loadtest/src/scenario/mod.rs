//! What a run does, as written in a TOML file; [`read`] turns files and flags into one.

mod read;
mod span;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use read::{BUILT_IN, Built, read};
pub use span::Span;

use crate::schedule::Arrivals;

/// A scenario. Everything has a default, so a file says only what is particular about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// One sentence for whoever reads the report.
    pub description: String,
    /// What happens.
    pub play: Play,
    /// How often it is done, for the spread.
    pub repeats: u32,
    /// What is sent, and when.
    pub load: Load,
    /// Who sends.
    pub senders: Senders,
    /// Who receives.
    pub owners: Owners,
    /// What is started, where the load test starts it.
    pub spawn: Spawn,
    /// For `play = "ladder"`, and the ladder of `peers`.
    pub ladder: Ladder,
    /// For `play = "idle"`.
    pub idle: Idle,
    /// For `play = "backlog"`.
    pub backlog: Backlog,
    /// For `play = "storm"`.
    pub storm: Storm,
    /// For `play = "slow"`.
    pub slow: Slow,
    /// For `play = "drain"`.
    pub drain: Drain,
    /// For `play = "certificate"`.
    pub certificate: Certificate,
    /// For `play = "flat"`.
    pub flat: Flat,
    /// For `play = "verify"`.
    pub verify: Verify,
    /// For `play = "peers"`.
    pub peers: Peers,
}

/// What happens in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Play {
    /// One rate for some time.
    Steady,
    /// Rising rates, until the system no longer keeps up: finds the knee.
    Ladder,
    /// Owners who only have their streams open.
    Idle,
    /// Mailboxes filled while their owners are away, then drained.
    Backlog,
    /// All owners come back at once.
    Storm,
    /// Some owners barely read; what does that mean for the others?
    Slow,
    /// One of several relays leaves and comes back, again and again, under load.
    Drain,
    /// The relays' certificate is replaced under load.
    Certificate,
    /// The same load over few and over many mailboxes, shallow and deep.
    Flat,
    /// Faults are put into what arrives: does the checker find them?
    Verify,
    /// What a bare client of Redis does with the same messages.
    Floor,
    /// Other systems, doing the same work.
    Peers,
}

/// What is sent, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// Messages a second, over all senders.
    pub rate: f64,
    /// How they are spread around it.
    pub arrivals: Arrivals,
    /// The rate rises from nothing to `rate` for so long.
    pub ramp: Span,
    /// Then it is held for so long before anything is measured.
    pub warm_up: Span,
    /// And for so long while it is.
    pub steady: Span,
    /// After the last message was due, how long without any progress until what is missing is lost.
    pub patience: Span,
    /// Bytes of an envelope.
    pub payload_bytes: usize,
    /// Whether messages are really sealed and opened: true to life, and most of the generator's work.
    pub sealed: bool,
}

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// `SendStream`: batches, many under way.
    Stream,
    /// `Send`: a call for each.
    Unary,
}

/// Who sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Senders {
    /// By which call.
    pub method: Method,
    /// Over how many connections.
    pub connections: usize,
    /// How often a message is sent again whose fate is unknown.
    pub retries: u32,
}

/// Whose connections are whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// A connection for each owner, as phones have.
    Own,
    /// All mailboxes over a few connections.
    Gateway,
}

/// Who receives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Owners {
    /// How many mailboxes there are. Each message goes to one of them, picked at random.
    pub mailboxes: usize,
    /// Who has them.
    pub topology: Topology,
    /// For `topology = "gateway"`: over how many connections.
    pub connections: usize,
    /// Acknowledgements are gathered for so long. The SDK's clients do it for 20 ms.
    pub acknowledge_after: Span,
    /// So many of the newest messages of each mailbox are not acknowledged: they wait in it.
    pub keep: u64,
}

/// What is started, where the load test starts it. Nothing of it counts with `--relay`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spawn {
    /// How many relays.
    pub relays: usize,
    /// Whether clients reach them by TLS.
    pub tls: bool,
    /// Where they keep envelopes.
    pub store: StoreKind,
    /// How durable an accepted message is.
    pub durability: Durability,
    /// In the middle of a steady load the first relay is stopped (SIGSTOP) for so long: the report must show it.
    pub pause: Span,
    /// Settings of the relay, as flags of `sealpost serve` without their dashes: `drain-spread-ms = 1000`.
    pub relay_settings: BTreeMap<String, toml::Value>,
}

/// Where a relay keeps envelopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// One Redis server.
    Redis,
    /// In its own process.
    Embedded,
}

/// What is safe when a message is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// It is in memory; nothing is written.
    Memory,
    /// Written within a second (`appendfsync everysec`).
    Everysec,
    /// It is on the disk (`appendfsync always`).
    Always,
}

/// Rising rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ladder {
    /// The first rate.
    pub from: f64,
    /// No more than this.
    pub to: f64,
    /// Each rate is so many times the one before, until one is not kept up with.
    pub factor: f64,
    /// Then so many rates between the last that was kept up with and the first that was not.
    pub refine: u32,
    /// How long each is held; the first quarter is not measured.
    pub step: Span,
    /// A rate is kept up with if so much of it was delivered while it lasted…
    pub delivered: f64,
    /// … and 99 of 100 messages took no longer than this.
    pub p99: Span,
}

/// Owners who only wait.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Idle {
    /// In how many equal groups they come: the slope over the groups is what one costs.
    pub groups: usize,
    /// How long memory may settle after each.
    pub settle: Span,
    /// Then each gets so many messages at once, and all are idle again.
    pub burst: usize,
}

/// Mailboxes that fill while nobody is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backlog {
    /// Messages in each.
    pub depth: usize,
}

/// Everybody comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storm {
    /// How often.
    pub rounds: usize,
    /// Owners wait a random time up to this before they come back; 0: none.
    pub spread: Span,
}

/// Owners who barely read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slow {
    /// Which share of them.
    pub share: f64,
}

/// Relays that leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Drain {
    /// How often one leaves and comes back.
    pub rounds: usize,
    /// The time from one that is back to the next that leaves.
    pub pause: Span,
}

/// Certificates that are replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Certificate {
    /// How often, before something that is none takes its place.
    pub rounds: usize,
    /// The time from one to the next.
    pub pause: Span,
    /// In this time new handshakes must show a new one.
    pub within: Span,
}

/// Few and many mailboxes, shallow and deep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Flat {
    /// So many mailboxes, each empty but for what is under way.
    pub mailboxes: Vec<usize>,
    /// So many messages wait in each of `deep_mailboxes` all the time.
    pub depths: Vec<usize>,
    /// How many mailboxes there are then.
    pub deep_mailboxes: usize,
}

/// Faults on purpose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Verify {
    /// One message in so many is dropped, repeated, delayed or changed on arrival.
    pub one_in: u64,
}

/// Other systems.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peers {
    /// Which, in this order; all by default.
    pub systems: Vec<Peer>,
    /// How long there is load before its servers are killed, and after they are there again.
    pub kill_after: Span,
}

/// A system beside ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// NATS JetStream, fsync every two minutes (its default).
    Jetstream,
    /// NATS JetStream, fsync before it acknowledges.
    JetstreamSync,
    /// Mosquitto, QoS 1, persistent sessions.
    Mosquitto,
}

impl Peer {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Jetstream, Self::JetstreamSync, Self::Mosquitto];
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            description: String::new(),
            play: Play::Steady,
            repeats: 1,
            load: Load::default(),
            senders: Senders::default(),
            owners: Owners::default(),
            spawn: Spawn::default(),
            ladder: Ladder::default(),
            idle: Idle::default(),
            backlog: Backlog::default(),
            storm: Storm::default(),
            slow: Slow::default(),
            drain: Drain::default(),
            certificate: Certificate::default(),
            flat: Flat::default(),
            verify: Verify::default(),
            peers: Peers::default(),
        }
    }
}

impl Default for Load {
    fn default() -> Self {
        Self {
            rate: 5_000.0,
            arrivals: Arrivals::Poisson,
            ramp: Span::secs(1),
            warm_up: Span::secs(3),
            steady: Span::secs(20),
            patience: Span::secs(30),
            payload_bytes: 1024,
            sealed: false,
        }
    }
}

impl Default for Senders {
    fn default() -> Self {
        Self { method: Method::Stream, connections: 8, retries: 1 }
    }
}

impl Default for Owners {
    fn default() -> Self {
        Self { mailboxes: 1_000, topology: Topology::Own, connections: 8, acknowledge_after: Span::millis(20), keep: 0 }
    }
}

impl Default for Spawn {
    fn default() -> Self {
        Self {
            relays: 1,
            tls: true,
            store: StoreKind::Redis,
            durability: Durability::Memory,
            pause: Span::secs(0),
            relay_settings: BTreeMap::new(),
        }
    }
}

impl Default for Ladder {
    fn default() -> Self {
        Self {
            from: 1_000.0,
            to: 500_000.0,
            factor: 2.0,
            refine: 3,
            step: Span::secs(6),
            delivered: 0.98,
            p99: Span::millis(100),
        }
    }
}

impl Default for Idle {
    fn default() -> Self {
        Self { groups: 5, settle: Span::secs(3), burst: 100 }
    }
}

impl Default for Backlog {
    fn default() -> Self {
        Self { depth: 100 }
    }
}

impl Default for Storm {
    fn default() -> Self {
        Self { rounds: 3, spread: Span::secs(0) }
    }
}

impl Default for Slow {
    fn default() -> Self {
        Self { share: 0.1 }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self { rounds: 10, pause: Span::secs(3) }
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self { rounds: 10, pause: Span::secs(3), within: Span::secs(1) }
    }
}

impl Default for Flat {
    fn default() -> Self {
        Self { mailboxes: vec![1_000, 10_000, 100_000], depths: vec![1, 1_000], deep_mailboxes: 100 }
    }
}

impl Default for Verify {
    fn default() -> Self {
        Self { one_in: 10_000 }
    }
}

impl Default for Peers {
    fn default() -> Self {
        Self { systems: Peer::ALL.to_vec(), kill_after: Span::secs(5) }
    }
}
