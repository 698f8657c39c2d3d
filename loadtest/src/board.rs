//! What senders, owners and the clock of one run share: who sends what, what became of it, and how long it took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::faults::Faults;
use crate::latencies::{Notes, Times, add, no_times, note};
use crate::ledger::{Answer, Counts, Ledger};
use crate::letter::Letter;

/// A message that is due.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Whose mailbox it is for.
    pub mailbox: u32,
    /// When it was due, from the run's beginning.
    pub due: Duration,
}

/// A message that is on its way.
#[derive(Debug, Clone, Copy)]
pub struct Posted {
    letter: Letter,
}

impl Posted {
    /// Whose mailbox it is for.
    pub fn mailbox(&self) -> u32 {
        self.letter.mailbox
    }

    /// Its number there.
    pub fn number(&self) -> u64 {
        self.letter.number
    }
}

/// The board of one run.
#[derive(Debug)]
pub struct Board {
    run: u64,
    began: Instant,
    mailboxes: Box<[Mailbox]>,
    /// Messages that were due in this time are measured: nanoseconds from the beginning.
    measured: (AtomicU64, AtomicU64),
    sheets: Notes<Sheet>,
    tally: Tally,
    errors: Mutex<BTreeMap<String, u64>>,
    faults: Option<Faults>,
}

#[derive(Debug, Default)]
struct Mailbox {
    ledger: Mutex<Ledger>,
    /// Its owner is slow on purpose: how long it takes says nothing.
    slow: AtomicBool,
}

/// Times; none of them is there before the first.
#[derive(Debug, Default)]
struct Sheet {
    /// Since somebody looked last, whenever they were due.
    lately: Option<Times>,
    /// Of those that are measured: until their owner had them…
    delivered: Option<Times>,
    /// … and until their sender had the answer.
    answered: Option<Times>,
}

/// How many there were so far.
#[derive(Debug, Default)]
struct Tally {
    due: AtomicU64,
    sent: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    delivered: AtomicU64,
    corrupted: AtomicU64,
    retried: AtomicU64,
}

/// How many there were up to a moment.
#[derive(Debug, Default, Clone, Copy)]
#[allow(missing_docs, reason = "as in `Counts`")]
pub struct SoFar {
    /// Handed over to senders.
    pub due: u64,
    pub sent: u64,
    pub accepted: u64,
    pub refused: u64,
    pub unknown: u64,
    pub delivered: u64,
}

impl SoFar {
    /// Those whose sender knows what became of them, or that it never will.
    pub fn answered(&self) -> u64 {
        self.accepted + self.refused + self.unknown
    }
}

/// What became of everything.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Of all mailboxes together.
    pub counts: Counts,
    /// Arrived not as they were sent, or at another mailbox.
    pub corrupted: u64,
    /// Sent again, because their fate was unknown.
    pub retried: u64,
    /// Failures by reason, those included that a retry cured.
    pub errors: BTreeMap<String, u64>,
}

/// Times of the messages that are measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// From when each was due until its owner had it.
    pub delivered: Times,
    /// From when each was due until its sender had the answer.
    pub answered: Times,
}

impl Board {
    /// For so many mailboxes. The run begins now.
    pub fn new(mailboxes: usize, faults: Option<Faults>) -> Self {
        Self {
            run: rand::random(),
            began: Instant::now(),
            mailboxes: (0..mailboxes).map(|_| Mailbox::default()).collect(),
            measured: (AtomicU64::new(u64::MAX), AtomicU64::new(u64::MAX)),
            sheets: Notes::default(),
            tally: Tally::default(),
            errors: Mutex::default(),
            faults,
        }
    }

    /// The run's random number.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// How many mailboxes there are.
    pub fn mailboxes(&self) -> usize {
        self.mailboxes.len()
    }

    /// The time from the run's beginning.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Messages that are due between these times are measured, and no others; times so far are forgotten.
    pub fn measure(&self, from: Duration, to: Duration) {
        self.measured.0.store(nanos(from), Ordering::Relaxed);
        self.measure_until(to);
        self.sheets.each(|sheet| (sheet.delivered, sheet.answered) = (None, None));
    }

