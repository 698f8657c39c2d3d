//! Whether a history kept the promises. Nothing here knows a relay: it only reads what clients saw.
//!
//! | promise | what is looked for |
//! |---|---|
//! | P1, P2 | a letter that was accepted and never delivered |
//! | P3 | within a mailbox, a letter that first came before one whose acceptance its sender already knew when it sent it |
//! | P3 | within a stream, a sequence that is not above the one before |
//! | P3 | within a stream, a sequence left out although the owner never acknowledged it: only those are gone from the queue |
//! | | an envelope with bytes that nobody sent, or in another mailbox; a refusal that a sender would have to take as final |
//!
//! A letter that comes again is no violation: whoever sends again after a lost answer may find it acknowledged meanwhile, and so
//! store it twice; and what was not acknowledged is delivered again. Both are counted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::history::{Event, Stream, What, Why};
use crate::letter::Letter;

/// What came of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) accepted: usize,
    /// Letters, each once.
    pub(crate) delivered: usize,
    pub(crate) lost: usize,
    pub(crate) corrupted: usize,
    /// Of letters, and of sequences within a stream.
    pub(crate) out_of_order: usize,
    /// Deliveries of a letter under another sequence than before.
    pub(crate) stored_twice: usize,
    /// Deliveries of a letter under the same sequence as before.
    pub(crate) redelivered: usize,
    /// Letters that came, but whose sender was never told that they were accepted.
    pub(crate) never_accepted: usize,
    /// Sequences that were given to two letters.
    pub(crate) renumbered: usize,
    /// How often sends were not accepted, by reason.
    pub(crate) refusals: BTreeMap<Why, usize>,
    /// How often streams ended or were not opened, by reason.
    pub(crate) endings: BTreeMap<Why, usize>,
    pub(crate) violations: Vec<Violation>,
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Accepted, and never delivered.
    Lost(Letter),
    /// First delivered after a letter that was sent when this one had been accepted.
    Late { letter: Letter, after: Letter },
    /// A sequence that is not above the one before on the same stream.
    WentBack { stream: Stream, last: u64, sequence: u64 },
    /// A stream went on although the owner had not acknowledged what lies between.
    Skipped { stream: Stream, missing: u64, sequence: u64 },
    /// Bytes that nobody sent.
    Corrupted { stream: Stream, sequence: u64 },
    /// A letter in a mailbox that it was not for.
    Strayed { letter: Letter, stream: Stream },
    /// One sequence for two letters, in a store that cannot have gone back.
    Renumbered { stream: Stream, sequence: u64, first: Letter, then: Letter },
    /// Refused for good, though nothing was wrong with it.
    Rejected { letter: Letter, why: Why },
}

/// Whether a store may give a sequence again.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// Never: it keeps all that anybody has seen.
    #[default]
    GivenOnce,
    /// What was seen, but not accepted, may be gone after a failover; its number is then another letter's.
    MayBeGivenAgain,
}

/// Reads a history.
pub(crate) fn check(history: &[Event], numbers: Numbers) -> Verdict {
    let mut checker = Checker { numbers, ..Checker::default() };
    for event in history {
        checker.see(&event.what);
    }
    checker.finish()
}

