//! Asking who serves what: the one server, Sentinels, or the nodes of a Cluster.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{FromRedisValue, Value};
use tokio::sync::Mutex;

use super::listener::Home;
use super::node::{Server, Shared};
use super::replies::decimal;
use super::slots::SLOTS;
use super::startup::ConnectError;
use super::topology::View;
use super::url::Place;
use super::wire::{DialError, Dialer, Endpoint, Link};

/// How it is found out who serves what.
pub(super) enum Discovery {
    /// There is one server.
    Server(Endpoint),
    /// Sentinels know.
    Sentinels(Sentinels),
    /// The nodes know; these are the first to ask.
    Cluster(Vec<Endpoint>),
}

/// Who serves what, as somebody said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Endpoint>,
    /// For each slot its place among the nodes; `None` if the first one serves all.
    pub(super) slots: Option<Vec<Option<u16>>>,
}

impl Layout {
    /// What the node at this place serves.
    pub(super) fn home_of(&self, place: usize) -> Home {
        let place = u16::try_from(place).ok();
        match &self.slots {
            None => Home::All,
            Some(slots) => (0..SLOTS)
                .zip(slots)
                .find(|(_, owner)| **owner == place)
                .map_or(Home::Nothing, |(slot, _)| Home::Slot(slot)),
        }
    }
}

/// Sentinels and the service that they are asked for.
pub(super) struct Sentinels {
    dialer: Dialer,
    service: String,
    asked: Vec<(Endpoint, Mutex<Option<Link>>)>,
}

/// Nodes that are asked at one look.
const ASKED: usize = 3;

impl Discovery {
    pub(super) fn new(place: Place, sentinels: impl FnOnce() -> Dialer) -> Self {
        match place {
            Place::Server(at) => Self::Server(at),
            Place::Sentinels(asked, service) => Self::Sentinels(Sentinels {
                dialer: sentinels(),
                service,
                asked: asked.into_iter().map(|at| (at, Mutex::default())).collect(),
            }),
            Place::Cluster(seeds) => Self::Cluster(seeds),
        }
    }

    /// How often to look when nothing seems wrong.
    pub(super) fn interval(&self) -> Duration {
        match self {
            Self::Server(_) => Duration::from_secs(5),
            Self::Sentinels(_) => Duration::from_secs(1),
            Self::Cluster(_) => Duration::from_secs(2),
        }
    }

    pub(super) fn is_one_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Whether a server is of the kind that the URL says.
    pub(super) fn suits(&self, server: &Server) -> Result<(), ConnectError> {
        match (self, server.mode.as_str()) {
            (_, "sentinel") => Err(ConnectError::IsSentinel),
            (Self::Cluster(_), "cluster") => Ok(()),
            (Self::Cluster(_), _) => Err(ConnectError::NotCluster),
            (_, "cluster") => Err(ConnectError::IsCluster),
            _ => Ok(()),
        }?;
        if server.primary || server.run.is_empty() { Ok(()) } else { Err(ConnectError::Replica) }
    }

    /// Asks. Nobody is waited for longer than `patience`.
    pub(super) async fn discover(
        &self,
        shared: &Shared,
        view: &View,
        patience: Duration,
    ) -> Result<Layout, ConnectError> {
        match self {
            Self::Server(at) => Ok(Layout { nodes: vec![at.clone()], slots: None }),
            Self::Sentinels(sentinels) => sentinels.primary(patience).await,
            Self::Cluster(seeds) => cluster(shared, view, seeds, patience).await,
        }
    }
}

