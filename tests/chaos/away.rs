//! How long the service was away in each round of a fault.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::history::{Event, What};
use crate::traffic::MAILBOXES;

/// From before the fault until all worked again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// The longest silence of each round, by what was silent.
#[derive(Debug, Default)]
pub(crate) struct Away {
    /// Nobody's send was accepted.
    pub(crate) sends: Silences,
    /// Nobody got anything new.
    pub(crate) deliveries: Silences,
    /// No send to the mailbox that had to wait longest was accepted.
    pub(crate) sends_to_one: Silences,
    /// The mailbox that had to wait longest got nothing new.
    pub(crate) deliveries_of_one: Silences,
}

/// One for each round.
#[derive(Debug, Default)]
pub(crate) struct Silences(Vec<Duration>);

impl Away {
    /// Reads it from a history.
    pub(crate) fn measure(history: &[Event], rounds: &[Round]) -> Self {
        let mut accepted: Vec<(usize, Duration)> = Vec::new();
        let mut delivered: Vec<(usize, Duration)> = Vec::new();
        let mut known = HashSet::new();
        for Event { at, what } in history {
            match what {
                What::Accepted { letter } => accepted.push((letter.mailbox(), *at)),
                What::Delivered { letter: Some(letter), .. } if known.insert(letter) => {
                    delivered.push((letter.mailbox(), *at));
                }
                _ => {}
            }
        }
        let mut away = Self::default();
        for round in rounds {
            for (events, all, one) in [
                (&accepted, &mut away.sends, &mut away.sends_to_one),
                (&delivered, &mut away.deliveries, &mut away.deliveries_of_one),
            ] {
                all.0.push(longest_silence(events.iter().map(|(_, at)| *at), *round));
                let of = |mailbox| events.iter().filter(move |(it, _)| *it == mailbox).map(|(_, at)| *at);
                one.0.extend((0..MAILBOXES).map(|mailbox| longest_silence(of(mailbox), *round)).max());
            }
        }
        away
    }
}

impl Silences {
    pub(crate) fn median(&self) -> Option<Duration> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    pub(crate) fn worst(&self) -> Option<Duration> {
        self.0.iter().max().copied()
    }

    pub(crate) fn to_json(&self) -> Value {
        json!(self.0.iter().map(Duration::as_secs_f64).collect::<Vec<_>>())
    }
}

/// The longest time within a round without one of these rising moments.
fn longest_silence(moments: impl Iterator<Item = Duration>, round: Round) -> Duration {
    let within = moments.filter(|at| (round.from..round.to).contains(at));
    let mut last = round.from;
    let mut longest = Duration::ZERO;
    for at in within.chain([round.to]) {
        longest = longest.max(at.saturating_sub(last));
        last = at;
    }
    longest
}

#[test]
fn the_longest_silence_counts_from_the_rounds_begin_to_its_end() {
    let seconds = Duration::from_secs;
    let round = Round { from: seconds(10), to: seconds(20) };
    let longest = |moments: &[u64]| longest_silence(moments.iter().map(|at| seconds(*at)), round).as_secs();
    assert_eq!(longest(&[]), 10);
    assert_eq!(longest(&[9, 13, 14, 19, 30]), 5);
    assert_eq!(longest(&[17, 18]), 7);
    assert_eq!(longest(&[11, 12]), 8);
}
