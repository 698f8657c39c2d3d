//! What the relay says.

use std::time::Duration;

use sealpost_core::{Address, Sequence};
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1::receive_request::Kind as Request;
use sealpost_proto::v1::receive_response::Kind as Response;
use sealpost_proto::v1::{self, ReceiveResponse};
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::timeout;
use tonic::Streaming;

use super::super::{Delivery, RawEvent};
use super::{End, Stream};
use crate::Error;

/// A relay that keeps silent for so long promises nothing.
const LONGEST_PATIENCE: Duration = Duration::from_secs(300);
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);
const PINGS_MISSED: u32 = 3;
/// How long to wait for the status after `closing`.
const LAST_WORD: Duration = Duration::from_secs(1);

impl Stream<'_> {
    pub(super) async fn handle(
        &mut self,
        response: Response,
        responses: &mut Streaming<ReceiveResponse>,
    ) -> Result<(), End> {
        match response {
            Response::Deliveries(batch) => {
                for delivery in batch.deliveries {
                    self.deliver(delivery).await?;
                }
                Ok(())
            }
            Response::CaughtUp(v1::CaughtUp { mailbox }) => {
                let mailbox = self.mailbox(mailbox)?;
                if !self.session.owners.contains_key(&mailbox) {
                    return Ok(());
                }
                self.session.board.caught_up(&mailbox);
                self.emit(RawEvent::CaughtUp(mailbox)).await
            }
            Response::Ping(v1::Ping { number }) => {
                self.tell(Request::Pong(v1::Pong { number }));
                Ok(())
            }
            Response::Opened(opened) => self.opened(opened).map_err(End::Failed),
            Response::Closing(closing) => Err(End::Failed(last_word(closing, responses).await)),
            Response::MailboxClosed(v1::MailboxClosed { mailbox, reason }) => {
                self.mailbox_closed(mailbox, reason).await
            }
        }
    }

    pub(super) async fn deliver(&mut self, delivery: v1::Delivery) -> Result<(), End> {
        let v1::Delivery { mailbox, sequence, envelope } = delivery;
        let mailbox = self.mailbox(mailbox)?;
        if !self.session.owners.contains_key(&mailbox) {
            // It was on its way when the mailbox was removed.
            return Ok(());
        }
        let Some(number) = Sequence::new(sequence) else {
            let delivery = Delivery { mailbox, sequence: None, envelope, token: None };
            return match self.session.events.try_send(RawEvent::Delivery(delivery)) {
                // An ephemeral envelope that the app has no room for is lost, as it says.
                Ok(()) | Err(TrySendError::Full(_)) => Ok(()),
                Err(TrySendError::Closed(_)) => Err(End::Closed),
            };
        };
        match self.session.board.arrived(mailbox, sequence, envelope.len() as u64) {
            Some(token) => {
                let sequence = Some(number);
                self.emit(RawEvent::Delivery(Delivery { mailbox, sequence, envelope, token: Some(token) })).await
            }
            None => {
                self.settle();
                Ok(())
            }
        }
    }

    pub(super) async fn mailbox_closed(&mut self, number: u32, reason: i32) -> Result<(), End> {
        let mailbox = self.mailbox(number)?;
        self.mailboxes.remove(&number);
        self.numbers.remove(&mailbox);
        if !self.session.owners.contains_key(&mailbox) {
            return Ok(());
        }
        let reason = Reason::try_from(reason).unwrap_or(Reason::Unspecified);
        self.session.forget(&mailbox);
        self.emit(RawEvent::MailboxClosed { mailbox, reason }).await?;
        if self.session.owners.is_empty() { Err(End::Failed(Error::refused(reason))) } else { Ok(()) }
    }

    pub(super) fn opened(&mut self, opened: v1::Opened) -> Result<(), Error> {
        for v1::OpenedMailbox { mailbox: number, address, .. } in opened.mailboxes {
            let mailbox = Address::try_from(&*address).map_err(|_| Error::Contract("an address has 32 bytes"))?;
            self.asked = self.asked.checked_sub(1).ok_or(Error::Contract("a mailbox that nobody asked for"))?;
            self.mailboxes.insert(number, mailbox);
            self.numbers.insert(mailbox, number);
        }
        let pings = Duration::from_millis(opened.ping_interval_ms.into());
        self.patience = match pings.saturating_mul(PINGS_MISSED) {
            Duration::ZERO => LONGEST_PATIENCE,
            patience => patience.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE),
        };
        Ok(())
    }

    pub(super) fn mailbox(&self, number: u32) -> Result<Address, End> {
        let known = self.mailboxes.get(&number).copied();
        known.ok_or(End::Failed(Error::Contract("a mailbox that is not open on this stream")))
    }

    /// Waits while the app has no room; the relay ends the stream if that takes too long.
    pub(super) async fn emit(&self, event: RawEvent) -> Result<(), End> {
        self.session.events.send(event).await.map_err(|_| End::Closed)
    }
}

/// What the relay says as it ends a stream: a reason, and after it a status that may know more.
pub(super) async fn last_word(closing: v1::Closing, responses: &mut Streaming<ReceiveResponse>) -> Error {
    let reason = Reason::try_from(closing.reason).unwrap_or(Reason::Unspecified);
    let status = timeout(LAST_WORD, responses.message()).await;
    let failure = status.ok().and_then(Result::err).and_then(|status| Failure::from_status(&status));
    let failure = failure.filter(|failure| failure.reason == reason).unwrap_or(Failure::new(reason, ""));
    match closing.retry_after_ms {
        0 => failure.into(),
        after => failure.retry_after(Duration::from_millis(after.into())).into(),
    }
}