    /// What is due later is not measured after all.
    pub fn measure_until(&self, to: Duration) {
        self.measured.1.store(nanos(to), Ordering::Relaxed);
    }

    /// The owner of this mailbox is slow on purpose: its times are not measured.
    pub fn slow(&self, mailbox: u32, slow: bool) {
        if let Some(mailbox) = self.mailbox(mailbox) {
            mailbox.slow.store(slow, Ordering::Relaxed);
        }
    }

    /// It is due: a sender has it in its queue.
    pub fn due(&self) {
        self.tally.due.fetch_add(1, Ordering::Relaxed);
    }

    /// It is about to be sent.
    pub fn post(&self, order: Order) -> Posted {
        let Order { mailbox, due } = order;
        let (number, after) = self.mailbox(mailbox).map_or((0, 0), |mailbox| mailbox.ledger.lock().send());
        self.tally.sent.fetch_add(1, Ordering::Relaxed);
        Posted { letter: Letter { mailbox, number, after, due } }
    }

    /// Its bytes, the same each time.
    pub fn write(&self, posted: &Posted, bytes: &mut [u8]) {
        posted.letter.write(self.run, bytes);
    }

    /// It will be sent again.
    pub fn retry(&self) {
        self.tally.retried.fetch_add(1, Ordering::Relaxed);
    }

    /// Something failed, whether or not a retry cures it. `reason` is of a small number of texts.
    pub fn error(&self, reason: &str) {
        *self.errors.lock().entry(reason.to_owned()).or_default() += 1;
    }

