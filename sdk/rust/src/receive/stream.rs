//! One stream, from its opening to its end.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use sealpost_core::{Address, Operation, Sequence};
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Request;
use sealpost_proto::v1::receive_response::Kind as Response;
use sealpost_proto::v1::{self, ReceiveRequest, ReceiveResponse};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::session::{Command, Session};
use super::tray::Due;
use super::{ConnectionState, Delivery, RawEvent};
use crate::Error;
use crate::retry::answer_within;

/// Requests that may wait for the connection.
const WAITING_REQUESTS: usize = 64;
/// What a batch of deliveries takes beside the envelopes, generously.
const BATCH_OVERHEAD: u64 = 1 << 20;
const SMALLEST_LIMIT: usize = 4 << 20;
/// Of the ping interval: what a relay may ask of a client's patience.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(1);
const LONGEST_PATIENCE: Duration = Duration::from_secs(300);
const PINGS_MISSED: u32 = 3;
/// How long a relay has to take the last acknowledgements.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a stream ended.
pub(super) enum End {
    /// The app closed it.
    Closed,
    /// It is to be opened again at once.
    Reopen,
    /// It failed, or the relay ended it.
    Failed(Error),
}

pub(super) struct Stream<'a> {
    session: &'a mut Session,
    requests: mpsc::Sender<ReceiveRequest>,
    /// By their numbers on this stream.
    mailboxes: HashMap<u32, Address>,
    patience: Duration,
    heard: Instant,
    flush_at: Option<Instant>,
    reopen_at: Option<Instant>,
}

impl<'a> Stream<'a> {
    pub(super) async fn run(session: &'a mut Session, live_since: &mut Option<Instant>) -> End {
        session.board.new_stream();
        let (requests, outgoing) = mpsc::channel(WAITING_REQUESTS);
        let mut stream = Self {
            session,
            requests,
            mailboxes: HashMap::new(),
            patience: LONGEST_PATIENCE,
            heard: Instant::now(),
            flush_at: None,
            reopen_at: None,
        };
        let mut responses = match stream.open(outgoing).await {
            Ok(responses) => responses,
            Err(end) => return end,
        };
        *live_since = Some(Instant::now());
        stream.session.state.send_replace(ConnectionState::Live);
        match stream.serve(&mut responses).await {
            end @ (End::Closed | End::Reopen) => {
                stream.say_farewell(responses).await;
                end
            }
            end @ End::Failed(_) => end,
        }
    }

    async fn open(&mut self, outgoing: mpsc::Receiver<ReceiveRequest>) -> Result<Streaming<ReceiveResponse>, End> {
        let Session { relay, owners, options, events, .. } = &*self.session;
        let proofs = owners.values().map(|key| relay.inner.prover.prove(key, Operation::OpenMailbox)).collect();
        self.tell(Request::Open(v1::Open {
            proofs,
            max_outstanding_messages: options.max_outstanding_messages,
            max_outstanding_bytes: options.max_outstanding_bytes,
        }));
        let limit = usize::try_from(options.max_outstanding_bytes.saturating_add(BATCH_OVERHEAD)).unwrap_or(usize::MAX);
        // A connection for each stream: after a failure, the old one may be dead without anybody having noticed.
        let mut service =
            MailboxServiceClient::new(relay.inner.dialer.dial()).max_decoding_message_size(limit.max(SMALLEST_LIMIT));
        let opening = async {
            let patience = relay.inner.timeouts.connect + relay.inner.timeouts.answer;
            let mut responses = answer_within(patience, service.receive(ReceiverStream::new(outgoing))).await?;
            let first = timeout(relay.inner.timeouts.answer, responses.message()).await;
            let first = first.map_err(|_| Error::TimedOut)??;
            Ok((responses, first.and_then(|first| first.kind)))
        };
        let opened: Result<_, Error> = tokio::select! {
            opened = opening => opened,
            () = events.closed() => return Err(End::Closed),
        };
        match opened.map_err(End::Failed)? {
            (responses, Some(Response::Opened(opened))) => {
                self.opened(opened).map_err(End::Failed)?;
                Ok(responses)
            }
            (_, Some(Response::Closing(closing))) => Err(End::Failed(closed(closing))),
            _ => Err(End::Failed(Error::Contract("a stream begins with `opened`"))),
        }
    }

    async fn serve(&mut self, responses: &mut Streaming<ReceiveResponse>) -> End {
        self.heard = Instant::now();
        loop {
            if self.session.owners.is_empty() {
                return End::Reopen;
            }
            let (silent_at, flush_at, reopen_at) = (self.heard + self.patience, self.flush_at, self.reopen_at);
            let Session { board, events, commands, .. } = &mut *self.session;
            tokio::select! {
                response = responses.message() => {
                    self.heard = Instant::now();
                    let response = match response {
                        Ok(Some(ReceiveResponse { kind: Some(kind) })) => kind,
                        // A kind that this version does not know.
                        Ok(Some(ReceiveResponse { kind: None })) => continue,
                        Ok(None) => return End::Failed(Error::Unreachable("the stream ended".into())),
                        Err(status) => return End::Failed(status.into()),
                    };
                    match self.handle(response).await {
                        Ok(()) => {}
                        Err(end) => return end,
                    }
                }
                () = board.changed() => self.settle(),
                Some(command) = commands.recv() => self.obey(command),
                () = events.closed() => return End::Closed,
                () = at(flush_at) => self.flush(),
                () = at(reopen_at) => return End::Reopen,
                () = sleep_until(silent_at) => {
                    return End::Failed(Error::Unreachable("the relay fell silent".into()));
                }
            }
        }
    }

