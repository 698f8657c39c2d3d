//! The TLS of one connection: bytes to plaintext and back, without a socket.
//!
//! It is rustls' unbuffered connection, which keeps no bytes of its own, and the three things that may have to wait
//! between two calls. Each is bounded and gives its memory back when it is empty, as it is while nothing happens.

use std::io;
use std::mem;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};
use rustls::{Error, HandshakeKind, NamedGroup, ServerConfig};
use tokio::io::ReadBuf;

use crate::telemetry::{KeyExchange, Session};

/// A connection's TLS.
pub(super) struct Records {
    connection: Box<UnbufferedServerConnection>,
    /// What came of a record or of a handshake's message that is not whole yet.
    partial: BytesMut,
    /// Plaintext that the reader had no room for: at most what one call takes in.
    unread: BytesMut,
    /// Records that the socket did not take: at most those of one [`seal`](Records::seal), and alerts.
    pub(super) unsent: BytesMut,
    /// Why nothing works any more.
    failed: Option<Error>,
    peer_closed: bool,
    closed: bool,
}

/// The longest record there is: a header, 16 KiB and what encryption may add.
pub(super) const LONGEST_RECORD: usize = 5 + 16 * 1024 + 2048;
/// Plaintext that is sealed at once: four records.
pub(super) const MOST_SEALED: usize = 64 * 1024;
/// Room for that, sealed, and for a message about keys before it.
pub(super) const SEALED_ROOM: usize = MOST_SEALED + 1024;
/// The longest message of a handshake, which may be in several records: a chain of certificates.
const LONGEST_MESSAGE: usize = 64 * 1024;
/// Room for a close_notify, and for a message about keys before it.
const CLOSE_ROOM: usize = 256;

impl Records {
    pub(super) fn new(config: Arc<ServerConfig>) -> io::Result<Self> {
        Ok(Self {
            connection: Box::new(UnbufferedServerConnection::new(config).map_err(broken)?),
            partial: BytesMut::new(),
            unread: BytesMut::new(),
            unsent: BytesMut::new(),
            failed: None,
            peer_closed: false,
            closed: false,
        })
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the next step may be the one that works out keys, which costs more than all others.
    pub(super) fn works_out_keys(&self) -> bool {
        self.connection.negotiated_key_exchange_group().is_none()
    }

    /// By which group keys were agreed upon.
    pub(super) fn key_exchange(&self) -> KeyExchange {
        match self.connection.negotiated_key_exchange_group().map(|group| group.name()) {
            Some(NamedGroup::X25519MLKEM768) => KeyExchange::X25519MlKem768,
            Some(NamedGroup::X25519) => KeyExchange::X25519,
            Some(NamedGroup::secp256r1) => KeyExchange::Secp256r1,
            Some(NamedGroup::secp384r1) => KeyExchange::Secp384r1,
            _ => KeyExchange::Other,
        }
    }

    /// Whether the session is new.
    pub(super) fn session(&self) -> Session {
        match self.connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => Session::Resumed,
            Some(HandshakeKind::FullWithHelloRetryRequest) => Session::Retried,
            _ => Session::Full,
        }
    }

    /// Whether the peer said that no more will come from it.
    pub(super) fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// # Errors
    /// Where the connection has failed.
    pub(super) fn check(&self) -> io::Result<()> {
        self.failed.clone().map_or(Ok(()), |why| Err(broken(why)))
    }

    /// How many more bytes may be taken in now.
    pub(super) fn room(&self) -> usize {
        self.most_partial().saturating_sub(self.partial.len()).min(LONGEST_RECORD)
    }

    /// Keeps what came, for [`open_kept`](Records::open_kept).
    pub(super) fn keep(&mut self, came: &[u8]) {
        self.partial.extend_from_slice(came);
    }

    /// Opens what came: plaintext into the reader's buffer, and what does not fit there is kept. It may put an alert
    /// into `unsent`, also where the connection fails.
    pub(super) fn open(&mut self, came: &mut [u8], reader: &mut ReadBuf<'_>) {
        if self.partial.is_empty() {
            let used = self.process(came, reader);
            self.keep(came.get(used..).unwrap_or_default());
            self.limit_partial();
        } else {
            self.keep(came);
            self.open_kept(reader);
        }
    }

    /// The same, of what was kept.
    pub(super) fn open_kept(&mut self, reader: &mut ReadBuf<'_>) {
        let mut kept = mem::take(&mut self.partial);
        let used = self.process(&mut kept, reader);
        consume(&mut kept, used);
        self.partial = kept;
        self.limit_partial();
    }

