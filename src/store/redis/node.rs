//! One run of one server: the connections to it, and whether it is worth trying.
//!
//! A server that is started anew is another node, for it may have gone back to older data. Each connection that is made
//! checks that the server is still the same run, and a primary.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use redis::{FromRedisValue, ServerError, ServerErrorKind, Value};
use tokio::sync::{Mutex, Semaphore, watch};

use super::breaker::Breaker;
use super::events::{self, RunTag};
use super::listener::{Home, Listener};
use super::scripts::Scripts;
use super::topology::Nudge;
use super::wake_path::Watched;
use super::wire::{Confirm, DialError, Dialer, Endpoint, Fault, Greeting, Hear, Link, Out};
use crate::store::{StoreError, Usage, Wakes};
use crate::telemetry::{Attribute, Metrics, SpanName, TraceParent, Traces};

/// What all nodes of an installation share.
pub(super) struct Shared {
    pub(super) dialer: Dialer,
    pub(super) scripts: Scripts,
    /// Connections to each node, for commands.
    pub(super) connections: usize,
    /// What replicas must confirm, if anything.
    pub(super) confirm: Option<Confirm>,
    pub(super) wakes: Arc<dyn Wakes>,
    pub(super) watched: Arc<Watched>,
    pub(super) nudge: Nudge,
    pub(super) metrics: Arc<Metrics>,
    pub(super) traces: Traces,
}

/// One run of one server.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) at: Endpoint,
    run: String,
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    /// `WAIT` holds up everything behind it, so what must be confirmed has connections of its own.
    confirmed: Vec<Lane>,
    breaker: Breaker,
    /// Reads that may be under way, so that a thousand mailboxes that read again leave room for what is live.
    pub(super) reads: Semaphore,
    pub(super) listener: Listener,
    home: watch::Sender<Home>,
}

/// Tells nodes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct NodeId(u64);

const READS: usize = 64;

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub(super) mode: String,
    /// This run of its process.
    pub(super) run: String,
    pub(super) primary: bool,
    pub(super) replicas: u32,
    pub(super) limited: bool,
    pub(super) policy: String,
}

