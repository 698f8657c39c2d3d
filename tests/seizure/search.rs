//! The search: everything that was planted, in every form in which a program would write it.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::population::{Person, Population};
use crate::seized::Seized;

/// What may not be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Plaintext,
    Sender,
    Key,
    Peer,
    Time,
    Size,
    Pair,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Plaintext, Self::Sender, Self::Key, Self::Peer, Self::Time, Self::Size, Self::Pair];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Sender => "identities of senders",
            Self::Key => "delivery keys and identity keys",
            Self::Peer => "addresses of peers",
            Self::Time => "times finer than hour (store), minute (else)",
            Self::Size => "exact sizes",
            Self::Pair => "pairs: who, to or from whom",
        }
    }
}

/// Something that must not be where it is.
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    place: String,
    at: usize,
    what: String,
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} in {:?} at {}: {}", self.kind, self.place, self.at, self.what)
    }
}

/// Bytes that are looked for.
struct Needle {
    kind: Kind,
    what: String,
    bytes: Vec<u8>,
    /// Where it may be: a mailbox's own address in the store.
    of_mailbox: Option<[u8; 32]>,
}

/// Bytes as they are, in hex and in base64.
fn forms(bytes: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
    let texts = [hex.to_uppercase(), hex, STANDARD_NO_PAD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes), list];
    texts.into_iter().map(String::into_bytes).chain([bytes.to_vec()]).collect()
}

fn needles(population: &Population) -> Vec<Needle> {
    let mut needles = Vec::new();
    for person in &population.people {
        let mut add = |kind, what: &str, all: Vec<Vec<u8>>, of_mailbox| {
            for bytes in all {
                needles.push(Needle { kind, what: format!("{what} of {}", person.name), bytes, of_mailbox });
            }
        };
        add(Kind::Plaintext, "the secret", vec![person.secret.clone().into_bytes()], None);
        add(Kind::Sender, "the name", forms(person.name.as_bytes()), None);
        for grant in person.device.delivery_keys() {
            let text = grant.key.to_text().into_bytes();
            add(Kind::Key, "a delivery key", [forms(grant.key.as_bytes()), vec![text]].concat(), None);
        }
        let address = *person.device.address().as_bytes();
        let mut all = forms(&address);
        all.push(person.device.address().to_text().into_bytes());
        match person.has_mailbox {
            true => add(Kind::Pair, "the address", all, Some(address)),
            false => add(Kind::Sender, "the address", all, None),
        }
        match person.peer {
            IpAddr::V4(it) => add(Kind::Peer, "the network address", vec![it.to_string().into_bytes()], None),
            IpAddr::V6(it) => {
                let mut all = forms(&it.octets());
                all.push(it.to_string().into_bytes());
                add(Kind::Peer, "the network address", all, None);
            }
        }
    }
    needles
}

/// What is looked for.
pub(crate) struct Search {
    needles: Vec<Needle>,
    automaton: AhoCorasick,
    numbers: Numbers,
}

impl Search {
    /// For what was planted in this population.
    pub(crate) fn of(population: &Population) -> Self {
        let needles = needles(population);
        let automaton = AhoCorasick::new(needles.iter().map(|needle| &needle.bytes)).expect("they are few");
        Self { needles, automaton, numbers: Numbers::new(population) }
    }

    /// Everything that is where it must not be.
    pub(crate) fn all(&self, seized: &Seized) -> Vec<Finding> {
        seized.all().flat_map(|(place, bytes)| self.place(seized, place, bytes)).collect()
    }

    /// The same, of one place.
    pub(crate) fn place(&self, seized: &Seized, place: &str, bytes: &[u8]) -> Vec<Finding> {
        let mut found = Vec::new();
        let is_store = !place.starts_with("relay") && !place.starts_with("collector");
        for hit in self.automaton.find_overlapping_iter(bytes) {
            let needle = &self.needles[hit.pattern().as_usize()];
            // A mailbox is kept under its address; in what is kept on another one it is a pair.
            if let Some(address) = needle.of_mailbox
                && is_store
                && seized.owner(place).is_none_or(|owner| *owner.as_bytes() == address)
            {
                continue;
            }
            // 198.51.100.2 is no part of 198.51.100.20.
            let next = bytes.get(hit.end()).copied().unwrap_or(b' ');
            if needle.kind == Kind::Peer && next.is_ascii_hexdigit() && needle.bytes.is_ascii() {
                continue;
            }
            let what = needle.what.clone();
            found.push(Finding { kind: needle.kind, place: place.to_owned(), at: hit.start(), what });
        }
        self.numbers.search(seized, place, bytes, is_store, &mut found);
        found
    }
}

/// Times and sizes, as numbers in any of the usual forms.
struct Numbers {
    /// Of the time in which everything happened: in seconds, milliseconds, microseconds and nanoseconds.
    windows: [RangeInclusive<u64>; 4],
    sizes: HashSet<u64>,
    /// Random bytes that are no numbers: envelopes, cards, addresses.
    random: Vec<Vec<u8>>,
    /// Pieces of them, one every so often: a file keeps parts of what it has freed.
    pieces: AhoCorasick,
    /// Of which each is, and where in it.
    places: Vec<(usize, usize)>,
}

