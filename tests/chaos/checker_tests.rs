//! The checker finds what is wrong: each history here has one fault, and the same one without it is good.

use std::time::Duration;

use sealpost_proto::Reason;

use crate::checker::{Numbers, Verdict, Violation, check, evidence};
use crate::history::{Event, Stream, What, Why};
use crate::letter::Letter;

const FIRST: Stream = Stream { mailbox: 0, number: 1 };
const SECOND: Stream = Stream { mailbox: 0, number: 2 };

fn letter(number: u64) -> Letter {
    Letter { sender: 0, number }
}

/// A history, step by step.
#[derive(Default)]
struct History(Vec<Event>);

impl History {
    fn then(mut self, what: What) -> Self {
        self.0.push(Event { at: Duration::ZERO, what });
        self
    }

    fn asked(self, number: u64, request: u64) -> Self {
        self.then(What::Asked { letter: letter(number), request, relay: 0 })
    }

    fn accepted(self, number: u64) -> Self {
        self.then(What::Accepted { letter: letter(number) })
    }

    fn refused(self, number: u64) -> Self {
        let why = Why::Reason(Reason::StoreUnavailable);
        self.then(What::Refused { letter: letter(number), why })
    }

    /// Letters that are sent and accepted one by one.
    fn sent(self, numbers: std::ops::RangeInclusive<u64>) -> Self {
        numbers.fold(self, |history, number| history.asked(number, number).accepted(number))
    }

    fn opened(self, stream: Stream) -> Self {
        self.then(What::Opened { stream, relay: 0 })
    }

    fn delivered(self, stream: Stream, sequence: u64, number: u64) -> Self {
        self.then(What::Delivered { stream, sequence, letter: Some(letter(number)) })
    }

    fn acknowledged(self, stream: Stream, up_to: u64) -> Self {
        self.then(What::Acknowledged { stream, up_to })
    }

    fn verdict(&self) -> Verdict {
        check(&self.0, Numbers::GivenOnce)
    }

    /// The one violation in it.
    fn violation(&self) -> Violation {
        let [violation] = &self.verdict().violations[..] else { panic!("{:?}", self.verdict()) };
        violation.clone()
    }
}

#[test]
fn a_good_history_is_good() {
    let history = History::default().opened(FIRST).sent(1..=2).delivered(FIRST, 1, 1).acknowledged(FIRST, 1);
    let verdict = history.delivered(FIRST, 2, 2).opened(SECOND).delivered(SECOND, 2, 2).verdict();
    assert_eq!(verdict, Verdict { accepted: 2, delivered: 2, redelivered: 1, ..Verdict::default() });
}

#[test]
fn a_lost_letter_is_found() {
    let history = History::default().opened(FIRST).sent(1..=3).delivered(FIRST, 1, 1).delivered(FIRST, 2, 2);
    assert_eq!(history.violation(), Violation::Lost(letter(3)));
    assert_eq!(history.verdict().lost, 1);
}

#[test]
fn a_letter_that_was_not_accepted_may_be_missing_or_there() {
    let asked = History::default().opened(FIRST).asked(1, 1).refused(1);
    assert_eq!(asked.verdict().violations, []);
    let came = asked.delivered(FIRST, 1, 1).verdict();
    assert_eq!((came.violations.len(), came.never_accepted, came.delivered), (0, 1, 1));
}

#[test]
fn letters_in_the_wrong_order_are_found() {
    let history = History::default().opened(FIRST).sent(1..=2).delivered(FIRST, 1, 2).delivered(FIRST, 2, 1);
    assert_eq!(history.violation(), Violation::Late { letter: letter(1), after: letter(2) });
    assert_eq!(history.verdict().out_of_order, 1);
}

#[test]
fn letters_accepted_together_come_in_their_order() {
    let sent = || History::default().opened(FIRST).asked(1, 1).asked(2, 1).accepted(1).accepted(2);
    assert_eq!(sent().delivered(FIRST, 1, 1).delivered(FIRST, 2, 2).verdict().violations, []);
    let turned = sent().delivered(FIRST, 1, 2).delivered(FIRST, 2, 1);
    assert_eq!(turned.violation(), Violation::Late { letter: letter(1), after: letter(2) });
}

#[test]
fn of_letters_refused_singly_those_that_are_sent_again_come_later_and_in_their_order() {
    let torn = || {
        let all = History::default().opened(FIRST).asked(1, 1).asked(2, 1).asked(3, 1);
        let once = all.refused(1).refused(2).accepted(3).delivered(FIRST, 1, 3);
        once.asked(1, 1).asked(2, 1).accepted(1).accepted(2)
    };
    assert_eq!(torn().delivered(FIRST, 2, 1).delivered(FIRST, 3, 2).verdict().violations, []);
    let turned = torn().delivered(FIRST, 2, 2).delivered(FIRST, 3, 1);
    assert_eq!(turned.violation(), Violation::Late { letter: letter(1), after: letter(2) });
}

