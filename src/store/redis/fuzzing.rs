//! What holds for any answer of a server, for anything that is published, and for any URL.

use sealpost_core::Address;

use redis::Value;

use super::discovery::Layout;
use super::events::Reader;
use super::slots::SLOTS;
use super::url::Place;
pub use super::wire::fuzzing::reply;
use super::wire::fuzzing::{answer, first_answer, greeting};
use super::wire::{self, Endpoint, Greeting};
use super::{RedisUrl, discovery, keys, node, replies, router, startup};
use crate::store::{Entry, Epoch, Event, Journey, Read};

/// An answer, of the script that the first byte says.
pub fn script_answer(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let Some(answer) = answer(bytes) else { return };
    match kind % 5 {
        0 => {
            let envelopes = usize::from(kind / 5) + 1;
            assert_eq!(replies::appended_together(Ok(answer), envelopes).len(), envelopes);
        }
        1 => drop(replies::opened(answer, Epoch::default())),
        2 => {
            if let Ok(Read::Page(page)) = replies::read(answer) {
                let size: usize = page.entries.iter().map(|it| Entry::HEADER_LEN + it.entry.envelope.size()).sum();
                assert!(size < bytes.len());
                assert!(page.entries.iter().all(|it| it.sequence.get() > 0));
            }
        }
        3 => {
            if let Ok(Some(inspection)) = replies::inspected(answer, 24) {
                let description = inspection.description;
                assert!(description.grants.is_sorted_by_key(|grant| *grant.key.as_bytes()));
                assert!(description.reclaimed >= description.last_seen);
                assert!(description.card.len() < bytes.len());
            }
        }
        _ => {
            if let Ok(Some(card)) = replies::card(answer) {
                assert!(card.len() < bytes.len());
            }
        }
    }
}

/// What a server or a Sentinel says of itself and of others: the answer to the question that the first byte says. What is
/// read is read again as it was from the shortest answer that says so.
pub fn discovery(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    if kind % 6 == 4 {
        return cluster(bytes);
    }
    let Some(answer) = answer(bytes) else { return };
    match kind % 6 {
        0 => {
            if let Ok(greeting) = greeting(answer) {
                let again = fields(&[("version", &greeting.version), ("mode", &greeting.mode)]);
                assert!(wire::fuzzing::greeting(again).is_ok_and(|again| again == greeting));
            }
        }
        1 => {
            if let Ok(server) = node::described(answer, Greeting::default()) {
                let role = if server.primary { "master" } else { "slave" };
                let info = format!(
                    "run_id:{}\r\nrole:{role}\r\nconnected_slaves:{}\r\nmaxmemory:{}\r\nmaxmemory_policy:{}\r\n",
                    server.run,
                    server.replicas,
                    u8::from(server.limited),
                    server.policy,
                );
                assert!(node::described(text(&info), Greeting::default()).is_ok_and(|again| again == server));
            }
        }
        2 => {
            if let Ok(setting) = startup::set_to(answer) {
                assert_eq!(startup::set_to(fields(&[("appendfsync", &setting)])), Ok(setting));
            }
        }
        3 => {
            if let Ok((epoch, at)) = discovery::primary(answer) {
                let numbers = (at.port.to_string(), epoch.to_string());
                let again = fields(&[("ip", &at.host), ("port", &numbers.0), ("config-epoch", &numbers.1)]);
                assert_eq!(discovery::primary(again), Ok((epoch, at)));
            }
        }
        _ => {
            if let Value::ServerError(error) = answer
                && let Some(at) = router::redirected(error.details())
            {
                assert_eq!(router::redirected(Some(&format!("1 {}:{}", at.host, at.port))), Some(at));
            }
        }
    }
}

/// What a node of a Cluster says: each slot is served by whom the last range names that has it.
fn cluster(bytes: &[u8]) {
    let Some((info, slots)) = first_answer(bytes) else { return };
    let Some(slots) = answer(slots) else { return };
    let asked = Endpoint { host: "seed".to_owned(), port: 6379 };
    let Ok(said) = discovery::said(&asked, vec![info, slots.clone()]) else { return };
    let state = if said.rank.0 { "ok" } else { "fail" };
    let info = format!("cluster_state:{state}\r\ncluster_current_epoch:{}\r\n", said.rank.1);
    let again = discovery::said(&asked, vec![text(&info), Value::Array(Vec::new())]);
    assert!(again.is_ok_and(|again| again.rank == said.rank));

    let Layout { nodes, slots: owners } = said.layout;
    let owners = owners.unwrap_or_default();
    assert_eq!(owners.len(), usize::from(SLOTS));
    assert!(owners.iter().flatten().all(|place| usize::from(*place) < nodes.len()));
    let Value::Array(slots) = slots else { return };
    let ranges: Vec<(usize, usize, i64)> = slots.iter().filter_map(range).collect();
    assert_eq!(ranges.len(), slots.len());
    for slot in ranges.iter().flat_map(|(from, to, _)| [*from, *to]).take(16) {
        let owner = owners.get(slot).copied().flatten().and_then(|place| nodes.get(usize::from(place)));
        let last = ranges.iter().rev().find(|(from, to, _)| (*from..=*to).contains(&slot));
        assert_eq!(owner.map(|at| i64::from(at.port)), last.map(|(_, _, port)| *port));
    }
}