    /// The sender knows what became of it, or that it will never know.
    pub fn answer(&self, posted: &Posted, answer: Answer) {
        let Posted { letter } = posted;
        let Some(mailbox) = self.mailbox(letter.mailbox) else { return };
        mailbox.ledger.lock().answer(letter.number, answer);
        let count = match answer {
            Answer::Accepted => &self.tally.accepted,
            Answer::Refused => &self.tally.refused,
            Answer::Unknown => &self.tally.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
        if self.is_measured(letter.due) {
            let took = self.now().saturating_sub(letter.due);
            self.sheets.change(|sheet| note(sheet.answered.get_or_insert_with(no_times), took));
        }
    }

    /// Something arrived at this mailbox.
    pub fn deliver(&self, mailbox: u32, bytes: &[u8]) {
        match &self.faults {
            None => self.check(mailbox, bytes),
            Some(faults) => faults.pass(self.run, mailbox, bytes, |bytes| self.check(mailbox, bytes)),
        }
    }

    fn check(&self, number: u32, bytes: &[u8]) {
        let now = self.now();
        let letter = Letter::read(self.run, bytes).ok().filter(|letter| letter.mailbox == number);
        let (Some(letter), Some(mailbox)) = (letter, self.mailbox(number)) else {
            self.corrupted();
            return;
        };
        if !mailbox.ledger.lock().deliver(letter.number, letter.after) {
            return;
        }
        self.tally.delivered.fetch_add(1, Ordering::Relaxed);
        if mailbox.slow.load(Ordering::Relaxed) {
            return;
        }
        let took = now.saturating_sub(letter.due);
        let is_measured = self.is_measured(letter.due);
        self.sheets.change(|sheet| {
            note(sheet.lately.get_or_insert_with(no_times), took);
            if is_measured {
                note(sheet.delivered.get_or_insert_with(no_times), took);
            }
        });
    }

    /// Something arrived that cannot be read.
    pub fn corrupted(&self) {
        self.tally.corrupted.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were so far.
    pub fn so_far(&self) -> SoFar {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Tally { due, sent, accepted, refused, unknown, delivered, .. } = &self.tally;
        SoFar {
            due: of(due),
            sent: of(sent),
            accepted: of(accepted),
            refused: of(refused),
            unknown: of(unknown),
            delivered: of(delivered),
        }
    }

    /// Times of all that arrived since the last call.
    pub fn lately(&self) -> Times {
        let mut all = no_times();
        self.sheets.each(|sheet| {
            if let Some(times) = &mut sheet.lately {
                add(&mut all, times);
                times.reset();
            }
        });
        all
    }

    /// Times of those that are measured.
    pub fn measured(&self) -> Measured {
        let mut measured = Measured { delivered: no_times(), answered: no_times() };
        self.sheets.each(|sheet| {
            sheet.delivered.iter().for_each(|times| add(&mut measured.delivered, times));
            sheet.answered.iter().for_each(|times| add(&mut measured.answered, times));
        });
        measured
    }

    /// Whether something should still come: an answer, or a message that was accepted.
    pub fn waits(&self) -> bool {
        self.mailboxes.iter().any(|mailbox| mailbox.ledger.lock().waits())
    }

    /// What became of everything, if the run ended now.
    pub fn verdict(&self) -> Verdict {
        if let Some(faults) = &self.faults {
            faults.release(|mailbox, bytes| self.check(mailbox, bytes));
        }
        let mut counts = Counts::default();
        self.mailboxes.iter().for_each(|mailbox| counts += mailbox.ledger.lock().end());
        Verdict {
            counts,
            corrupted: self.tally.corrupted.load(Ordering::Relaxed),
            retried: self.tally.retried.load(Ordering::Relaxed),
            errors: self.errors.lock().clone(),
        }
    }

    /// How many faults were put into what arrived.
    pub fn faults(&self) -> u64 {
        self.faults.as_ref().map_or(0, Faults::put_in)
    }

    fn mailbox(&self, number: u32) -> Option<&Mailbox> {
        self.mailboxes.get(usize::try_from(number).ok()?)
    }

    fn is_measured(&self, due: Duration) -> bool {
        let due = nanos(due);
        let (from, to) = &self.measured;
        from.load(Ordering::Relaxed) <= due && due < to.load(Ordering::Relaxed)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sent(board: &Board, mailbox: u32, due: Duration) -> Vec<u8> {
        let posted = board.post(Order { mailbox, due });
        let mut bytes = vec![0; 64];
        board.write(&posted, &mut bytes);
        board.answer(&posted, Answer::Accepted);
        bytes
    }

    #[test]
    fn a_message_is_followed_from_its_order_to_its_owner() {
        let board = Board::new(2, None);
        board.measure(Duration::ZERO, Duration::MAX);
        let bytes = sent(&board, 1, Duration::ZERO);
        assert!(board.waits());
        board.deliver(1, &bytes);
        assert!(!board.waits());
        let so_far = board.so_far();
        assert_eq!((so_far.sent, so_far.accepted, so_far.delivered), (1, 1, 1));
        let verdict = board.verdict();
        assert_eq!((verdict.counts.lost, verdict.counts.delivered, verdict.corrupted), (0, 1, 0));
        let measured = board.measured();
        assert_eq!((measured.delivered.len(), measured.answered.len()), (1, 1));
        assert_eq!((board.lately().len(), board.lately().len()), (1, 0));
    }

    #[test]
    fn what_arrives_elsewhere_or_changed_is_corrupted_and_lost() {
        let board = Board::new(2, None);
        let mut bytes = sent(&board, 0, Duration::ZERO);
        board.deliver(1, &bytes);
        bytes[50] ^= 1;
        board.deliver(0, &bytes);
        let verdict = board.verdict();
        assert_eq!((verdict.corrupted, verdict.counts.lost), (2, 1));
    }

    #[test]
    fn only_what_was_due_in_the_measured_time_is_measured() {
        let board = Board::new(1, None);
        board.measure(10 * MS, 20 * MS);
        for due in [9, 10, 19, 20] {
            let bytes = sent(&board, 0, due * MS);
            board.deliver(0, &bytes);
        }
        assert_eq!(board.measured().delivered.len(), 2);
        assert_eq!(board.lately().len(), 4);
    }

    #[test]
    fn the_times_of_a_slow_owner_say_nothing() {
        let board = Board::new(1, None);
        board.measure(Duration::ZERO, Duration::MAX);
        board.slow(0, true);
        let bytes = sent(&board, 0, Duration::ZERO);
        board.deliver(0, &bytes);
        assert_eq!(board.measured().delivered.len(), 0);
        assert_eq!(board.verdict().counts.delivered, 1);
    }
}
