//! One stream, from its opening to its end.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod hear;
mod tell;

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use sealpost_core::{Address, Operation};
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::receive_request::Kind as Request;
use sealpost_proto::v1::receive_response::Kind as Response;
use sealpost_proto::v1::{self, ReceiveRequest, ReceiveResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use hear::last_word;

use super::ConnectionState;
use super::session::Session;
use crate::Error;
use crate::retry::answer_within;

/// Requests that may wait for the connection.
const WAITING_REQUESTS: usize = 64;
/// What a batch of deliveries takes beside the envelopes, generously.
const BATCH_OVERHEAD: u64 = 1 << 20;
const SMALLEST_LIMIT: usize = 4 << 20;
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
    /// The other way round.
    numbers: HashMap<Address, u32>,
    /// Mailboxes that the relay was asked for and has not opened yet. It opens no others.
    asked: usize,
    /// How long it may be silent.
    patience: Duration,
    heard: Instant,
    flush_at: Option<Instant>,
    reopen_at: Option<Instant>,
}

impl<'a> Stream<'a> {
    pub(super) async fn run(session: &'a mut Session, live_since: &mut Option<Instant>) -> End {
        let (requests, outgoing) = mpsc::channel(WAITING_REQUESTS);
        let mut stream = Self::new(session, requests);
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

    fn new(session: &'a mut Session, requests: mpsc::Sender<ReceiveRequest>) -> Self {
        session.board.new_stream();
        Self {
            session,
            requests,
            mailboxes: HashMap::new(),
            numbers: HashMap::new(),
            asked: 0,
            // Said by `opened`.
            patience: Duration::ZERO,
            heard: Instant::now(),
            flush_at: None,
            reopen_at: None,
        }
    }

    async fn open(&mut self, outgoing: mpsc::Receiver<ReceiveRequest>) -> Result<Streaming<ReceiveResponse>, End> {
        self.session.asked = self.session.owners.keys().copied().collect();
        self.asked = self.session.asked.len();
        let Session { relay, owners, asked, options, events, .. } = &*self.session;
        let keys = asked.iter().filter_map(|address| owners.get(address));
        let proofs = keys.map(|key| relay.inner.prover.prove(key, Operation::OpenMailbox)).collect();
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
            let patience = relay.inner.timeouts.connect.saturating_add(relay.inner.timeouts.answer);
            let mut responses = answer_within(patience, service.receive(ReceiverStream::new(outgoing))).await?;
            let first = timeout(relay.inner.timeouts.answer, responses.message()).await;
            let first = first.map_err(|_| Error::TimedOut)??;
            Ok((responses, first.and_then(|first| first.kind)))
        };
        let opened: Result<_, Error> = tokio::select! {
            opened = opening => opened,
            () = events.closed() => return Err(End::Closed),
        };
        let (mut responses, first) = opened.map_err(End::Failed)?;
        self.begin(first, &mut responses).await?;
        Ok(responses)
    }

    /// What the relay says first.
    async fn begin(&mut self, first: Option<Response>, responses: &mut Streaming<ReceiveResponse>) -> Result<(), End> {
        match first {
            Some(Response::Opened(opened)) => self.opened(opened).map_err(End::Failed),
            Some(Response::Closing(closing)) => Err(End::Failed(last_word(closing, responses).await)),
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
                    match self.handle(response, responses).await {
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
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => pending().await,
    }
}