/// All of a history that tells how a violation came about.
pub(crate) fn evidence<'a>(history: &'a [Event], violation: &Violation) -> Vec<&'a Event> {
    let (letters, mailbox, sequences) = match *violation {
        Violation::Lost(letter) | Violation::Rejected { letter, .. } => (vec![letter], letter.mailbox(), vec![]),
        Violation::Late { letter, after } => (vec![letter, after], letter.mailbox(), vec![]),
        Violation::WentBack { stream, last, sequence } => (vec![], stream.mailbox, vec![last, sequence]),
        Violation::Skipped { stream, missing, sequence } => (vec![], stream.mailbox, vec![missing, sequence]),
        Violation::Corrupted { stream, sequence } => (vec![], stream.mailbox, vec![sequence]),
        Violation::Strayed { letter, stream } => (vec![letter], stream.mailbox, vec![]),
        Violation::Renumbered { stream, sequence, first, then } => (vec![first, then], stream.mailbox, vec![sequence]),
    };
    let about = |letter: &Letter| letters.contains(letter);
    let tells = |event: &&Event| match &event.what {
        What::Asked { letter, .. } | What::Accepted { letter } | What::Refused { letter, .. } => about(letter),
        What::Opened { stream, .. } | What::Ended { stream, .. } | What::Acknowledged { stream, .. } => {
            stream.mailbox == mailbox
        }
        What::NotOpened { mailbox: of, .. } => *of == mailbox,
        What::Delivered { stream, sequence, letter } => {
            letter.as_ref().is_some_and(about) || (stream.mailbox == mailbox && sequences.contains(sequence))
        }
        What::Fault(_) => true,
    };
    history.iter().filter(tells).collect()
}

#[derive(Default)]
struct Checker {
    numbers: Numbers,
    letters: HashMap<Letter, Life>,
    /// Of each sender's letters that were delivered, the highest.
    highest: HashMap<u32, Letter>,
    streams: HashMap<Stream, Position>,
    /// Of each mailbox, what its owner acknowledged.
    acknowledged: HashMap<usize, HashSet<u64>>,
    /// Which letter came first under a mailbox's sequence.
    numbered: HashMap<(usize, u64), Letter>,
    /// First delivered after a higher one of the same request: that is right if they were accepted at different tries,
    /// which the end tells.
    undecided: Vec<(Letter, Letter)>,
    verdict: Verdict,
}

/// What became of a letter.
#[derive(Default)]
struct Life {
    request: u64,
    tries: u32,
    accepted: bool,
    /// At which try: letters of one request that were not accepted together may come in any order.
    accepted_at: u32,
    sequences: HashSet<u64>,
    /// Among all first deliveries, from 1; 0: it never came.
    place: usize,
}

/// How far a stream is.
#[derive(Default)]
struct Position {
    last: u64,
    unacknowledged: Vec<u64>,
}

impl Checker {
    fn see(&mut self, what: &What) {
        match what {
            What::Asked { letter, request, .. } => {
                let life = self.letters.entry(*letter).or_default();
                life.request = *request;
                life.tries += 1;
            }
            What::Accepted { letter } => {
                let life = self.letters.entry(*letter).or_default();
                life.accepted = true;
                life.accepted_at = life.tries;
            }
            What::Refused { letter, why } => {
                *self.verdict.refusals.entry(*why).or_default() += 1;
                if !why.may_pass() {
                    self.verdict.violations.push(Violation::Rejected { letter: *letter, why: *why });
                }
            }
            What::Opened { stream, .. } => {
                self.streams.insert(*stream, Position::default());
            }
            What::Delivered { stream, sequence, letter } => self.delivered(*stream, *sequence, *letter),
            What::Acknowledged { stream, up_to } => {
                let Some(position) = self.streams.get_mut(stream) else { return };
                let done = position.unacknowledged.extract_if(.., |sequence| *sequence <= *up_to);
                self.acknowledged.entry(stream.mailbox).or_default().extend(done);
            }
            What::Ended { why, .. } | What::NotOpened { why, .. } => {
                *self.verdict.endings.entry(*why).or_default() += 1;
            }
            What::Fault(_) => {}
        }
    }

    fn delivered(&mut self, stream: Stream, sequence: u64, letter: Option<Letter>) {
        self.advance(stream, sequence);
        let Some(letter) = letter else {
            self.verdict.corrupted += 1;
            return self.verdict.violations.push(Violation::Corrupted { stream, sequence });
        };
        if letter.mailbox() != stream.mailbox {
            self.verdict.violations.push(Violation::Strayed { letter, stream });
        }
        let first = *self.numbered.entry((stream.mailbox, sequence)).or_insert(letter);
        if first != letter {
            self.verdict.renumbered += 1;
            if self.numbers == Numbers::GivenOnce {
                self.verdict.violations.push(Violation::Renumbered { stream, sequence, first, then: letter });
            }
        }
        let life = self.letters.entry(letter).or_default();
        match (life.sequences.is_empty(), life.sequences.insert(sequence)) {
            (true, _) => self.comes_first(letter),
            (false, true) => self.verdict.stored_twice += 1,
            (false, false) => self.verdict.redelivered += 1,
        }
    }

