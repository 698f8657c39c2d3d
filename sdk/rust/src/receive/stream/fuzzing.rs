//! What holds for anything that a relay says on a stream.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use http_body::{Body, Frame};
use sealpost_core::{Address, IdentityKey};
use sealpost_proto::codec::Codec;
use sealpost_proto::v1::receive_request::Kind as Request;
use sealpost_proto::v1::{ReceiveRequest, ReceiveResponse};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tonic::codec::Codec as _;
use tonic::codegen::Bytes;
use tonic::codegen::http::{HeaderMap, StatusCode};
use tonic::{Status, Streaming};

use super::super::board::Board;
use super::super::session::Session;
use super::super::{ConnectionState, Delivery, RawEvent, StreamOptions};
use super::{End, Stream, WAITING_REQUESTS};
use crate::fuzzing::{piece, status};
use crate::{Relay, RelayOptions, Trust};

/// What two mailboxes' owner hears on a stream: the status at its end, and before it messages, each behind a byte for its
/// length. The stream ends; no envelope is shown twice while the app has it; nothing is acknowledged for the app, and no
/// more mailboxes are known than were asked for.
pub(crate) fn received(bytes: &[u8]) {
    let Some(relay) = &*RELAY else { return };
    let (last, mut rest) = status(bytes);
    let mut body = Vec::new();
    while let Some((message, after)) = piece(rest) {
        body.extend([0, 0, 0, 0, u8::try_from(message.len()).unwrap_or_default()]);
        body.extend_from_slice(message);
        rest = after;
    }
    let decoder = Codec::<ReceiveRequest, ReceiveResponse>::default().decoder();
    let mut responses = Streaming::new_response(decoder, Said::new(body, &last), StatusCode::OK, None, None);

    let (events, mut shown) = mpsc::channel(ROOM);
    let (_commands, commands) = mpsc::channel(1);
    let mut session = Session {
        relay: relay.clone(),
        owners: OWNERS.clone(),
        asked: Vec::new(),
        options: StreamOptions { max_outstanding_messages: 4, ..StreamOptions::default() },
        board: Arc::new(Board::default()),
        events,
        commands,
        state: watch::Sender::new(ConnectionState::Connecting),
    };
    let known: BTreeSet<Address> = session.owners.keys().copied().collect();
    let (requests, mut told) = mpsc::channel(WAITING_REQUESTS);
    let mut stream = Stream::new(&mut session, requests);
    let mut app = App { known, held: Vec::new(), done: BTreeSet::new() };

    RUNTIME.with(|runtime| {
        let Some(runtime) = &**runtime else { return };
        runtime.block_on(async {
            let served = serve(&mut stream, &mut responses);
            tokio::pin!(served);
            let end = loop {
                tokio::select! {
                    biased;
                    end = &mut served => break end,
                    Some(event) = shown.recv() => app.take(event),
                    Some(request) = told.recv() => app.check(request),
                }
            };
            assert!(!matches!(end, End::Closed), "nobody closed it");
        });
    });
    assert!(stream.mailboxes.len() <= app.known.len() && stream.numbers.len() <= app.known.len());
    while let Ok(event) = shown.try_recv() {
        app.take(event);
    }
    while let Ok(request) = told.try_recv() {
        app.check(request);
    }
    stream.flush();
    while let Ok(request) = told.try_recv() {
        app.check(request);
    }
}

/// From the first message to the end, as [`Stream::run`] does it.
async fn serve(stream: &mut Stream<'_>, responses: &mut Streaming<ReceiveResponse>) -> End {
    // What it asks for needs signatures, which take longer than all the rest.
    stream.asked = stream.session.owners.len();
    let first = match responses.message().await {
        Ok(first) => first.and_then(|first| first.kind),
        Err(status) => return End::Failed(status.into()),
    };
    match stream.begin(first, responses).await {
        Ok(()) => stream.serve(responses).await,
        Err(end) => end,
    }
}

/// Acknowledges two thirds of what comes, and lets half of the rest go.
struct App {
    known: BTreeSet<Address>,
    held: Vec<Delivery>,
    /// The numbers of what was acknowledged.
    done: BTreeSet<u64>,
}

impl App {
    fn take(&mut self, event: RawEvent) {
        match event {
            RawEvent::Delivery(delivery) => {
                assert!(self.known.contains(&delivery.mailbox));
                let Some(sequence) = delivery.sequence.map(|sequence| sequence.get()) else { return };
                let is_here =
                    self.held.iter().any(|it| (it.mailbox, it.sequence) == (delivery.mailbox, delivery.sequence));
                assert!(!is_here, "the app has it");
                match sequence % 6 {
                    0 => self.held.push(delivery),
                    1 => drop(delivery),
                    _ => {
                        self.done.insert(sequence);
                        let acknowledged = delivery.acknowledge();
                        assert!(acknowledged.is_ok());
                    }
                }
            }
            RawEvent::CaughtUp(mailbox) | RawEvent::MailboxClosed { mailbox, .. } => {
                assert!(self.known.contains(&mailbox));
            }
        }
    }

    fn check(&self, request: ReceiveRequest) {
        let Some(Request::Ack(ack)) = request.kind else { return };
        assert!(ack.up_to != 0 || !ack.sequences.is_empty(), "it says nothing");
        assert!(ack.up_to == 0 || self.done.contains(&ack.up_to));
        assert!(ack.sequences.iter().all(|sequence| self.done.contains(sequence)));
    }
}

/// A body with the status behind it.
struct Said {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Said {
    fn new(body: Vec<u8>, last: &Status) -> Self {
        let mut trailers = HeaderMap::new();
        let added = last.add_header(&mut trailers);
        Self { data: Some(body.into()), trailers: added.is_ok().then_some(trailers) }
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}

/// Fewer than may come.
const ROOM: usize = 8;

static RELAY: LazyLock<Option<Relay>> = LazyLock::new(|| {
    let options = RelayOptions::from_url("http://localhost").ok()?;
    Relay::connect(options.trust(Trust::Plaintext)).ok()
});

static OWNERS: LazyLock<HashMap<Address, IdentityKey>> = LazyLock::new(|| {
    let keys = [1, 2].map(|seed| IdentityKey::from_seed([seed; 32]));
    keys.into_iter().map(|key| (key.address(), key)).collect()
});

thread_local! {
    static RUNTIME: LazyCell<Option<Runtime>> = LazyCell::new(|| Builder::new_current_thread().enable_time().build().ok());
}