/// Bytes of a piece by which something random is recognised, and how far they are apart.
const PIECE: usize = 16;
const APART: usize = 256;

impl Numbers {
    fn new(population: &Population) -> Self {
        let sealed = population.sealed.lock();
        let cards = population.people.iter().map(|person: &Person| person.device.card().to_bytes().to_vec());
        let addresses = population.people.iter().map(|person| person.device.address().as_bytes().to_vec());
        let random: Vec<Vec<u8>> = sealed.iter().cloned().chain(cards).chain(addresses).collect();
        let pieces = |(which, it): (usize, &Vec<u8>)| (0..=it.len() - PIECE).step_by(APART).map(move |at| (which, at));
        let places: Vec<_> = random.iter().enumerate().flat_map(pieces).collect();
        Self {
            windows: [1_000_000_000, 1_000_000, 1_000, 1].map(|nanos| {
                let (begin, end) = population.window();
                begin.div_ceil(nanos)..=end / nanos
            }),
            sizes: population.people.iter().map(|person| person.length as u64).collect(),
            pieces: AhoCorasick::new(places.iter().map(|(which, at)| &random[*which][*at..*at + PIECE])).expect("few"),
            places,
            random,
        }
    }

    /// Which bytes are random, and so no numbers.
    fn random(&self, bytes: &[u8]) -> Vec<bool> {
        let mut is_random = vec![false; bytes.len()];
        for hit in self.pieces.find_overlapping_iter(bytes) {
            if is_random[hit.start()] {
                continue;
            }
            let (which, place) = self.places[hit.pattern().as_usize()];
            let (before, after) = self.random[which].split_at(place);
            let same = |(one, other): &(&u8, &u8)| one == other;
            let back = bytes[..hit.start()].iter().rev().zip(before.iter().rev()).take_while(same).count();
            let on = bytes[hit.start()..].iter().zip(after).take_while(same).count();
            is_random[hit.start() - back..hit.start() + on].fill(true);
        }
        is_random
    }

    /// Whether this is a moment of the time in which everything happened, and no full hour in the store, nor minute
    /// elsewhere.
    fn is_time(&self, number: u64, is_store: bool) -> bool {
        // Most numbers are out of the question.
        number >= *self.windows[0].start()
            && (0..).zip(&self.windows).any(|(thousands, window)| {
                let coarse = if is_store { 3600 } else { 60 } * 1000_u64.pow(thousands);
                window.contains(&number) && !number.is_multiple_of(coarse)
            })
    }

    fn search(&self, seized: &Seized, place: &str, bytes: &[u8], is_store: bool, found: &mut Vec<Finding>) {
        let mut add = |kind, at, what: String| found.push(Finding { kind, place: place.to_owned(), at, what });
        // In decimal.
        let mut at = 0;
        while at < bytes.len() {
            let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let is_word = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
            // A number by itself, and no part of a text in hex.
            if (4..=20).contains(&digits)
                && !is_word(at.checked_sub(1))
                && !is_word(Some(at + digits))
                && let Ok(number) = String::from_utf8_lossy(&bytes[at..at + digits]).parse::<u64>()
            {
                if self.is_time(number, is_store) {
                    add(Kind::Time, at, format!("{number}, in decimal"));
                }
                if self.sizes.contains(&number) {
                    add(Kind::Size, at, format!("{number}, in decimal"));
                }
            }
            at += digits.max(1);
        }
        // As text: 2026-11-24T12:34:56.
        for (at, text) in bytes.windows(19).enumerate() {
            let is_form = text[4] == b'-'
                && text.iter().zip(b"dddd-dd-ddTdd:dd:dd").all(|(byte, form)| match form {
                    b'd' => byte.is_ascii_digit(),
                    b'T' => matches!(byte, b'T' | b' '),
                    form => byte == form,
                });
            if is_form {
                add(Kind::Time, at, String::from_utf8_lossy(text).into_owned());
            }
        }
        // In binary, where it is not random.
        let is_random = self.random(bytes);
        for at in 0..bytes.len().saturating_sub(3) {
            if is_random[at] {
                continue;
            }
            let long: Option<[u8; 8]> = bytes.get(at..at + 8).map(|long| long.try_into().expect("eight"));
            for number in long.into_iter().flat_map(|long| [u64::from_be_bytes(long), u64::from_le_bytes(long)]) {
                // A span's, of a trace that begins at a full minute.
                if self.is_time(number, is_store) && !seized.span_times.contains(&number) {
                    add(Kind::Time, at, format!("{number}, in eight bytes"));
                }
            }
            let short: [u8; 4] = bytes[at..at + 4].try_into().expect("four");
            for number in [u32::from_be_bytes(short), u32::from_le_bytes(short)].map(u64::from) {
                if self.windows[0].contains(&number) && self.is_time(number, is_store) {
                    add(Kind::Time, at, format!("{number}, in four bytes"));
                }
                if is_store && (10_000..12_000).contains(&number) && self.sizes.contains(&number) {
                    add(Kind::Size, at, format!("{number}, in four bytes"));
                }
            }
        }
    }
}
