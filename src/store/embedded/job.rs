//! A change that waits for the writer.

use tokio::sync::oneshot;

use super::super::StoreError;
use super::fault::Fault;
use super::work::Work;

/// Applied within a transaction, and answered when that is over.
pub(super) trait Job: Send {
    /// Does it. Fails only with what the whole transaction must fail with.
    fn apply(&mut self, work: &mut Work<'_>) -> Result<(), Fault>;

    /// Answers: what was done is now stored, or nothing is.
    fn settle(self: Box<Self>, commit: Result<(), StoreError>);
}

/// An operation on the tables, and who waits for its outcome.
pub(super) struct Asked<F, T> {
    operation: Option<F>,
    outcome: Result<T, StoreError>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Asked<F, T> {
    pub(super) fn new(operation: F, answer: oneshot::Sender<Result<T, StoreError>>) -> Self {
        Self { operation: Some(operation), outcome: Err(StoreError::Unavailable("it was not tried")), answer }
    }
}

impl<F, T> Job for Asked<F, T>
where
    F: FnOnce(&mut Work<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn apply(&mut self, work: &mut Work<'_>) -> Result<(), Fault> {
        let Some(operation) = self.operation.take() else {
            return Ok(());
        };
        match operation(work) {
            Ok(outcome) => self.outcome = Ok(outcome),
            Err(fault @ Fault::Corrupt(_)) => self.outcome = Err(fault.to_answer()),
            Err(fault @ Fault::Database(_)) => return Err(fault),
        }
        Ok(())
    }

    fn settle(self: Box<Self>, commit: Result<(), StoreError>) {
        // Whoever asked may have gone: it is done all the same.
        let _ = self.answer.send(commit.and(self.outcome));
    }
}
