//! Where senders and owners write down what they do and see, as it happens.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::history::{Event, What};
use crate::letter::Letter;

/// A history that grows, and what is asked of it meanwhile.
pub(crate) struct Journal {
    begin: Instant,
    numbers: AtomicU64,
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    events: Vec<Event>,
    /// When a letter was first sent.
    asked: HashMap<Letter, Duration>,
    /// Accepted, and not delivered yet.
    on_the_way: HashSet<Letter>,
    delivered: HashSet<Letter>,
    accepted: usize,
    refusals: usize,
    mailboxes: HashMap<usize, Latest>,
}

/// What a mailbox has seen last.
#[derive(Default, Clone, Copy)]
struct Latest {
    accepted: Option<Duration>,
    /// When the newest letter that came was sent.
    came: Option<Duration>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { begin: Instant::now(), numbers: AtomicU64::new(0), pages: Mutex::default() }
    }

    /// A number that nobody else gets.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Since the run began.
    pub(crate) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    pub(crate) fn write(&self, what: What) {
        let mut pages = self.pages();
        // Under the lock, so that times rise.
        let at = self.now();
        pages.note(at, &what);
        pages.events.push(Event { at, what });
    }

    /// How many letters were accepted.
    pub(crate) fn accepted(&self) -> usize {
        self.pages().accepted
    }

    /// How often sends were not accepted.
    pub(crate) fn refusals(&self) -> usize {
        self.pages().refusals
    }

    /// Letters that were accepted, and have not been delivered.
    pub(crate) fn on_the_way(&self) -> usize {
        self.pages().on_the_way.len()
    }

    /// Of these mailboxes, those that have not both accepted a letter and delivered one sent since.
    pub(crate) fn silent_since(&self, moment: Duration, mailboxes: usize) -> Vec<usize> {
        let pages = self.pages();
        let flows = |mailbox: &usize| {
            let latest = pages.mailboxes.get(mailbox).copied().unwrap_or_default();
            latest.accepted >= Some(moment) && latest.came >= Some(moment)
        };
        (0..mailboxes).filter(|mailbox| !flows(mailbox)).collect()
    }

    /// All so far.
    pub(crate) fn history(&self) -> Vec<Event> {
        self.pages().events.clone()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap()
    }
}

impl Pages {
    fn note(&mut self, at: Duration, what: &What) {
        match what {
            What::Asked { letter, .. } => {
                self.asked.entry(*letter).or_insert(at);
            }
            What::Accepted { letter } => {
                self.accepted += 1;
                self.mailboxes.entry(letter.mailbox()).or_default().accepted = Some(at);
                if !self.delivered.contains(letter) {
                    self.on_the_way.insert(*letter);
                }
            }
            What::Refused { .. } => self.refusals += 1,
            What::Delivered { letter: Some(letter), .. } => {
                self.delivered.insert(*letter);
                self.on_the_way.remove(letter);
                let asked = self.asked.get(letter).copied();
                let came = &mut self.mailboxes.entry(letter.mailbox()).or_default().came;
                *came = asked.max(*came);
            }
            _ => {}
        }
    }
}

#[test]
fn a_mailbox_flows_once_it_has_taken_and_given_a_letter_that_is_sent_from_then_on() {
    use crate::history::Stream;

    let journal = Journal::new();
    let (asked, accepted) = (|letter| What::Asked { letter, request: 0, relay: 0 }, |letter| What::Accepted { letter });
    let delivered = |letter| {
        let stream = Stream { mailbox: 0, number: 1 };
        What::Delivered { stream, sequence: 1, letter: Some(letter) }
    };
    let [old, new] = [1, 2].map(|number| Letter { sender: 0, number });
    journal.write(asked(old));
    let moment = journal.now();
    journal.write(accepted(old));
    assert_eq!(journal.on_the_way(), 1);
    journal.write(delivered(old));
    assert_eq!(journal.on_the_way(), 0);
    assert_eq!(journal.silent_since(moment, 1), [0], "the letter was sent before");
    journal.write(asked(new));
    journal.write(delivered(new));
    assert_eq!(journal.silent_since(moment, 1), [] as [usize; 0]);
    assert_eq!(journal.silent_since(journal.now(), 1), [0]);
    journal.write(accepted(new));
    assert_eq!(journal.on_the_way(), 0, "it had come before the answer did");
}