    /// Moves plaintext that was kept into the reader's buffer.
    pub(super) fn read(&mut self, reader: &mut ReadBuf<'_>) {
        let fits = self.unread.len().min(reader.remaining());
        reader.put_slice(self.unread.get(..fits).unwrap_or_default());
        consume(&mut self.unread, fits);
    }

    /// Seals at most [`MOST_SEALED`] bytes of plaintext into at least [`SEALED_ROOM`], and says how long they are there.
    ///
    /// # Errors
    /// Where the connection has failed or is closed.
    pub(super) fn seal(&mut self, plaintext: &[u8], sealed: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // What is kept is not whole, so this only asks for leave to write.
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut self.partial);
        let outcome = match state {
            // The keys may have been used as often as is safe, and TLS 1.2 has no way to other ones.
            Ok(ConnectionState::WriteTraffic(mut writer)) => {
                writer.encrypt(plaintext, sealed).map_err(|_| Error::EncryptError)
            }
            Ok(_) => Err(Error::HandshakeNotComplete),
            Err(why) => Err(why),
        };
        outcome.or_else(|why| {
            self.fail(why);
            self.check().map(|()| 0)
        })
    }

    /// Sees to it that the peer is told that no more will come: in `unsent`.
    pub(super) fn close(&mut self) {
        if mem::replace(&mut self.closed, true) || self.failed.is_some() {
            return;
        }
        let mut notice = [0; CLOSE_ROOM];
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut self.partial);
        if let Ok(ConnectionState::WriteTraffic(mut writer)) = state
            && let Ok(length) = writer.queue_close_notify(&mut notice)
        {
            self.unsent.extend_from_slice(notice.get(..length).unwrap_or_default());
        }
    }

    /// Says that the socket took so much of `unsent`.
    pub(super) fn sent(&mut self, length: usize) {
        consume(&mut self.unsent, length);
    }

    /// Goes on until more bytes are needed, and says how many have been used up.
    fn process(&mut self, bytes: &mut [u8], reader: &mut ReadBuf<'_>) -> usize {
        let mut used = 0;
        loop {
            let rest = bytes.get_mut(used..).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(rest);
            used += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(Ok(record)) = traffic.next_record() {
                        used += record.discard;
                        let fits = record.payload.len().min(reader.remaining());
                        let (now, later) = record.payload.split_at_checked(fits).unwrap_or_default();
                        reader.put_slice(now);
                        self.unread.extend_from_slice(later);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.unsent),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => return used,
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.peer_closed = true;
                    // What came after that is nobody's word.
                    return bytes.len();
                }
                // Early data, which is never granted, or what this version of the library does not have.
                Ok(_) => self.fail(Error::HandshakeNotComplete),
                Err(why) => self.fail(why),
            }
            if self.failed.is_some() {
                return bytes.len();
            }
        }
    }

    /// The connection is over, and the alert that says so to the peer goes into `unsent`.
    fn fail(&mut self, why: Error) {
        self.failed = Some(why);
        while self.connection.wants_write() {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => encode(&mut data, &mut self.unsent),
                _ => return,
            }
        }
    }

    /// Who sends more than can be opened when it is whole gets no further.
    fn limit_partial(&mut self) {
        if self.partial.len() >= self.most_partial() {
            self.partial = BytesMut::new();
            self.fail(Error::PeerSentOversizedRecord);
        }
    }

    fn most_partial(&self) -> usize {
        if self.is_handshaking() { LONGEST_MESSAGE } else { LONGEST_RECORD }
    }
}

fn encode(data: &mut EncodeTlsData<'_, ServerConnectionData>, unsent: &mut BytesMut) {
    // Without room it says how much it needs.
    if let Err(EncodeError::InsufficientSize(size)) = data.encode(&mut []) {
        let begin = unsent.len();
        unsent.resize(begin + size.required_size, 0);
        let written = data.encode(unsent.get_mut(begin..).unwrap_or_default()).unwrap_or_default();
        unsent.truncate(begin + written);
    }
}

/// Removes what was used, and with the last of it the memory.
fn consume(buffer: &mut BytesMut, length: usize) {
    buffer.advance(length.min(buffer.len()));
    if buffer.is_empty() {
        *buffer = BytesMut::new();
    }
}

fn broken(why: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
impl Records {
    /// Bytes of memory that are held for what waits.
    pub(super) fn held(&self) -> usize {
        self.partial.capacity() + self.unread.capacity() + self.unsent.capacity()
    }
}
