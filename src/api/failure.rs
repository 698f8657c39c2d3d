//! What clients are told when something goes wrong: the one place where it is decided.

use std::time::Duration;

use sealpost_core::Sequence;
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::parse;
use crate::delivery::{Ending, FeedError};
use crate::jitter::around;
use crate::store::{AppendError, StoreError};
use crate::telemetry::{ApiMetrics, Outcome, warn_rarely};

/// The store failed.
pub(super) fn of_store(error: StoreError) -> Failure {
    warn_rarely!("the store failed a call", error = error);
    match error {
        StoreError::Unavailable(_) | StoreError::TimedOut => Failure::new(
            Reason::StoreUnavailable,
            "the relay's store does not answer; it may or may not have been done",
        )
        .retry_after(around(Duration::from_secs(1))),
        StoreError::Corrupt(_) => Failure::new(Reason::Internal, "the relay's store holds something unreadable")
            .retry_after(around(Duration::from_secs(30))),
    }
}

/// A send failed.
pub(super) fn of_append(error: AppendError) -> Failure {
    match error {
        AppendError::Refused => Failure::new(
            Reason::DeliveryRefused,
            "there is no such mailbox, or the delivery key is none of its keys; ask the recipient for a new invite",
        ),
        AppendError::Full => {
            Failure::new(Reason::MailboxFull, "the mailbox is full until its owner has taken some out")
                .retry_after(around(Duration::from_secs(30)))
        }
        AppendError::Store(error) => of_store(error),
    }
}

/// Counts what became of a send of an envelope of this size.
pub(super) fn count(metrics: &ApiMetrics, result: &Result<Sequence, AppendError>, size: usize) {
    metrics.sends.count(match result {
        Ok(_) => Outcome::Accepted,
        Err(AppendError::Refused) => Outcome::Refused,
        Err(AppendError::Full) => Outcome::Full,
        Err(AppendError::Store(_)) => Outcome::Unavailable,
    });
    if result.is_ok_and(|sequence| sequence != Sequence::NONE) {
        metrics.stored.count();
        metrics.stored_bytes.add(size);
    }
}

/// A stream has ended.
pub(super) fn of_feed(error: FeedError<Failure>) -> Failure {
    match error {
        FeedError::Ended(ending) => of_ending(ending),
        FeedError::Unknown(place) => Failure { field: Some(proof_field(place)), ..unknown_mailbox() },
        FeedError::OpenTwice(place) => Failure {
            field: Some(proof_field(place)),
            ..Failure::new(Reason::StreamProtocol, "this mailbox is already open on this stream")
        },
        FeedError::TooMany(maximum) => parse::limit("mailboxes of one stream", maximum),
        FeedError::NeverSent => {
            Failure::new(Reason::AcknowledgementInvalid, "this stream has not sent an envelope of that number")
        }
        FeedError::NoSuchNumber => {
            Failure::new(Reason::StreamProtocol, "no mailbox of this stream was ever given that number")
        }
        FeedError::Store(error) => of_store(error),
        FeedError::Input(failure) => failure,
    }
}

/// Where the proof stood.
fn proof_field(place: Option<usize>) -> String {
    place.map_or_else(|| "add.proof".to_owned(), |place| format!("open.proofs[{place}]"))
}

/// A stream, or a mailbox of it, has ended by the relay's or the owner's will.
pub(super) fn of_ending(ending: Ending) -> Failure {
    let soon = || around(Duration::from_millis(500));
    match ending {
        Ending::Displaced => Failure::new(Reason::Displaced, "a newer stream has opened this mailbox"),
        Ending::Deleted => Failure::new(Reason::MailboxDeleted, "the mailbox was deleted by its owner"),
        Ending::Removed => Failure::new(Reason::Unspecified, "the mailbox was closed as asked"),
        Ending::Draining => Failure::new(Reason::Draining, "this relay is shutting down").retry_after(soon()),
        Ending::Rebalance => {
            Failure::new(Reason::Rebalance, "this stream has lived as long as a stream may").retry_after(soon())
        }
        Ending::StoreRestarted => {
            Failure::new(Reason::StoreUnavailable, "the relay's store was started anew").retry_after(soon())
        }
        Ending::PeerSilent => Failure::new(Reason::PeerSilent, "pings were not answered").retry_after(soon()),
    }
}

/// Something took too long.
pub(super) fn timed_out(what: &'static str) -> Failure {
    Failure::new(Reason::TimedOut, what).retry_after(around(Duration::from_secs(1)))
}

/// The relay has as much to do as it may have.
pub(super) fn overloaded() -> Failure {
    Failure::new(Reason::Overloaded, "the relay is overloaded").retry_after(around(Duration::from_secs(1)))
}

/// A connection has made more requests than it is granted; in so long it may make another.
pub(super) fn too_fast(wait: Duration) -> Failure {
    Failure::new(
        Reason::Overloaded,
        "this connection makes more requests in a second than it may; SendStream is not counted by envelope",
    )
    .retry_after(wait + around(Duration::from_millis(100)))
}

/// A connection has begun more of its messages than it may leave unfinished.
pub(super) fn too_much_unfinished() -> Failure {
    Failure::new(
        Reason::Overloaded,
        "this connection has begun more long messages than it may before it has finished some",
    )
    .retry_after(around(Duration::from_secs(1)))
}

/// Something failed that cannot.
pub(super) fn internal(what: &'static str) -> Failure {
    Failure::new(Reason::Internal, what).retry_after(around(Duration::from_secs(1)))
}

/// An owner's mailbox does not exist.
pub(super) fn unknown_mailbox() -> Failure {
    Failure::new(Reason::MailboxUnknown, "there is no mailbox of this address")
}

/// What a client is told of a status that the framework made.
pub(super) fn of_framework(status: &Status) -> Failure {
    if let Some(failure) = Failure::from_status(status) {
        return failure;
    }
    match status.code() {
        Code::OutOfRange => Failure::new(Reason::MessageTooLarge, "the message is longer than this relay reads"),
        Code::Unimplemented => Failure::new(Reason::MethodUnknown, "this relay has no such service or method"),
        Code::Cancelled | Code::DeadlineExceeded => timed_out("the call took too long, or was cancelled"),
        Code::ResourceExhausted | Code::Unavailable => overloaded(),
        // The framework finds nothing else wrong with a request than its form.
        _ => Failure::new(Reason::MalformedMessage, "the bytes are no gRPC message of the type that belongs here"),
    }
}

/// A request was compressed.
pub(super) fn compressed() -> Failure {
    Failure::new(Reason::MalformedMessage, "this relay reads no compressed messages: envelopes do not compress")
}

/// A status that the framework made and that says nothing of its reason.
pub(super) fn is_untyped(status: &Status) -> bool {
    status.get_details_error_info().is_none()
}