/// A range of `CLUSTER SLOTS` that was read, and its primary's port.
fn range(range: &Value) -> Option<(usize, usize, i64)> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(from), Value::Int(to), Value::Array(primary), ..] = range.as_slice() else { return None };
    let [_, Value::Int(port), ..] = primary.as_slice() else { return None };
    Some((usize::try_from(*from).ok()?, usize::try_from(*to).ok()?, *port))
}

fn fields(fields: &[(&str, &str)]) -> Value {
    Value::Array(fields.iter().flat_map(|(name, value)| [text(name), text(value)]).collect())
}

fn text(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

/// The URL of an installation: what is accepted is read again as it was, with every byte of the login escaped.
pub(crate) fn url(text: &str) {
    let Ok(url) = RedisUrl::parse(text) else { return };
    assert_eq!(format!("{url:?}"), "RedisUrl(..)");
    assert!(text.contains(if url.tls { "rediss" } else { "redis" }));
    let (kind, hosts, path) = match &url.place {
        Place::Server(at) => ("", std::slice::from_ref(at), format!("/{}", url.database)),
        Place::Sentinels(asked, service) => ("+sentinel", &asked[..], format!("/{service}/{}", url.database)),
        Place::Cluster(seeds) => ("+cluster", &seeds[..], String::new()),
    };
    let hosts: Vec<String> = hosts
        .iter()
        .map(|at| {
            if at.host.contains(':') {
                format!("[{}]:{}", at.host, at.port)
            } else {
                format!("{}:{}", at.host, at.port)
            }
        })
        .collect();
    let escaped = |text: &Option<String>| -> String {
        text.iter().flat_map(|text| text.bytes()).map(|byte| format!("%{byte:02x}")).collect()
    };
    let login = match (escaped(&url.user), escaped(&url.password)) {
        (user, password) if user.is_empty() && password.is_empty() => String::new(),
        (user, password) => format!("{user}:{password}@"),
    };
    let scheme = if url.tls { "rediss" } else { "redis" };
    let written = format!("{scheme}{kind}://{login}{}{path}", hosts.join(","));
    let again = RedisUrl::parse(&written);
    assert!(again.is_ok_and(|again| again == url), "{written} is read as something else");
}

/// Messages of two channels, each with a byte for the channel and one for its length: an envelope is heard only right
/// after its announcement on the same channel, by the run of the server that is listened to.
pub fn event(bytes: &[u8]) {
    if let Some(address) = keys::address_of_channel(bytes) {
        assert_eq!(keys::channel(&address), bytes);
    }
    let run = *b"01234567";
    let mut reader = Reader::new(run);
    let (mut rest, mut before) = (bytes, None);
    while let Some(([channel, length], after)) = rest.split_first_chunk() {
        let (payload, after) = after.split_at(usize::from(*length).min(after.len()));
        rest = after;
        let address = Address::from_bytes([channel & 1; 32]);
        let envelope = match reader.hear(address, payload) {
            Some(Event::Stored { sequence, envelope, journey }) => {
                let announcement = [&[1], &sequence.get().to_be_bytes()[..], &run].concat();
                assert!(announced(before, address, &announcement, &journey), "nobody announced it");
                Some(envelope)
            }
            Some(Event::Ephemeral { envelope, journey }) => {
                assert!(announced(before, address, &[2], &journey), "nobody announced it");
                Some(envelope)
            }
            Some(Event::Acknowledged { sequences, .. }) => {
                assert!(sequences.len() < payload.len() / 8);
                None
            }
            _ => None,
        };
        if let Some(envelope) = envelope {
            assert_eq!(payload.get(Entry::HEADER_LEN..), Some(envelope.bytes().as_ref()));
        }
        before = Some((address, payload.to_vec()));
    }
}

/// Whether what came before was this announcement, with any byte for the script and this journey behind it.
fn announced(before: Option<(Address, Vec<u8>)>, address: Address, announcement: &[u8], journey: &Journey) -> bool {
    let Some((of, said)) = before else { return false };
    let Some(mode) = said.strip_prefix(announcement) else { return false };
    of == address && journey.encode(|journey| mode.get(1..) == Some(journey))
}
