//! Failures of the client, in words that say what to do.

use sealpost_client::{Error, Reason, Refused};
use sealpost_core::SealError;

use super::output::Failure;
use super::text::{grouped, printable_line};

/// What failed at the relay of this URL.
pub(super) fn failure(error: &Error, relay: &str) -> Failure {
    match error {
        Error::Refused(refused) => refused_failure(refused, relay),
        Error::Unreachable(why) => {
            Failure::new(format!("the relay {relay} cannot be reached: {}", printable_line(why)))
                .remedy("is it running there? `sealpost serve` runs one on this machine; --relay names another")
        }
        Error::Untrusted(why) => Failure::new(format!("the certificate of {relay} is not trusted: {why}")).remedy(
            "name the authority that signed it with --ca FILE; `sealpost serve` keeps that of its development \
             certificate in sealpost-data/tls/ca.pem",
        ),
        Error::TimedOut => Failure::new(format!("the relay {relay} did not answer in time"))
            .remedy("try again; --timeout SECS waits longer"),
        Error::Contract(_) => Failure::new(format!("{relay} does not answer as a relay does ({error})"))
            .remedy("check the URL, and that relay and client are of versions that fit"),
        Error::NoCard => Failure::new("the recipient has put no card at the relay, so nothing can be sealed for them")
            .remedy("ask them to run `sealpost mailbox create` or `sealpost receive` once, then try again"),
        Error::Card(why) => Failure::new(format!("the recipient's card cannot be used: {why}"))
            .remedy("ask them to come online once, which renews it, or for a new invite"),
        Error::Seal(SealError::TooLarge { max_body }) => too_large(*max_body),
        Error::Options(why) => Failure::usage(why.to_string()).remedy("check --relay and --ca"),
        Error::Dedup(_) => {
            Failure::new(error.to_string()).remedy("check the profile directory's permissions and the disk's room")
        }
        error => Failure::new(error.to_string()),
    }
}

/// A message that no envelope holds.
pub(super) fn too_large(max_body: usize) -> Failure {
    Failure::new(format!("this is too large for one envelope: {} bytes fit", grouped(max_body as u64)))
        .remedy("make it smaller, or split it; what is larger belongs in a file store, with its link and key sent here")
}

/// The mailbox stream has ended for a reason of the relay's.
pub(super) fn ended(reason: Reason, relay: &str) -> Failure {
    let (what, remedy) = explain(reason);
    refusal(reason, relay, what, remedy)
}

fn refused_failure(refused: &Refused, relay: &str) -> Failure {
    let (what, remedy) = explain(refused.reason);
    let fact = |name: &str| {
        let found = refused.metadata.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| printable_line(value))
    };
    let more = match refused.reason {
        Reason::EnvelopeSize => fact("sizes").map(|sizes| format!("; it carries {sizes} bytes")),
        Reason::ProofAudience => fact("audience").map(|name| format!("; it is called {name}")),
        Reason::LimitExceeded => fact("maximum").map(|most| format!("; it allows {most}")),
        Reason::InvalidField => refused.field.as_deref().map(|field| format!(": {}", printable_line(field))),
        _ => None,
    };
    refusal(refused.reason, relay, &format!("{what}{}", more.unwrap_or_default()), remedy)
}

fn refusal(reason: Reason, relay: &str, what: &str, remedy: &str) -> Failure {
    Failure::new(format!("{what} ({}, says {relay})", reason.name())).remedy(remedy)
}

/// What it means to the user, and what they can do.
fn explain(reason: Reason) -> (&'static str, &'static str) {
    match reason {
        Reason::DeliveryRefused => (
            "nothing can be delivered there: there is no such mailbox, or its invite has ended",
            "ask the recipient for a new invite",
        ),
        Reason::MailboxFull => {
            ("the recipient's mailbox is full", "nothing was stored; try again when they have been online")
        }
        Reason::MailboxUnknown => (
            "the relay has no such mailbox: it was never made there, was deleted, or reclaimed",
            "make it (again): sealpost mailbox create",
        ),
        Reason::MailboxExists => {
            ("the mailbox exists already", "`sealpost mailbox show` shows it; --profile NAME makes another one")
        }
        Reason::MailboxDeleted => ("the mailbox was deleted", "make it again: sealpost mailbox create"),
        Reason::Displaced => (
            "a newer connection has opened this mailbox, and a mailbox has one reader",
            "is the same profile being received on another machine? End one of the two",
        ),
        Reason::VoucherRequired => {
            ("this relay makes mailboxes only for a voucher", "ask its operator for one: --voucher TEXT")
        }
        Reason::VoucherInvalid => {
            ("the voucher is not one of this relay's", "check that it was copied whole, and is for this relay's name")
        }
        Reason::VoucherExpired => ("the voucher's time is over", "ask the operator for a new one"),
        Reason::VoucherSpent => ("the voucher was used for another mailbox", "ask the operator for a new one"),
        Reason::ProofStale => ("this machine's clock is too far off", "set the clock, then try again"),
        Reason::ProofAudience => (
            "the relay does not go by the name it was called by",
            "use a name that it has (its --relay-names) in --relay",
        ),
        Reason::EnvelopeSize => ("the relay does not carry envelopes of this size", "make the message smaller"),
        Reason::LimitExceeded => ("that is more than the relay allows", "use fewer, or ask its operator"),
        Reason::Draining | Reason::Rebalance => ("the relay is being restarted", "try again in a moment"),
        Reason::StoreUnavailable => ("the relay's store does not answer", "try again in a moment"),
        Reason::Overloaded => ("the relay has more to do than it can", "try again in a moment"),
        Reason::TimedOut | Reason::Internal => ("the relay could not do it", "try again in a moment"),
        _ => ("the relay refuses", "check that relay and client are of versions that fit"),
    }
}
