//! Everything that can go wrong, and whether trying again can help.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use sealpost_core::{CardError, SealError};
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use thiserror::Error;
use tonic::Status;

use crate::OptionsError;

/// Why something did not work.
///
/// No text of an error holds an address, a key, or what the relay wrote: its own words are in [`Refused::message`].
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum Error {
    /// The relay refused, and said why.
    #[error("the relay refused: {}", .0.reason.name())]
    Refused(Box<Refused>),
    /// The relay cannot be reached, or the connection broke before the answer. What was asked may have happened.
    #[error("the relay cannot be reached: {0}")]
    Unreachable(String),
    /// The relay's certificate is not trusted. Nothing was sent.
    #[error("the relay's certificate is not trusted: {0}")]
    Untrusted(String),
    /// No answer within the time that the options give. What was asked may have happened.
    #[error("the relay did not answer in time")]
    TimedOut,
    /// The relay broke the contract.
    #[error("the relay broke the contract: {0}")]
    Contract(&'static str),
    /// The recipient has put no card at the relay.
    #[error("the recipient has no card at the relay")]
    NoCard,
    /// The recipient's card is refused.
    #[error("the recipient's card is refused: {0}")]
    Card(#[from] CardError),
    /// The contact's mailbox is at another relay than this one.
    #[error("the contact's mailbox is at another relay")]
    OtherRelay,
    /// The message cannot be sealed.
    #[error("the message cannot be sealed: {0}")]
    Seal(#[from] SealError),
    /// The options contradict themselves.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The store of message ids failed, so that the message is not acknowledged.
    #[error("the message's id could not be recorded: {0}")]
    Dedup(io::ErrorKind),
    /// The sender or inbox was closed.
    #[error("it was closed")]
    Closed,
}

/// A refusal of the relay's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Why, from the contract's closed list.
    pub reason: Reason,
    /// The relay's words for a developer. A hostile relay may write anything here: not for a terminal.
    pub message: String,
    /// When to try again, by the relay's word.
    pub retry_after: Option<Duration>,
    /// Facts that go with the reason, such as `sizes` or `maximum`.
    pub metadata: Vec<(String, String)>,
    /// The field that is wrong, if one is.
    pub field: Option<String>,
}

impl Error {
    /// The relay's reason, if it gave one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Refused(refused) => Some(refused.reason),
            _ => None,
        }
    }

    /// Whether the same may succeed later by itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refused) => refused.reason.is_retryable(),
            Self::Unreachable(_) | Self::TimedOut => true,
            _ => false,
        }
    }

    /// When to try again, if the relay said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after,
            _ => None,
        }
    }

    /// A fact that goes with the relay's reason.
    pub(crate) fn fact(&self, key: &str) -> Option<&str> {
        match self {
            Self::Refused(refused) => {
                let (_, value) = refused.metadata.iter().find(|(known, _)| known == key)?;
                Some(value)
            }
            _ => None,
        }
    }

    pub(crate) fn refused(reason: Reason) -> Self {
        Failure::new(reason, "").into()
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let Failure { reason, message, retry_after, metadata, field } = failure;
        Self::Refused(Box::new(Refused { reason, message, retry_after, metadata, field }))
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        if let Some(failure) = Failure::from_status(&status) {
            return failure.into();
        }
        // Whatever has no reason of ours comes from the transport, or from a proxy in front of the relay.
        let Some(cause) = root_cause(&status) else {
            return Self::Unreachable(format!("{:?}", status.code()));
        };
        if let Some(rustls::Error::InvalidCertificate(problem)) = find::<rustls::Error>(&status) {
            return Self::Untrusted(format!("{problem:?}"));
        }
        Self::Unreachable(cause.to_string())
    }
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

fn root_cause(status: &Status) -> Option<&(dyn StdError + 'static)> {
    causes(status).last()
}

/// TLS errors travel inside `io::Error`, whose `source` skips the error that it wraps.
fn find<E: StdError + 'static>(status: &Status) -> Option<&E> {
    causes(status).find_map(|cause| {
        cause.downcast_ref::<E>().or_else(|| cause.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<E>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_a_refusal_keeps_its_reason_and_time() {
        let status = Failure::new(Reason::MailboxFull, "full").retry_after(Duration::from_secs(3)).into_status();
        let error = Error::from(status);
        assert_eq!(error.reason(), Some(Reason::MailboxFull));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
        assert!(error.is_retryable());
    }

    #[test]
    fn the_relay_cannot_write_into_an_errors_text() {
        let error = Error::from(Failure::new(Reason::Internal, "\x1b[2J sp1qqq").into_status());
        assert_eq!(error.to_string(), "the relay refused: INTERNAL");
        let foreign = Error::from(Status::unavailable("\x1b[2J sp1qqq"));
        assert_eq!(foreign.to_string(), "the relay cannot be reached: Unavailable");
    }
}