impl Node {
    /// For a server that was asked who it is. Connections are made when they are needed.
    pub(super) fn new(at: Endpoint, server: &Server, home: Home, shared: Arc<Shared>) -> Arc<Self> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = NodeId(IDS.fetch_add(1, Ordering::Relaxed));
        let home = watch::Sender::new(home);
        let lanes = |count| (0..count).map(|_| Lane::default()).collect();
        let confirmed = if shared.confirm.is_some() { lanes(shared.connections) } else { Vec::new() };
        Arc::new(Self {
            id,
            at: at.clone(),
            run: server.run.clone(),
            lanes: lanes(shared.connections),
            confirmed,
            breaker: Breaker::new(shared.metrics.store.breakers_open.clone()),
            reads: Semaphore::new(READS),
            listener: Listener::start(id, at, server.run.clone(), home.subscribe(), shared.clone()),
            home,
            shared,
        })
    }

    /// The run that it is.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// What its events are known by.
    pub(super) fn tag(&self) -> RunTag {
        events::tag(&self.run)
    }

    /// It serves this slot, among others.
    pub(super) fn serves(&self, slot: u16) {
        self.home.send_if_modified(|home| std::mem::replace(home, Home::Slot(slot)) == Home::Nothing);
    }

    /// Commands with the same one of these go over the same connection, in their order.
    pub(super) fn lane(&self, hash: u8) -> u8 {
        let [.., lane] = (usize::from(hash) % self.lanes.len().max(1)).to_be_bytes();
        lane
    }

    /// Sends commands over one of its connections: `hash` says which. With `confirmed`, an answer means that replicas
    /// have what was written. What is traced is added to.
    pub(super) async fn call(
        &self,
        hash: u8,
        confirmed: bool,
        size: usize,
        trace: Option<&TraceParent>,
        write: impl FnOnce(&mut Out<'_>),
    ) -> Result<Vec<Value>, Fault> {
        let confirm = self.shared.confirm.filter(|_| confirmed);
        let lanes = if confirm.is_some() { &self.confirmed } else { &self.lanes };
        let number = self.lane(hash);
        let lane =
            lanes.get(usize::from(number)).ok_or(Fault::Unsent(StoreError::Unavailable("there is no connection")))?;
        let link = self.link(lane, confirm).await.map_err(Fault::Unsent)?;
        let outcome = match trace {
            None => link.call(size, write).await,
            Some(above) => {
                let (asked, left) = (Instant::now(), Arc::new(OnceLock::new()));
                let outcome = link.call_noting(size, left.clone(), write).await;
                self.add_spans(above, number, asked, left.get().copied(), &outcome);
                outcome
            }
        };
        match &outcome {
            // It lost its scripts. What it did not know it did not run; the caller asks again, and if this fails, again.
            Ok(answers) if answers.iter().any(|answer| error_kind(answer) == Some(ServerErrorKind::NoScript)) => {
                let _ = load(&self.shared.scripts, &link).await;
            }
            Ok(_) | Err(Fault::Unconfirmed(_)) => {}
            Err(Fault::Unsent(error) | Fault::Unknown(error)) => {
                lane.discard(&link);
                if *error == StoreError::TimedOut {
                    self.breaker.failed();
                }
                self.shared.nudge.now();
            }
        }
        outcome
    }

    /// Adds what a call did: it waited for its turn on its connection, and then for the server.
    fn add_spans(
        &self,
        above: &TraceParent,
        lane: u8,
        asked: Instant,
        left: Option<Instant>,
        outcome: &Result<Vec<Value>, Fault>,
    ) {
        let (traces, now) = (&self.shared.traces, Instant::now());
        traces.add(above, SpanName::Lane, asked, left.unwrap_or(now), [Attribute::Lane(lane)]);
        if let Some(left) = left {
            let said = match outcome {
                Ok(answers) => Attribute::Batch(answers.len()),
                Err(Fault::Unconfirmed(_)) => Attribute::Error("unconfirmed"),
                Err(fault) if fault.error() == StoreError::TimedOut => Attribute::Error("timed_out"),
                Err(_) => Attribute::Error("unavailable"),
            };
            traces.add(above, SpanName::Redis, left, now, [said]);
        }
    }

    /// What it has used of its memory.
    pub(super) async fn usage(&self) -> Result<Usage, StoreError> {
        let answers =
            self.call(0, false, 64, None, |out| out.words(&["INFO", "memory"])).await.map_err(Fault::error)?;
        let info = answers.into_iter().next().and_then(|answer| String::from_redis_value(answer).ok());
        let info = info.ok_or(StoreError::Unavailable("Redis does not say what it uses"))?;
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse::<u64>().ok())
        };
        let bytes = field("used_memory").ok_or(StoreError::Corrupt("Redis does not say what it uses"))?;
        Ok(Usage { bytes, limit: field("maxmemory").filter(|limit| *limit > 0) })
    }

    async fn link(&self, lane: &Lane, confirm: Option<Confirm>) -> Result<Arc<Link>, StoreError> {
        if let Some(link) = lane.live.load_full() {
            return Ok(link);
        }
        // While it is in trouble, one caller tries and the others are told at once.
        let _connecting = match lane.connecting.try_lock() {
            Ok(connecting) => connecting,
            Err(_) if self.breaker.is_open() => return Err(Breaker::OPEN),
            Err(_) => lane.connecting.lock().await,
        };
        if let Some(link) = lane.live.load_full() {
            return Ok(link);
        }
        self.breaker.admit()?;
        let made = async {
            let link = connect(&self.shared, &self.at, &self.run, confirm, None).await?;
            load(&self.shared.scripts, &link).await?;
            Ok::<_, DialError>(Arc::new(link))
        };
        match made.await {
            Ok(link) => {
                self.breaker.succeeded();
                lane.live.store(Some(link.clone()));
                Ok(link)
            }
            Err(error) => {
                self.breaker.failed();
                self.shared.nudge.now();
                Err(unavailable(error))
            }
        }
    }
}

/// One connection for commands: made when first needed, and anew when it breaks.
#[derive(Default)]
struct Lane {
    live: ArcSwapOption<Link>,
    connecting: Mutex<()>,
}

impl Lane {
    fn discard(&self, link: &Arc<Link>) {
        self.live.rcu(|live| live.clone().filter(|live| !Arc::ptr_eq(live, link)));
    }
}