#[test]
fn a_corrupted_envelope_is_found() {
    let history = History::default().opened(FIRST).then(What::Delivered { stream: FIRST, sequence: 1, letter: None });
    assert_eq!(history.violation(), Violation::Corrupted { stream: FIRST, sequence: 1 });
    assert_eq!(history.verdict().corrupted, 1);
}

#[test]
fn a_letter_in_another_mailbox_is_found() {
    let stream = Stream { mailbox: 1, number: 3 };
    let history = History::default().opened(stream).sent(1..=1).delivered(stream, 1, 1);
    assert_eq!(history.violation(), Violation::Strayed { letter: letter(1), stream });
}

#[test]
fn repeated_letters_are_counted_apart() {
    let history = History::default().opened(FIRST).sent(1..=1).delivered(FIRST, 1, 1).delivered(FIRST, 2, 1);
    let verdict = history.opened(SECOND).delivered(SECOND, 1, 1).delivered(SECOND, 2, 1).verdict();
    assert_eq!(verdict, Verdict { accepted: 1, delivered: 1, stored_twice: 1, redelivered: 2, ..Verdict::default() });
}

#[test]
fn a_sequence_that_goes_back_within_a_stream_is_found() {
    let history = History::default().opened(FIRST).sent(1..=2).delivered(FIRST, 1, 1).delivered(FIRST, 2, 2);
    let back = history.delivered(FIRST, 1, 1);
    assert_eq!(back.violation(), Violation::WentBack { stream: FIRST, last: 2, sequence: 1 });
}

#[test]
fn a_gap_is_found_unless_all_in_it_was_acknowledged() {
    let until = |up_to| {
        let first = History::default().opened(FIRST).sent(1..=3).delivered(FIRST, 1, 1).delivered(FIRST, 2, 2);
        first.acknowledged(FIRST, up_to).opened(SECOND).delivered(SECOND, 3, 3)
    };
    assert_eq!(until(2).verdict().violations, []);
    assert_eq!(until(1).violation(), Violation::Skipped { stream: SECOND, missing: 2, sequence: 3 });
}

#[test]
fn a_stream_must_not_acknowledge_for_the_owner_what_it_left_out() {
    // The acknowledgement up to 3 covers what this stream delivered: not 2.
    let history = History::default().opened(FIRST).sent(1..=3).delivered(FIRST, 1, 1).delivered(FIRST, 3, 3);
    let history = history.acknowledged(FIRST, 3).opened(SECOND).delivered(SECOND, 2, 2);
    let skipped = Violation::Skipped { stream: FIRST, missing: 2, sequence: 3 };
    let late = Violation::Late { letter: letter(2), after: letter(3) };
    assert_eq!(history.verdict().violations, [skipped, late]);
}

#[test]
fn a_sequence_that_is_given_again_is_found_where_a_store_cannot_go_back() {
    let history = History::default().opened(FIRST).sent(1..=2).delivered(FIRST, 1, 1);
    let history = history.opened(SECOND).delivered(SECOND, 1, 2);
    let renumbered = Violation::Renumbered { stream: SECOND, sequence: 1, first: letter(1), then: letter(2) };
    assert_eq!(history.violation(), renumbered);
    let verdict = check(&history.0, Numbers::MayBeGivenAgain);
    assert_eq!((verdict.renumbered, verdict.violations.len()), (1, 0));
}

#[test]
fn a_refusal_for_good_is_found() {
    let why = Why::Reason(Reason::DeliveryRefused);
    let history = History::default().asked(1, 1).then(What::Refused { letter: letter(1), why });
    assert_eq!(history.violation(), Violation::Rejected { letter: letter(1), why });
}

#[test]
fn the_evidence_holds_what_happened_to_a_letter_and_its_mailbox() {
    let history = History::default().opened(FIRST).sent(1..=3).delivered(FIRST, 1, 1).acknowledged(FIRST, 1);
    let fault = What::Fault("the relay is killed".to_owned());
    let Verdict { violations, .. } = history.verdict();
    let history = history.then(fault.clone());
    let shown: Vec<_> = evidence(&history.0, &violations[0]).into_iter().map(|event| event.what.clone()).collect();
    assert_eq!(
        shown,
        [
            What::Opened { stream: FIRST, relay: 0 },
            What::Asked { letter: letter(2), request: 2, relay: 0 },
            What::Accepted { letter: letter(2) },
            What::Acknowledged { stream: FIRST, up_to: 1 },
            fault,
        ]
    );
}
