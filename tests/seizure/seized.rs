//! What was taken.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use sealpost_core::Address;
use sealpost_testkit::{Collector, RedisServer, Reply};

use crate::population::Leak;

/// Bytes of a place in which a leak is planted.
const END: usize = 16 * 1024;

/// Everything, by where it was.
#[derive(Default)]
pub(crate) struct Seized {
    places: BTreeMap<String, Vec<u8>>,
    /// Places that are one mailbox's own.
    owners: BTreeMap<String, Address>,
    /// Times of spans, of traces that begin at a full minute.
    pub(crate) span_times: HashSet<u64>,
}

impl Seized {
    pub(crate) fn take(&mut self, place: String, bytes: Vec<u8>) {
        assert!(!bytes.is_empty(), "{place} is empty: there is nothing to search");
        self.places.insert(place, bytes);
    }

    /// What belongs to one mailbox.
    pub(crate) fn take_mailbox(&mut self, what: &str, owner: Address, bytes: Vec<u8>) {
        let place = format!("mailbox {}: {what}", self.owners.len());
        self.owners.insert(place.clone(), owner);
        self.take(place, bytes);
    }

    /// All files of a directory, and of those in it.
    pub(crate) fn take_directory(&mut self, of: &str, directory: &Path) {
        for entry in std::fs::read_dir(directory).expect("it is there") {
            let path = entry.expect("it is read").path();
            let name = format!("{of}: {}", path.file_name().expect("a name").to_string_lossy());
            if path.is_dir() {
                self.take_directory(&name, &path);
            } else {
                let bytes = std::fs::read(&path).expect("it is read");
                if !bytes.is_empty() {
                    self.take(name, bytes);
                }
            }
        }
    }

    /// The values of all keys of a server that are a mailbox's.
    pub(crate) async fn take_keys(&mut self, redis: &RedisServer, owners: impl Iterator<Item = Address>) {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        for owner in owners {
            for kind in ["m", "q", "c"] {
                let key = format!("{kind}:{{{}}}", URL_SAFE_NO_PAD.encode(owner.as_bytes()));
                if let Reply::Bytes(value) = redis.command(&["DUMP", &key]).await.expect("it answers") {
                    self.take_mailbox(kind, owner, value);
                }
            }
        }
    }

    /// Everything that a collector got.
    pub(crate) fn take_telemetry(&mut self, collector: &Collector) {
        let spans: Vec<_> = collector.spans().into_iter().map(|(_, span)| span).collect();
        let mut begins: HashMap<&[u8], u64> = HashMap::new();
        for span in &spans {
            let begin = begins.entry(&span.trace_id).or_insert(u64::MAX);
            *begin = (*begin).min(span.start_time_unix_nano);
        }
        let coarse = spans.iter().filter(|span| begins[span.trace_id.as_slice()].is_multiple_of(60_000_000_000));
        self.span_times = coarse.flat_map(|span| [span.start_time_unix_nano, span.end_time_unix_nano]).collect();
        self.take("collector: traces and metrics, as they came".to_owned(), collector.bytes());
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.places.iter().map(|(place, bytes)| (place.as_str(), bytes.as_slice()))
    }

    /// Whose place it is, if it is one mailbox's own.
    pub(crate) fn owner(&self, place: &str) -> Option<&Address> {
        self.owners.get(place)
    }

    /// The end of a place, with something in it that must not be there. What is before was searched already.
    pub(crate) fn with(&self, leak: &Leak) -> (String, Vec<u8>) {
        let place = self.places.keys().find(|place| place.starts_with(leak.place));
        let place = place.unwrap_or_else(|| panic!("there is no {}", leak.place)).clone();
        let end = &self.places[&place];
        let end = &end[end.len().saturating_sub(END)..];
        let bytes = [end, &leak.bytes].concat();
        (place, bytes)
    }
}