/// Connects to a server that must be this run of it, and a primary.
pub(super) async fn connect(
    shared: &Shared,
    at: &Endpoint,
    run: &str,
    confirm: Option<Confirm>,
    hear: Option<Arc<dyn Hear>>,
) -> Result<Link, DialError> {
    let (link, greeting) = shared.dialer.dial(at, confirm, hear).await?;
    let server = identify(&link, greeting).await?;
    if server.primary && server.run == run { Ok(link) } else { Err(DialError::NotReady) }
}

/// Asks a server who it is.
pub(super) async fn identify(link: &Link, greeting: Greeting) -> Result<Server, DialError> {
    described(link.ask(&["INFO", "server", "replication", "memory"]).await?, greeting)
}

/// Reads the answer to `INFO`.
pub(super) fn described(answer: Value, greeting: Greeting) -> Result<Server, DialError> {
    if let Value::ServerError(error) = &answer {
        return Err(match error.code() {
            "NOPERM" => DialError::Permission,
            // Redis takes several sections since 7.0; the version says what is wrong with an older one.
            _ if greeting.version.is_empty() => DialError::Protocol,
            _ => return Ok(Server { version: greeting.version, mode: greeting.mode, ..Server::default() }),
        });
    }
    let info = String::from_redis_value(answer).map_err(|_| DialError::Protocol)?;
    let field = |name: &str| {
        info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim().to_owned()
    };
    Ok(Server {
        version: greeting.version,
        mode: greeting.mode,
        run: field("run_id"),
        primary: field("role") == "master",
        replicas: field("connected_slaves").parse().unwrap_or(0),
        limited: field("maxmemory") != "0",
        policy: field("maxmemory_policy"),
    })
}

async fn load(scripts: &Scripts, link: &Link) -> Result<(), Fault> {
    let answers = link
        .call(scripts.all().iter().map(|script| script.source().len() + 64).sum(), |out| {
            for script in scripts.all() {
                out.command(3).arg("SCRIPT").arg("LOAD").arg(script.source());
            }
        })
        .await?;
    match answers.iter().find_map(server_error) {
        Some(error) => Err(Fault::Unsent(refusal(error))),
        None => Ok(()),
    }
}

/// The error that an answer is.
pub(super) fn server_error(answer: &Value) -> Option<&ServerError> {
    match answer {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}

fn error_kind(answer: &Value) -> Option<ServerErrorKind> {
    server_error(answer).and_then(ServerError::kind)
}

/// What a server's error means to us. Its text is dropped: it may hold anything.
pub(super) fn refusal(error: &ServerError) -> StoreError {
    StoreError::Unavailable(match error.code() {
        "OOM" => "Redis is out of memory",
        "MISCONF" => "Redis cannot write to its disk",
        "READONLY" => "Redis is a read-only replica",
        "LOADING" => "Redis is loading its data",
        "MASTERDOWN" => "Redis has lost its primary",
        "CLUSTERDOWN" => "the Redis Cluster is down",
        "NOREPLICAS" => "Redis has too few replicas to write",
        "MOVED" | "ASK" | "TRYAGAIN" => "the Redis Cluster is moving the mailbox",
        "NOAUTH" | "WRONGPASS" => "Redis refuses the user or the password",
        "NOPERM" => "Redis does not permit this user a command",
        _ => "Redis refuses a command",
    })
}

/// What it means that there is no connection.
pub(super) fn unavailable(error: DialError) -> StoreError {
    match error {
        DialError::Silent => StoreError::TimedOut,
        DialError::Unreachable => StoreError::Unavailable("Redis cannot be reached"),
        DialError::Untrusted | DialError::Certificate => StoreError::Unavailable("Redis's certificate is not trusted"),
        DialError::NoTls => StoreError::Unavailable("Redis does not speak TLS"),
        DialError::Password => StoreError::Unavailable("Redis refuses the user or the password"),
        DialError::Permission => StoreError::Unavailable("Redis does not permit this user a command"),
        DialError::NotReady => StoreError::Unavailable("Redis is starting, or failing over"),
        DialError::Protocol => StoreError::Unavailable("the server does not speak Redis's protocol"),
    }
}

/// How long `WAIT` may take: less than an answer may.
pub(super) fn confirm_within(timeout: Duration) -> Duration {
    timeout / 2
}