    /// A sequence on a stream.
    fn advance(&mut self, stream: Stream, sequence: u64) {
        let acknowledged = self.acknowledged.entry(stream.mailbox).or_default();
        let position = self.streams.entry(stream).or_default();
        if sequence <= position.last {
            self.verdict.out_of_order += 1;
            self.verdict.violations.push(Violation::WentBack { stream, last: position.last, sequence });
        }
        if let Some(missing) = (position.last + 1..sequence).find(|between| !acknowledged.contains(between)) {
            self.verdict.out_of_order += 1;
            self.verdict.violations.push(Violation::Skipped { stream, missing, sequence });
        }
        position.last = position.last.max(sequence);
        position.unacknowledged.push(sequence);
    }

    /// A letter's first delivery.
    fn comes_first(&mut self, letter: Letter) {
        self.verdict.delivered += 1;
        let place = self.verdict.delivered;
        let request = self.letters.get_mut(&letter).map(|life| {
            life.place = place;
            life.request
        });
        let highest = *self.highest.entry(letter.sender).and_modify(|it| *it = (*it).max(letter)).or_insert(letter);
        if highest > letter {
            if self.letters.get(&highest).map(|life| life.request) == request {
                self.undecided.push((letter, highest));
            } else {
                self.late(letter, highest);
            }
        }
    }

    fn late(&mut self, letter: Letter, after: Letter) {
        self.verdict.out_of_order += 1;
        self.verdict.violations.push(Violation::Late { letter, after });
    }

    fn finish(mut self) -> Verdict {
        for (letter, highest) in std::mem::take(&mut self.undecided) {
            let at = |number| self.letters.get(&Letter { number, ..letter }).map(|life| (life.place, life.accepted_at));
            let Some((place, accepted_at)) = at(letter.number) else { continue };
            let mut above = letter.number + 1..=highest.number;
            let after = above.find(|number| at(*number).is_some_and(|(p, a)| 0 < p && p < place && a == accepted_at));
            if let Some(number) = after {
                self.late(letter, Letter { number, ..letter });
            }
        }
        let mut lost = Vec::new();
        for (letter, life) in &self.letters {
            self.verdict.accepted += usize::from(life.accepted);
            match (life.accepted, life.place) {
                (true, 0) => lost.push(*letter),
                (false, 1..) => self.verdict.never_accepted += 1,
                _ => {}
            }
        }
        lost.sort_unstable();
        self.verdict.lost = lost.len();
        self.verdict.violations.extend(lost.into_iter().map(Violation::Lost));
        self.verdict
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(letter) => write!(f, "{letter} was accepted and never delivered"),
            Self::Late { letter, after } => write!(f, "{letter} first came after {after}"),
            Self::WentBack { stream, last, sequence } => write!(f, "{stream} went back from {last} to {sequence}"),
            Self::Skipped { stream, missing, sequence } => {
                write!(f, "{stream} delivered {sequence} without {missing}, which was never acknowledged")
            }
            Self::Corrupted { stream, sequence } => {
                write!(f, "{stream} delivered bytes that nobody sent as {sequence}")
            }
            Self::Strayed { letter, stream } => write!(f, "{letter} came on {stream}"),
            Self::Renumbered { stream, sequence, first, then } => {
                write!(f, "{stream} delivered {then} as {sequence}, which was {first}")
            }
            Self::Rejected { letter, why } => write!(f, "{letter} was refused for good: {why}"),
        }
    }
}
