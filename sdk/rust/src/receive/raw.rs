//! Envelopes as they come, unopened.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sealpost_core::{Address, IdentityKey, Sequence};
use sealpost_proto::Reason;
use tokio::sync::{mpsc, watch};

use super::board::{Board, Token};
use super::session::{self, Command};
use super::{ConnectionState, StreamOptions};
use crate::{Error, Relay};

/// Envelopes of one or more mailboxes, in order for each, at least once. Made by [`Relay::receive_raw`].
///
/// Dropped, it sends the acknowledgements that are waiting and ends the stream; [`RawInbox::close`] waits for that.
pub struct RawInbox {
    events: mpsc::Receiver<RawEvent>,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<ConnectionState>,
}

/// What a stream brings.
#[derive(Debug)]
#[non_exhaustive]
pub enum RawEvent {
    /// An envelope.
    Delivery(Delivery),
    /// Everything that was accepted before this mailbox was opened has been delivered. Comes again after a reconnect.
    CaughtUp(Address),
    /// This mailbox is open no more; the others go on.
    MailboxClosed {
        /// Which one.
        mailbox: Address,
        /// Why: `DISPLACED`, `MAILBOX_DELETED` or `MAILBOX_UNKNOWN`.
        reason: Reason,
    },
}

/// One envelope. Dropped without [`Delivery::acknowledge`], it comes again.
pub struct Delivery {
    /// The mailbox that it came to.
    pub mailbox: Address,
    /// Its number there; `None` for an ephemeral one, which nothing acknowledges.
    pub sequence: Option<Sequence>,
    /// The sealed bytes.
    pub envelope: Bytes,
    pub(super) token: Option<Token>,
}

/// Room for what no credit covers: markers, ephemeral envelopes, envelopes of an earlier stream.
const SPARE_ROOM: usize = 1_024;
const WAITING_COMMANDS: usize = 16;

impl RawInbox {
    pub(super) fn open(relay: &Relay, owners: impl IntoIterator<Item = IdentityKey>, options: StreamOptions) -> Self {
        let room = usize::try_from(options.max_outstanding_messages).unwrap_or(usize::MAX).min(100_000);
        let (to_events, events) = mpsc::channel(room + SPARE_ROOM);
        let (commands, from_commands) = mpsc::channel(WAITING_COMMANDS);
        let (to_state, state) = watch::channel(ConnectionState::Connecting);
        let owners = owners.into_iter().map(|key| (key.address(), key)).collect();
        let board = Arc::new(Board::default());
        let session = session::Session {
            relay: relay.clone(),
            owners,
            asked: Vec::new(),
            options,
            board,
            events: to_events,
            commands: from_commands,
            state: to_state,
        };
        tokio::spawn(session.run());
        Self { events, commands, state }
    }

    /// The next event; `None` once the stream has ended for good (see [`RawInbox::state`] for why). Nothing is lost if
    /// the future is dropped.
    pub async fn next(&mut self) -> Option<RawEvent> {
        self.events.recv().await
    }

    /// How the connection is doing.
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Opens one more mailbox on this stream.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn add(&self, owner: IdentityKey) -> Result<(), Error> {
        self.commands.send(Command::Add(Box::new(owner))).await.map_err(|_| Error::Closed)
    }

    /// Closes one mailbox of this stream. Nothing is lost.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn remove(&self, mailbox: Address) -> Result<(), Error> {
        self.commands.send(Command::Remove(mailbox)).await.map_err(|_| Error::Closed)
    }

    /// Sends the acknowledgements that are waiting, and ends the stream.
    pub async fn close(mut self) {
        self.events.close();
        // The session ends within the time that it grants the relay for its last word.
        let _ = self.state.wait_for(ConnectionState::is_closed).await;
    }
}

impl Delivery {
    /// The app has it safely: the relay forgets it.
    ///
    /// # Errors
    /// [`Error::Closed`] if the inbox was closed before: the envelope comes again to the next one.
    pub fn acknowledge(mut self) -> Result<(), Error> {
        self.token.take().map_or(Ok(()), Token::acknowledge)
    }
}

impl fmt::Debug for RawInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawInbox").field("state", &self.state).finish_non_exhaustive()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
