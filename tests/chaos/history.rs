//! What happened, in the order in which the clients saw it.

use std::fmt;
use std::time::Duration;

use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use tonic::Status;

use crate::letter::Letter;

/// Senders of one mailbox; those of mailbox `m` are numbered from `m` × this.
pub(crate) const SENDERS_A_MAILBOX: u32 = 2;

/// Something that a client did or saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Since the run began.
    pub(crate) at: Duration,
    pub(crate) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A letter is about to leave. Letters that a sender first sent in one request keep that request's number when
    /// they are sent again; a sender's next request leaves when all of the one before was accepted.
    Asked { letter: Letter, request: u64, relay: usize },
    /// The relay answered that it has it.
    Accepted { letter: Letter },
    /// The relay refused it, or gave no answer.
    Refused { letter: Letter, why: Why },
    /// An owner has a new stream.
    Opened { stream: Stream, relay: usize },
    /// An owner was refused a stream.
    NotOpened { mailbox: usize, relay: usize, why: Why },
    /// An envelope came; `None`: with bytes that nobody sent.
    Delivered { stream: Stream, sequence: u64, letter: Option<Letter> },
    /// An owner is about to acknowledge all that came on this stream up to here.
    Acknowledged { stream: Stream, up_to: u64 },
    /// A stream is over.
    Ended { stream: Stream, why: Why },
    /// What was done to the relays and their store.
    Fault(String),
}

/// One stream of a mailbox's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stream {
    pub(crate) mailbox: usize,
    /// No other stream of the run has it.
    pub(crate) number: u32,
}

/// Why something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The relay said so.
    Reason(Reason),
    /// No relay said anything: the connection or the library.
    Broken,
    /// It took too long.
    Silent,
}

impl Letter {
    /// The mailbox that it is for.
    pub(crate) fn mailbox(self) -> usize {
        (self.sender / SENDERS_A_MAILBOX) as usize
    }
}

impl Why {
    /// Whether a sender may be told this for a while, and shall then try again (docs/protocol.md, section 12.5).
    pub(crate) fn may_pass(self) -> bool {
        match self {
            Self::Broken | Self::Silent => true,
            Self::Reason(reason) => matches!(
                reason,
                Reason::StoreUnavailable
                    | Reason::Overloaded
                    | Reason::MailboxFull
                    | Reason::TimedOut
                    | Reason::Draining
            ),
        }
    }
}

impl From<&Status> for Why {
    fn from(status: &Status) -> Self {
        Failure::from_status(status).map_or(Self::Broken, |failure| Self::Reason(failure.reason))
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(reason) => f.write_str(reason.name()),
            Self::Broken => f.write_str("connection broken"),
            Self::Silent => f.write_str("no answer in time"),
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} of mailbox {}", self.number, self.mailbox)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9.3} s  ", self.at.as_secs_f64())?;
        match &self.what {
            What::Asked { letter, request, relay } => write!(f, "{letter} sent to relay {relay}, request {request}"),
            What::Accepted { letter } => write!(f, "{letter} accepted"),
            What::Refused { letter, why } => write!(f, "{letter} not accepted: {why}"),
            What::Opened { stream, relay } => write!(f, "{stream} opened at relay {relay}"),
            What::NotOpened { mailbox, relay, why } => {
                write!(f, "mailbox {mailbox} not opened at relay {relay}: {why}")
            }
            What::Delivered { stream, sequence, letter: Some(letter) } => {
                write!(f, "{letter} delivered as {sequence} on {stream}")
            }
            What::Delivered { stream, sequence, letter: None } => {
                write!(f, "bytes that nobody sent delivered as {sequence} on {stream}")
            }
            What::Acknowledged { stream, up_to } => write!(f, "{stream} acknowledges up to {up_to}"),
            What::Ended { stream, why } => write!(f, "{stream} ended: {why}"),
            What::Fault(what) => write!(f, "** {what}"),
        }
    }
}