impl Sentinels {
    /// The primary, as the Sentinel says that has seen the latest fail-over: one that was cut off may name an old one.
    async fn primary(&self, patience: Duration) -> Result<Layout, ConnectError> {
        let mut best: Option<(u64, Endpoint)> = None;
        let mut failed = None;
        for answer in join_all(self.asked.iter().map(|(at, link)| within(patience, self.ask(at, link)))).await {
            match answer {
                Ok((epoch, at)) if best.as_ref().is_none_or(|(highest, _)| epoch > *highest) => {
                    best = Some((epoch, at));
                }
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        match best {
            Some((_, at)) => Ok(Layout { nodes: vec![at], slots: None }),
            None => Err(failed.unwrap_or(ConnectError::Unreachable(DialError::Unreachable))),
        }
    }

    async fn ask(&self, at: &Endpoint, kept: &Mutex<Option<Link>>) -> Result<(u64, Endpoint), ConnectError> {
        let mut kept = kept.lock().await;
        let link = match kept.take() {
            Some(link) => link,
            None => {
                let dialled = self.dialer.dial(at, None, None).await;
                let (link, greeting) = dialled.map_err(|error| match error {
                    DialError::Password | DialError::Permission => ConnectError::SentinelRefuses,
                    error => ConnectError::Unreachable(error),
                })?;
                if greeting.mode != "sentinel" {
                    return Err(ConnectError::NotSentinel);
                }
                link
            }
        };
        let answer = link.ask(&["SENTINEL", "MASTER", &self.service]).await.map_err(DialError::from)?;
        let primary = primary(answer)?;
        *kept = Some(link);
        Ok(primary)
    }
}

/// Reads a Sentinel's answer: the epoch of the latest fail-over that it has seen, and the primary since.
pub(super) fn primary(answer: Value) -> Result<(u64, Endpoint), ConnectError> {
    if let Value::ServerError(error) = &answer {
        return Err(match error.code() {
            "NOAUTH" | "NOPERM" => ConnectError::SentinelRefuses,
            _ => ConnectError::UnknownService,
        });
    }
    let mut fields = HashMap::<String, String>::from_redis_value(answer).map_err(|_| DialError::Protocol)?;
    let mut field = |name: &str| fields.remove(name).ok_or(DialError::Protocol);
    let (host, port, epoch) = (field("ip")?, field("port")?, field("config-epoch")?);
    let port = decimal(port.as_bytes()).map_err(|_| DialError::Protocol)?;
    let epoch = decimal(epoch.as_bytes()).map_err(|_| DialError::Protocol)?;
    Ok((epoch, Endpoint { host, port }))
}

/// Asks a few nodes that are known, and if none of them answers, those that are configured; believes the one that has
/// seen the latest epoch of the cluster.
async fn cluster(shared: &Shared, view: &View, seeds: &[Endpoint], patience: Duration) -> Result<Layout, ConnectError> {
    let mut known: Vec<_> = view.nodes().cloned().collect();
    while known.len() > ASKED {
        known.swap_remove(rand::random_range(0..known.len()));
    }
    let questions: [&[&str]; 2] = [&["CLUSTER", "INFO"], &["CLUSTER", "SLOTS"]];
    let asked = known.iter().map(|node| async {
        let answers = node.call(0, false, 64, None, |out| questions.iter().for_each(|words| out.words(words))).await;
        said(&node.at, answers.map_err(DialError::from)?)
    });
    let newest = |answers: Vec<Result<Said, ConnectError>>| {
        let mut failed = ConnectError::Unreachable(DialError::Unreachable);
        let mut best: Option<Said> = None;
        for answer in answers {
            match answer {
                Ok(said) if best.as_ref().is_none_or(|best| said.rank > best.rank) => best = Some(said),
                Ok(_) => {}
                Err(error) => failed = error,
            }
        }
        best.map(|said| said.layout).ok_or(failed)
    };
    if let Ok(layout) = newest(join_all(asked.map(|asked| within(patience, asked))).await) {
        return Ok(layout);
    }
    let asked = seeds.iter().map(|at| async move {
        let (link, greeting) = shared.dialer.dial(at, None, None).await?;
        if greeting.mode != "cluster" {
            return Err(if greeting.mode == "sentinel" { ConnectError::IsSentinel } else { ConnectError::NotCluster });
        }
        let answers = link.call(64, |out| questions.iter().for_each(|words| out.words(words))).await;
        said(at, answers.map_err(DialError::from)?)
    });
    newest(join_all(asked.map(|asked| within(patience, asked))).await)
}

/// Ends a wait that has become too long.
pub(super) async fn within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(patience, asked).await.unwrap_or(Err(DialError::Silent.into()))
}

pub(super) struct Said {
    /// Whether the node finds the cluster well, and the latest epoch that it has heard of.
    pub(super) rank: (bool, u64),
    pub(super) layout: Layout,
}

/// Reads the answers to `CLUSTER INFO` and `CLUSTER SLOTS`.
pub(super) fn said(at: &Endpoint, answers: Vec<Value>) -> Result<Said, ConnectError> {
    let [info, slots] = <[Value; 2]>::try_from(answers).map_err(|_| DialError::Protocol)?;
    if let Value::ServerError(error) = &info {
        return Err(if error.code() == "NOPERM" { DialError::Permission.into() } else { ConnectError::NotCluster });
    }
    let info = String::from_redis_value(info).map_err(|_| DialError::Protocol)?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let epoch = field("cluster_current_epoch").and_then(|text| decimal(text.as_bytes()).ok()).unwrap_or(0);
    let rank = (field("cluster_state") == Some("ok"), epoch);
    Ok(Said { rank, layout: layout(at, slots).ok_or(DialError::Protocol)? })
}

/// Reads the answer to `CLUSTER SLOTS`: ranges, each with its primary first.
fn layout(asked: &Endpoint, answer: Value) -> Option<Layout> {
    let Value::Array(ranges) = answer else { return None };
    let mut nodes: Vec<Endpoint> = Vec::new();
    let mut slots = vec![None; usize::from(SLOTS)];
    for range in ranges {
        let Value::Array(range) = range else { return None };
        let mut range = range.into_iter();
        let (Value::Int(from), Value::Int(to), Value::Array(primary)) = (range.next()?, range.next()?, range.next()?)
        else {
            return None;
        };
        let mut primary = primary.into_iter();
        let host = match primary.next()? {
            Value::BulkString(host) => String::from_utf8(host).ok()?,
            Value::SimpleString(host) => host,
            Value::Nil => String::new(),
            _ => return None,
        };
        // A node that does not know how it is reached means: as you have reached me.
        let host = if host.is_empty() || host == "?" { asked.host.clone() } else { host };
        let Value::Int(port) = primary.next()? else { return None };
        let at = Endpoint { host, port: u16::try_from(port).ok()? };
        let place = nodes.iter().position(|node| *node == at).unwrap_or_else(|| {
            nodes.push(at);
            nodes.len() - 1
        });
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(to).ok()?);
        slots.get_mut(from..=to)?.fill(Some(u16::try_from(place).ok()?));
    }
    Some(Layout { nodes, slots: Some(slots) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn range(from: i64, to: i64, host: Value, port: i64) -> Value {
        Value::Array(vec![Value::Int(from), Value::Int(to), Value::Array(vec![host, Value::Int(port), text("id")])])
    }

    #[test]
    fn ranges_are_read() {
        let asked = Endpoint { host: "seed".to_owned(), port: 1 };
        let answer = Value::Array(vec![
            range(0, 99, text("10.0.0.1"), 7000),
            range(100, 16383, Value::Nil, 7001),
            range(50, 50, text("10.0.0.1"), 7000),
        ]);
        let layout = layout(&asked, answer).expect("an answer");
        let at = |host: &str, port| Endpoint { host: host.to_owned(), port };
        assert_eq!(layout.nodes, [at("10.0.0.1", 7000), at("seed", 7001)]);
        let slots = layout.slots.expect("slots");
        assert_eq!((slots[0], slots[99], slots[100], slots[16383]), (Some(0), Some(0), Some(1), Some(1)));
    }

    #[test]
    fn what_nobody_serves_is_nobodys() {
        let asked = Endpoint { host: "seed".to_owned(), port: 1 };
        let layout = layout(&asked, Value::Array(vec![range(1, 2, text("a"), 1)])).expect("an answer");
        let slots = layout.slots.expect("slots");
        assert_eq!((slots[0], slots[1], slots[3]), (None, Some(0), None));
    }

    #[test]
    fn a_sentinels_numbers_have_one_form() {
        let answer = |port: &str, epoch: &str| {
            let fields = ["name", "mail", "ip", "10.0.0.1", "port", port, "config-epoch", epoch];
            primary(Value::Array(fields.map(text).to_vec()))
        };
        let at = Endpoint { host: "10.0.0.1".to_owned(), port: 6379 };
        assert_eq!(answer("6379", "3"), Ok((3, at)));
        for (port, epoch) in [("+6379", "3"), ("65536", "3"), ("6379", "-1"), ("6379", "+3"), ("6379", "")] {
            assert_eq!(answer(port, epoch), Err(DialError::Protocol.into()));
        }
    }

    #[test]
    fn anything_may_be_answered() {
        let asked = Endpoint { host: "seed".to_owned(), port: 1 };
        for answer in [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![range(0, 16384, text("a"), 1)]),
            Value::Array(vec![range(-1, 5, text("a"), 1)]),
            Value::Array(vec![range(7, 5, text("a"), 1)]),
            Value::Array(vec![range(0, 5, text("a"), 70_000)]),
            Value::Array(vec![Value::Array(vec![Value::Int(1), Value::Int(2), Value::Array(Vec::new())])]),
        ] {
            assert_eq!(layout(&asked, answer), None);
        }
    }
}
