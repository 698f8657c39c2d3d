//! Faults on purpose, in what arrives: they prove that the checker finds what a bad relay would do.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::letter::Letter;

/// What happens to a message on arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is dropped.
    Drop,
    /// It arrives twice.
    Repeat,
    /// The next one of its mailbox overtakes it.
    Delay,
    /// One bit of it is changed.
    Corrupt,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Repeat, Self::Delay, Self::Corrupt];

    /// As the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Drop => "dropped",
            Self::Repeat => "repeated",
            Self::Delay => "delayed",
            Self::Corrupt => "corrupted",
        }
    }
}

/// Puts a fault into one message in so many.
#[derive(Debug)]
pub struct Faults {
    fault: Fault,
    one_in: u64,
    seen: AtomicU64,
    put_in: AtomicU64,
    /// Delayed ones, by mailbox, until the next one comes.
    held: Mutex<HashMap<u32, Vec<u8>>>,
}

impl Faults {
    /// This fault, for one message in `one_in`.
    pub fn new(fault: Fault, one_in: u64) -> Self {
        Self {
            fault,
            one_in: one_in.max(1),
            seen: AtomicU64::new(0),
            put_in: AtomicU64::new(0),
            held: Mutex::default(),
        }
    }

    /// How many messages have one.
    pub fn put_in(&self) -> u64 {
        self.put_in.load(Ordering::Relaxed)
    }

    /// Passes a message on, or not, or otherwise.
    pub fn pass(&self, run: u64, mailbox: u32, bytes: &[u8], mut on: impl FnMut(&[u8])) {
        let delayed = self.held.lock().remove(&mailbox);
        let its_turn = self.seen.fetch_add(1, Ordering::Relaxed) % self.one_in == self.one_in / 2;
        match self.fault {
            _ if !its_turn || delayed.is_some() => on(bytes),
            Fault::Drop => self.count(),
            Fault::Repeat => {
                on(bytes);
                on(bytes);
                self.count();
            }
            Fault::Delay => drop(self.held.lock().insert(mailbox, bytes.to_vec())),
            Fault::Corrupt => {
                let mut bytes = bytes.to_vec();
                if let Some(byte) = bytes.last_mut() {
                    *byte ^= 1;
                }
                on(&bytes);
                self.count();
            }
        }
        if let Some(delayed) = delayed {
            // Of two that were on their way together any may come first: that is no fault.
            let overtaken = Letter::read(run, &delayed).ok().zip(Letter::read(run, bytes).ok());
            if overtaken.is_some_and(|(late, next)| next.after >= late.number) {
                self.count();
            }
            on(&delayed);
        }
    }

    /// Passes on what is still delayed.
    pub fn release(&self, mut on: impl FnMut(u32, &[u8])) {
        let held = std::mem::take(&mut *self.held.lock());
        held.iter().for_each(|(mailbox, bytes)| on(*mailbox, bytes));
    }

    fn count(&self) {
        self.put_in.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::board::{Board, Order, Verdict};
    use crate::ledger::Answer;

    /// A thousand messages to each of a few mailboxes, one after the other, one in a hundred with a fault.
    fn run(fault: Fault) -> (u64, Verdict) {
        let board = Board::new(3, Some(Faults::new(fault, 100)));
        for number in 0..3000 {
            let posted = board.post(Order { mailbox: number % 3, due: Duration::ZERO });
            let mut bytes = vec![0; 1024];
            board.write(&posted, &mut bytes);
            board.answer(&posted, Answer::Accepted);
            board.deliver(number % 3, &bytes);
        }
        let verdict = board.verdict();
        (board.faults(), verdict)
    }

    #[test]
    fn each_fault_is_found_as_often_as_it_was_put_in() {
        for fault in Fault::ALL {
            let (put_in, verdict) = run(fault);
            assert_eq!(put_in, 30, "{fault:?}");
            let counts = verdict.counts;
            let found = (counts.lost, counts.duplicates, counts.out_of_order, verdict.corrupted);
            // What comes after one that is missing comes too early.
            let expected = match fault {
                Fault::Drop => put_in == found.0 && found.1 == 0 && found.2 > 0 && found.3 == 0,
                Fault::Repeat => found == (0, put_in, 0, 0),
                Fault::Delay => found == (0, 0, put_in, 0),
                Fault::Corrupt => put_in == found.0 && found.1 == 0 && found.2 > 0 && found.3 == put_in,
            };
            assert!(expected, "{fault:?}: {found:?}");
        }
    }
}
