//! What became of the messages to one mailbox: the checker of every run.
//!
//! The relay promises that what it accepted is delivered until it is acknowledged (P2), and in the order of acceptance
//! (P3). Of two messages that are on their way at the same time nobody knows which one it accepts first. But a message
//! that is sent when another has been answered is accepted after it; so each says up to which number all had been answered
//! when it was sent, and none of those may come later for the first time.

use std::collections::{HashSet, VecDeque};
use std::ops::AddAssign;

/// What is known of the messages to one mailbox. Numbers count from 1.
#[derive(Debug, Default)]
pub struct Ledger {
    /// From the first that is still open.
    entries: VecDeque<Entry>,
    /// All up to here are closed: refused, or accepted and delivered.
    closed: u64,
    /// All up to here are answered.
    answered: u64,
    /// None up to here is accepted and still to arrive.
    arrived: u64,
    /// Of those that are closed: were refused, and have not arrived.
    refused: HashSet<u64>,
    /// What was counted of them.
    counts: Counts,
}

/// How many messages there were of each kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Sent, whatever became of it.
    pub sent: u64,
    /// The relay said that it is stored.
    pub accepted: u64,
    /// The relay refused it.
    pub refused: u64,
    /// Nobody knows whether it was accepted: there was no answer.
    pub unknown: u64,
    /// Arrived; each counts once.
    pub delivered: u64,
    /// Arrived again.
    pub duplicates: u64,
    /// Arrived after one that was accepted after it.
    pub out_of_order: u64,
    /// Accepted, and never arrived. Known when the run is over.
    pub lost: u64,
    /// Arrived, though the relay had refused it, or nobody had sent it.
    pub unexpected: u64,
}

/// How a message was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is stored.
    Accepted,
    /// It is not.
    Refused,
    /// There was none.
    Unknown,
}

#[derive(Debug, Default, Clone, Copy)]
struct Entry {
    answer: Option<Answer>,
    delivered: bool,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.delivered += other.delivered;
        self.duplicates += other.duplicates;
        self.out_of_order += other.out_of_order;
        self.lost += other.lost;
        self.unexpected += other.unexpected;
    }
}

impl Entry {
    fn is_closed(self) -> bool {
        match self.answer {
            None => false,
            Some(Answer::Refused) => true,
            Some(Answer::Accepted | Answer::Unknown) => self.delivered,
        }
    }
}

impl Ledger {
    /// A message is sent: gives its number, and the one up to which all have been answered.
    pub fn send(&mut self) -> (u64, u64) {
        self.counts.sent += 1;
        self.entries.push_back(Entry::default());
        (self.counts.sent, self.answered)
    }

    /// It was answered. Only the first answer counts.
    pub fn answer(&mut self, number: u64, answer: Answer) {
        let Some(entry) = self.entry(number) else { return };
        if entry.answer.is_some() {
            return;
        }
        entry.answer = Some(answer);
        match answer {
            Answer::Accepted => self.counts.accepted += 1,
            Answer::Refused => self.counts.refused += 1,
            Answer::Unknown => self.counts.unknown += 1,
        }
        while self.entry(self.answered + 1).is_some_and(|entry| entry.answer.is_some()) {
            self.answered += 1;
        }
        self.close();
    }

    /// It arrived; `after` is what [`send`](Ledger::send) gave with it. True if it is the first time.
    pub fn deliver(&mut self, number: u64, after: u64) -> bool {
        if number == 0 || number > self.counts.sent {
            self.counts.unexpected += 1;
            return false;
        }
        let Some(entry) = self.entry(number) else {
            match self.refused.remove(&number) {
                true => self.counts.unexpected += 1,
                false => self.counts.duplicates += 1,
            }
            return false;
        };
        if std::mem::replace(&mut entry.delivered, true) {
            self.counts.duplicates += 1;
            return false;
        }
        if entry.answer == Some(Answer::Refused) {
            self.counts.unexpected += 1;
            return false;
        }
        self.counts.delivered += 1;
        while let Some(entry) = self.entry(self.arrived + 1)
            && (entry.delivered || matches!(entry.answer, Some(Answer::Refused | Answer::Unknown)))
        {
            self.arrived += 1;
        }
        if self.arrived < after {
            self.counts.out_of_order += 1;
        }
        self.close();
        true
    }

