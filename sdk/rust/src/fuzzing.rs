//! What holds whatever a relay answers: for the fuzz targets (docs/fuzzing.md), and for nobody else.

use std::time::Duration;

use sealpost_proto::status::Failure;
use tonic::codegen::Bytes;
use tonic::{Code, Status};

use crate::backoff::Backoff;
use crate::clock::RelayClock;
use crate::{Error, receive, sender};

/// An answer, of the kind that the first byte says.
pub fn response(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => receive::received(bytes),
        1 => sender::fuzzing::decided(bytes),
        _ => refusal(&status(bytes).0),
    }
}

/// As `google.protobuf.Duration` has it.
const LONGEST_RETRY: Duration = Duration::new(315_576_000_000, 999_999_999);

/// A status: a code, details and a message, each of these with a byte for its length. Gives the rest.
pub(crate) fn status(bytes: &[u8]) -> (Status, &[u8]) {
    let (code, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let (details, rest) = piece(rest).unwrap_or_default();
    let (message, rest) = piece(rest).unwrap_or_default();
    let message = String::from_utf8_lossy(message);
    let status = Status::with_details(Code::from(i32::from(*code)), message, Bytes::copy_from_slice(details));
    (status, rest)
}

/// The next piece, behind a byte for its length; cut short where the bytes end.
pub(crate) fn piece(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    Some(rest.split_at(usize::from(*length).min(rest.len())))
}

/// What is read of a status is read again as it was, its words stay out of the error's text, and a client comes again.
fn refusal(status: &Status) {
    let failure = Failure::from_status(status);
    if let Some(failure) = &failure {
        // A time to come again is written as ten thousand years at most.
        let retry_after = failure.retry_after.map(|after| after.min(LONGEST_RETRY));
        let written = Failure { retry_after, ..failure.clone() };
        assert!(Failure::from_status(&failure.clone().into_status()) == Some(written));
    }
    let error = Error::from(status.clone());
    let text = match &failure {
        Some(failure) => format!("the relay refused: {}", failure.reason.name()),
        None => format!("the relay cannot be reached: {:?}", status.code()),
    };
    assert_eq!(error.to_string(), text);

    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    assert!(backoff.next(error.retry_after()) <= Duration::from_secs(660));
    let clock = RelayClock::default();
    clock.correct(&error);
    let _ = clock.now();
}
