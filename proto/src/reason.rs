//! What each [`Reason`] means to a program.

use tonic::Code;

use crate::Reason;

impl Reason {
    /// Its name in `google.rpc.ErrorInfo`: as in the contract, without the prefix.
    pub fn name(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix(PREFIX).unwrap_or(name)
    }

    /// The reason of that name; `None` for one that this version does not know.
    pub fn from_name(name: &str) -> Option<Self> {
        // Only failures allocate here.
        Self::from_str_name(&format!("{PREFIX}{name}"))
    }

    /// The gRPC code that goes with it.
    pub fn code(self) -> Code {
        match self {
            Self::Unspecified | Self::Internal => Code::Internal,
            Self::InvalidField
            | Self::MalformedMessage
            | Self::EnvelopeSize
            | Self::CredentialsRefused
            | Self::AcknowledgementInvalid
            | Self::StreamProtocol => Code::InvalidArgument,
            Self::MessageTooLarge => Code::OutOfRange,
            Self::MethodUnknown => Code::Unimplemented,
            Self::DeliveryRefused
            | Self::VoucherRequired
            | Self::VoucherInvalid
            | Self::VoucherExpired
            | Self::VoucherSpent => Code::PermissionDenied,
            Self::MailboxFull | Self::LimitExceeded | Self::Overloaded => Code::ResourceExhausted,
            Self::ProofInvalid | Self::ProofStale | Self::ProofReplayed | Self::ProofAudience => Code::Unauthenticated,
            Self::MailboxUnknown | Self::MailboxDeleted => Code::NotFound,
            Self::MailboxExists => Code::AlreadyExists,
            Self::SessionEnded => Code::FailedPrecondition,
            Self::Displaced => Code::Aborted,
            Self::Draining | Self::Rebalance | Self::PeerSilent | Self::StoreUnavailable => Code::Unavailable,
            Self::TimedOut => Code::DeadlineExceeded,
        }
    }

    /// Whether the same call may succeed later, all by itself.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::MailboxFull
                | Self::Draining
                | Self::Rebalance
                | Self::PeerSilent
                | Self::StoreUnavailable
                | Self::Overloaded
                | Self::TimedOut
                | Self::Internal
        )
    }
}

const PREFIX: &str = "REASON_";
