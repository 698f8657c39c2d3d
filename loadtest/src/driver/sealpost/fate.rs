//! What a failure means for a message.

use std::time::Duration;

use sealpost_client::{Error, Reason};

use crate::ledger::Answer;

/// What a failure means for the message that was being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    /// What is known if it is not tried again.
    pub(super) answer: Answer,
    /// Whether to try again, and when.
    pub(super) again: Option<Duration>,
}

/// Without a word of the relay's: long enough for another one to be found.
const PAUSE: Duration = Duration::from_millis(100);
/// A relay that wants longer means that it will not be soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Of a failed call.
pub(super) fn of_error(error: &Error) -> Fate {
    match error.reason() {
        Some(reason) => of_reason(reason, error.retry_after()),
        None => Fate { answer: Answer::Unknown, again: Some(PAUSE) },
    }
}

/// Of a relay's refusal.
pub(super) fn of_reason(reason: Reason, retry_after: Option<Duration>) -> Fate {
    let answer = match reason {
        Reason::StoreUnavailable | Reason::TimedOut | Reason::Internal | Reason::Draining => Answer::Unknown,
        _ => Answer::Refused,
    };
    let pause = retry_after.unwrap_or(PAUSE);
    Fate { answer, again: (reason.is_retryable() && pause <= LONGEST_PAUSE).then_some(pause) }
}

/// Whether another connection, to another relay, may help.
pub(super) fn is_of_the_connection(error: &Error) -> bool {
    match error.reason() {
        Some(reason) => matches!(reason, Reason::Draining | Reason::Rebalance | Reason::PeerSilent),
        None => true,
    }
}

/// As the report counts it.
pub(super) fn name(error: &Error) -> String {
    match error {
        Error::Refused(refused) => refused.reason.name().to_owned(),
        Error::Unreachable(_) => "unreachable".to_owned(),
        Error::TimedOut => "no answer".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_happened_is_unknown_and_what_did_not_is_refused() {
        let of = |reason| of_reason(reason, None);
        assert_eq!(of(Reason::StoreUnavailable), Fate { answer: Answer::Unknown, again: Some(PAUSE) });
        assert_eq!(of(Reason::Overloaded), Fate { answer: Answer::Refused, again: Some(PAUSE) });
        assert_eq!(of(Reason::DeliveryRefused), Fate { answer: Answer::Refused, again: None });
        let soon = Some(Duration::from_secs(2));
        assert_eq!(of_reason(Reason::MailboxFull, soon), Fate { answer: Answer::Refused, again: soon });
        let late = Some(Duration::from_secs(600));
        assert_eq!(of_reason(Reason::MailboxFull, late), Fate { answer: Answer::Refused, again: None });
        assert_eq!(of_error(&Error::TimedOut), Fate { answer: Answer::Unknown, again: Some(PAUSE) });
    }
}
