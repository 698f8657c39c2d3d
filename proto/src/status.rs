//! A [`Reason`] as a gRPC status with `google.rpc` details, and back.

use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

use crate::Reason;

/// The domain in `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "sealpost";

/// A status with nothing to add to its reason.
pub fn of(reason: Reason, message: impl Into<String>) -> Status {
    Failure::new(reason, message).into_status()
}

/// A failure with all that a client may want to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub reason: Reason,
    /// For a developer's eyes: never an address, a key, an exact size or time.
    pub message: String,
    /// When to try again; `None`: not at all, or (for a retryable reason) as the client sees fit.
    pub retry_after: Option<Duration>,
    /// What `google.rpc.ErrorInfo` holds beside the reason.
    pub metadata: Vec<(String, String)>,
    /// The field that is wrong, if one is.
    pub field: Option<String>,
}

impl Failure {
    /// With nothing but a reason and a message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after: None, metadata: Vec::new(), field: None }
    }

    /// Of a field.
    pub fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Reason::InvalidField, problem) }
    }

    /// With a time to try again.
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// With one more fact.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.push((key.to_owned(), value.into()));
        self
    }

    /// The status that a client gets.
    pub fn into_status(self) -> Status {
        let mut details = ErrorDetails::with_error_info(
            self.reason.name(),
            DOMAIN,
            self.metadata.into_iter().collect::<std::collections::HashMap<_, _>>(),
        );
        if let Some(after) = self.retry_after {
            details.set_retry_info(Some(after));
        }
        if let Some(field) = self.field {
            details.add_bad_request_violation(field, self.message.clone());
        }
        Status::with_error_details(self.reason.code(), self.message, details)
    }

    /// What a status says, if it is one of ours.
    pub fn from_status(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        let mut metadata: Vec<_> = info.metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        metadata.sort();
        Some(Self {
            reason: Reason::from_name(&info.reason).unwrap_or(Reason::Unspecified),
            message: status.message().to_owned(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            metadata,
            field: details
                .bad_request()
                .and_then(|request| request.field_violations.first())
                .map(|violation| violation.field.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_a_failure_survives_the_wire() {
        let failure = Failure::field("to", "32 bytes, please").retry_after(Duration::from_millis(1500)).with("a", "b");
        let status = failure.clone().into_status();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(Failure::from_status(&status), Some(failure));
    }

    #[test]
    fn p12_a_foreign_status_is_not_taken_for_ours() {
        assert_eq!(Failure::from_status(&Status::internal("?")), None);
    }

    #[test]
    fn p12_every_reason_has_a_name_that_leads_back_to_it() {
        let known: Vec<_> = (0..).map_while(|number| Reason::try_from(number).ok()).collect();
        assert!(known.len() > 30);
        for reason in known {
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
        }
    }
}