    async fn handle(&mut self, response: Response) -> Result<(), End> {
        match response {
            Response::Deliveries(batch) => {
                for delivery in batch.deliveries {
                    self.deliver(delivery).await?;
                }
                Ok(())
            }
            Response::CaughtUp(v1::CaughtUp { mailbox }) => {
                let mailbox = self.mailbox(mailbox)?;
                self.session.board.caught_up(&mailbox);
                self.emit(RawEvent::CaughtUp(mailbox)).await
            }
            Response::Ping(v1::Ping { number }) => {
                self.tell(Request::Pong(v1::Pong { number }));
                Ok(())
            }
            Response::Opened(opened) => self.opened(opened).map_err(End::Failed),
            Response::Closing(closing) => Err(End::Failed(closed(closing))),
            Response::MailboxClosed(v1::MailboxClosed { mailbox, reason }) => {
                self.mailbox_closed(mailbox, reason).await
            }
        }
    }

    async fn deliver(&mut self, delivery: v1::Delivery) -> Result<(), End> {
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

    async fn mailbox_closed(&mut self, number: u32, reason: i32) -> Result<(), End> {
        let mailbox = self.mailbox(number)?;
        self.mailboxes.remove(&number);
        if !self.session.owners.contains_key(&mailbox) {
            return Ok(());
        }
        let reason = Reason::try_from(reason).unwrap_or(Reason::Unspecified);
        self.session.forget(&mailbox);
        self.emit(RawEvent::MailboxClosed { mailbox, reason }).await?;
        if self.session.owners.is_empty() { Err(End::Failed(Error::refused(reason))) } else { Ok(()) }
    }

    fn opened(&mut self, opened: v1::Opened) -> Result<(), Error> {
        for v1::OpenedMailbox { mailbox: number, address, .. } in opened.mailboxes {
            let mailbox = Address::try_from(&*address).map_err(|_| Error::Contract("an address has 32 bytes"))?;
            self.mailboxes.insert(number, mailbox);
        }
        let pings = Duration::from_millis(opened.ping_interval_ms.into());
        self.patience = match pings.saturating_mul(PINGS_MISSED) {
            Duration::ZERO => LONGEST_PATIENCE,
            patience => patience.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE),
        };
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Add(owner) => {
                let address = owner.address();
                let is_open = self.mailboxes.values().any(|open| *open == address);
                let is_known = self.session.owners.contains_key(&address);
                if !(is_open && is_known) {
                    let proof = self.session.relay.inner.prover.prove(&owner, Operation::OpenMailbox);
                    self.tell(Request::Add(v1::Add { proof: Some(proof) }));
                }
                self.session.owners.insert(address, *owner);
            }
            Command::Remove(address) => {
                self.flush();
                let number = self.mailboxes.iter().find(|(_, open)| **open == address).map(|(number, _)| *number);
                if let Some(mailbox) = number {
                    self.tell(Request::Remove(v1::Remove { mailbox }));
                }
                self.session.forget(&address);
            }
        }
    }

    /// Sees what the app has acknowledged or dropped.
    fn settle(&mut self) {
        let Due { messages, bytes } = self.session.board.due();
        let options = self.session.options;
        let is_pressing =
            messages * 2 >= u64::from(options.max_outstanding_messages) || bytes * 2 >= options.max_outstanding_bytes;
        if messages > 0 && is_pressing {
            self.flush();
        } else if messages > 0 {
            self.flush_at.get_or_insert_with(|| Instant::now() + options.acknowledge_delay);
        }
        if self.session.board.has_dropped() {
            self.reopen_at.get_or_insert_with(|| Instant::now() + options.redeliver_after);
        }
    }

    /// Tells the relay what is acknowledged.
    fn flush(&mut self) {
        self.flush_at = None;
        // An acknowledgement that finds no room waits: what is taken from the board must go out.
        while let Ok(room) = self.requests.try_reserve() {
            let Some((address, told)) = self.session.board.take() else { return };
            let number = self.mailboxes.iter().find(|(_, open)| **open == address).map(|(number, _)| *number);
            let Some(mailbox) = number else { continue };
            let ack = v1::Ack { mailbox, up_to: told.up_to, sequences: told.sequences };
            room.send(ReceiveRequest { kind: Some(Request::Ack(ack)) });
        }
        self.flush_at = Some(Instant::now() + self.session.options.acknowledge_delay);
    }

    /// Gives the relay time to take the last acknowledgements.
    async fn say_farewell(mut self, mut responses: Streaming<ReceiveResponse>) {
        self.flush();
        drop(self.requests);
        let rest = async { while let Ok(Some(_)) = responses.message().await {} };
        let _ = timeout(FAREWELL, rest).await;
    }

    fn mailbox(&self, number: u32) -> Result<Address, End> {
        let known = self.mailboxes.get(&number).copied();
        known.ok_or(End::Failed(Error::Contract("a mailbox that is not open on this stream")))
    }

    /// Waits while the app has no room; the relay ends the stream if that takes too long.
    async fn emit(&self, event: RawEvent) -> Result<(), End> {
        self.session.events.send(event).await.map_err(|_| End::Closed)
    }

    fn tell(&self, request: Request) {
        // If there is no room, the relay reads nothing, and will find the stream silent.
        let _ = self.requests.try_send(ReceiveRequest { kind: Some(request) });
    }
}

/// What a relay's last message says.
fn closed(closing: v1::Closing) -> Error {
    let reason = Reason::try_from(closing.reason).unwrap_or(Reason::Unspecified);
    let failure = Failure::new(reason, "");
    match closing.retry_after_ms {
        0 => failure.into(),
        after => failure.retry_after(Duration::from_millis(after.into())).into(),
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}