    /// Whether there is something that should still come: an answer, or a message that was accepted.
    pub fn waits(&self) -> bool {
        self.entries.iter().any(|entry| match entry.answer {
            None => true,
            Some(Answer::Accepted) => !entry.delivered,
            Some(Answer::Refused | Answer::Unknown) => false,
        })
    }

    /// The counts, if the run ended now: what has not arrived will not.
    pub fn end(&self) -> Counts {
        let mut counts = self.counts;
        for entry in &self.entries {
            match entry.answer {
                Some(Answer::Accepted) if !entry.delivered => counts.lost += 1,
                None => counts.unknown += 1,
                Some(_) => {}
            }
        }
        counts
    }

    fn entry(&mut self, number: u64) -> Option<&mut Entry> {
        let place = number.checked_sub(self.closed + 1)?;
        self.entries.get_mut(usize::try_from(place).ok()?)
    }

    fn close(&mut self) {
        while let Some(entry) = self.entries.front().copied().filter(|entry| entry.is_closed()) {
            self.entries.pop_front();
            self.closed += 1;
            if entry.answer == Some(Answer::Refused) && !entry.delivered {
                self.refused.insert(self.closed);
            }
        }
        self.arrived = self.arrived.max(self.closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends so many, one after the other, all accepted; gives what each was sent after.
    fn sent(ledger: &mut Ledger, count: u64) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let (number, after) = ledger.send();
                ledger.answer(number, Answer::Accepted);
                after
            })
            .collect()
    }

    fn arrive(ledger: &mut Ledger, after: &[u64], numbers: &[u64]) {
        for number in numbers {
            ledger.deliver(*number, after[*number as usize - 1]);
        }
    }

    #[test]
    fn a_good_run_counts_nothing_bad() {
        let mut ledger = Ledger::default();
        let after = sent(&mut ledger, 5);
        arrive(&mut ledger, &after, &[1, 2, 3, 4, 5]);
        assert_eq!(ledger.end(), Counts { sent: 5, accepted: 5, delivered: 5, ..Counts::default() });
    }

    #[test]
    fn what_is_lost_is_counted_and_so_is_what_comes_before_it() {
        let mut ledger = Ledger::default();
        let after = sent(&mut ledger, 3);
        arrive(&mut ledger, &after, &[1, 3]);
        let counts = ledger.end();
        assert_eq!((counts.lost, counts.out_of_order, counts.delivered), (1, 1, 2));
    }

    #[test]
    fn what_comes_again_is_counted_early_and_late() {
        let mut ledger = Ledger::default();
        let after = sent(&mut ledger, 3);
        arrive(&mut ledger, &after, &[1, 1, 2, 3, 1, 3]);
        let counts = ledger.end();
        assert_eq!((counts.duplicates, counts.out_of_order, counts.delivered), (3, 0, 3));
    }

    #[test]
    fn what_was_on_its_way_together_may_come_in_any_order() {
        let mut ledger = Ledger::default();
        let ((one, _), (two, after_two)) = (ledger.send(), ledger.send());
        ledger.answer(two, Answer::Accepted);
        assert!(ledger.deliver(two, after_two));
        ledger.answer(one, Answer::Accepted);
        assert!(ledger.deliver(one, 0));
        // This one is sent when both are answered.
        let (three, after) = ledger.send();
        assert_eq!(after, 2);
        assert!(ledger.deliver(three, after));
        ledger.answer(three, Answer::Accepted);
        assert_eq!(ledger.end(), Counts { sent: 3, accepted: 3, delivered: 3, ..Counts::default() });
    }

    #[test]
    fn what_was_refused_or_not_answered_may_stay_away() {
        let mut ledger = Ledger::default();
        let numbers = [Answer::Refused, Answer::Unknown, Answer::Unknown].map(|answer| {
            let (number, _) = ledger.send();
            ledger.answer(number, answer);
            number
        });
        let (next, after) = ledger.send();
        ledger.answer(next, Answer::Accepted);
        assert!(ledger.deliver(next, after));
        assert!(ledger.deliver(numbers[1], 0), "it was accepted after all");
        ledger.send();
        let counts = ledger.end();
        assert_eq!((counts.refused, counts.unknown, counts.delivered), (1, 3, 2));
        assert_eq!((counts.lost, counts.out_of_order, counts.unexpected), (0, 0, 0));
    }

    #[test]
    fn what_nobody_sent_or_what_was_refused_is_not_expected() {
        let mut ledger = Ledger::default();
        assert!(!ledger.deliver(1, 0));
        assert!(!ledger.deliver(0, 0));
        let (one, _) = ledger.send();
        let (two, _) = ledger.send();
        ledger.answer(two, Answer::Refused);
        assert!(!ledger.deliver(two, 0));
        ledger.answer(one, Answer::Accepted);
        ledger.deliver(one, 0);
        assert_eq!(ledger.end().unexpected, 3);
        // And long after everything else is settled; a second time it is one that comes again.
        let (three, _) = ledger.send();
        ledger.answer(three, Answer::Refused);
        assert!(!ledger.deliver(three, 0) && !ledger.deliver(three, 0));
        assert_eq!((ledger.end().unexpected, ledger.end().duplicates), (4, 1));
    }

    /// What the harness does to a run that a good relay would make.
    #[derive(Debug, Clone)]
    enum Fault {
        None,
        Lose(prop::sample::Index),
        Repeat(prop::sample::Index),
        Late(prop::sample::Index),
    }

    fn faults() -> impl Strategy<Value = Fault> {
        prop_oneof![
            Just(Fault::None),
            any::<prop::sample::Index>().prop_map(Fault::Lose),
            any::<prop::sample::Index>().prop_map(Fault::Repeat),
            any::<prop::sample::Index>().prop_map(Fault::Late),
        ]
    }

    proptest! {
        /// Windows of messages that are on their way together, accepted in some order, and delivered in that.
        #[test]
        fn one_fault_is_found_and_no_other(windows in prop::collection::vec(1..6usize, 2..20), fault in faults(), seed: u64) {
            let mut ledger = Ledger::default();
            let mut accepted = Vec::new();
            let mut random = seed;
            for window in windows {
                let mut sent: Vec<_> = (0..window).map(|_| ledger.send()).collect();
                for last in (1..sent.len()).rev() {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    sent.swap(last, (random >> 33) as usize % (last + 1));
                }
                sent.iter().for_each(|(number, _)| ledger.answer(*number, Answer::Accepted));
                accepted.extend(sent);
            }
            let count = accepted.len();
            let mut expected = Counts { sent: count as u64, accepted: count as u64, delivered: count as u64, ..Counts::default() };
            // What was sent after the answer to one that is missing comes too early.
            let too_early = |missing: u64, come: &[(u64, u64)]| {
                come.iter().filter(|(_, after)| *after >= missing).count() as u64
            };
            match fault {
                Fault::None => {}
                Fault::Lose(place) => {
                    let (lost, _) = accepted.remove(place.index(count));
                    expected.delivered -= 1;
                    expected.lost = 1;
                    expected.out_of_order = too_early(lost, &accepted);
                }
                Fault::Repeat(place) => {
                    accepted.push(accepted[place.index(count)]);
                    expected.duplicates = 1;
                }
                Fault::Late(place) => {
                    let late = accepted.remove(place.index(count));
                    expected.out_of_order = too_early(late.0, &accepted);
                    accepted.push(late);
                }
            }
            for (number, after) in accepted {
                ledger.deliver(number, after);
            }
            let found = ledger.end();
            prop_assert_eq!(found, expected);
        }
    }
}
