//! A connection over TLS that keeps no buffers while nothing happens.
//!
//! Most connections wait most of the time. So what is read and written goes through buffers that all connections of a
//! thread share, within one poll, and only what cannot be finished then is kept ([`Records`]).

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::records::{LONGEST_RECORD, MOST_SEALED, Records, SEALED_ROOM};
use crate::edge::handshakes::Seat;
use crate::telemetry::{KeyExchange, Session};

/// The server's side of a TLS connection.
///
/// As with any buffered writer, what was written is on its way only when it has been flushed. It takes no more while
/// the socket has not taken what was written before.
pub(in crate::edge) struct TlsStream<S> {
    socket: S,
    records: Records,
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// Shakes hands with a client. Keys are worked out when it is this handshake's turn.
    ///
    /// # Errors
    /// Where the client goes away, or no TLS comes about; it has been told why, then.
    pub(in crate::edge) async fn accept(socket: S, config: Arc<ServerConfig>, seat: &Seat) -> io::Result<Self> {
        let mut stream = Self { socket, records: Records::new(config)? };
        while stream.records.is_handshaking() {
            poll_fn(|context| stream.poll_receive(context, |records, came| records.keep(came))).await?;
            {
                let _turn = if stream.records.works_out_keys() { Some(seat.turn().await) } else { None };
                stream.records.open_kept(&mut ReadBuf::new(&mut []));
            }
            let sent = poll_fn(|context| stream.poll_sent(context)).await;
            stream.records.check()?;
            sent?;
        }
        Ok(stream)
    }

    /// By which group keys were agreed upon.
    pub(in crate::edge) fn key_exchange(&self) -> KeyExchange {
        self.records.key_exchange()
    }

    /// Whether the session is new.
    pub(in crate::edge) fn session(&self) -> Session {
        self.records.session()
    }

    /// Reads from the socket once.
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&mut Records, &mut [u8]),
    ) -> Poll<io::Result<()>> {
        with_scratch(|scratch| {
            let room = self.records.room();
            let mut came = ReadBuf::new(scratch.received.get_mut(..room).unwrap_or_default());
            ready!(Pin::new(&mut self.socket).poll_read(context, &mut came))?;
            if came.filled().is_empty() {
                // Anybody on the way could have cut it there.
                let why = "the peer went away without an end of TLS";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
            }
            take(&mut self.records, came.filled_mut());
            Poll::Ready(Ok(()))
        })
    }

    /// Waits until the socket has taken everything, and sent it.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(context))?;
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Waits until the socket has taken everything.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.records.unsent.is_empty() {
            let sent = ready!(Pin::new(&mut self.socket).poll_write(context, &self.records.unsent))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.records.sent(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Seals plaintext and writes it to the socket once. What that does not take is kept.
    fn seal_and_write(&mut self, context: &mut Context<'_>, plaintext: &[u8], sealed: &mut [u8]) -> io::Result<()> {
        let length = self.records.seal(plaintext, sealed)?;
        let sealed = sealed.get(..length).unwrap_or_default();
        let sent = match Pin::new(&mut self.socket).poll_write(context, sealed) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(sent) => sent?,
            Poll::Pending => 0,
        };
        self.records.unsent.extend_from_slice(sealed.get(sent..).unwrap_or_default());
        Ok(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            this.records.read(buffer);
            if buffer.filled().len() > before || buffer.remaining() == 0 || this.records.peer_closed() {
                return Poll::Ready(Ok(()));
            }
            this.records.check()?;
            ready!(this.poll_receive(context, |records, came| records.open(came, buffer)))?;
            if this.records.check().is_err() {
                // An alert goes out if it can at once. Nothing else is written here: it would take the place of the
                // writer's waker.
                let _ = this.poll_send(context);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        let taken = bytes.get(..MOST_SEALED).unwrap_or(bytes);
        if !taken.is_empty() {
            with_scratch(|scratch| this.seal_and_write(context, taken, &mut scratch.sealed))?;
        }
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut some = pieces.iter().filter(|piece| !piece.is_empty());
        let (first, second) = (some.next(), some.next());
        let (Some(_), Some(_)) = (first, second) else {
            return self.as_mut().poll_write(context, first.map_or(&[][..], |piece| piece));
        };
        let this = self.get_mut();
        ready!(this.poll_send(context))?;
        with_scratch(|scratch| {
            // Together, for many small records cost more than a copy.
            let gathered = gather(pieces, &mut scratch.gathered);
            this.seal_and_write(context, gathered, &mut scratch.sealed)?;
            Poll::Ready(Ok(gathered.len()))
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.records.check()?;
        this.poll_sent(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.records.close();
        ready!(this.poll_send(context))?;
        match ready!(Pin::new(&mut this.socket).poll_shutdown(context)) {
            // The peer was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            outcome => Poll::Ready(outcome),
        }
    }
}

/// What a thread's connections share. Nothing in it outlives a poll.
struct Scratch {
    received: Vec<u8>,
    gathered: Vec<u8>,
    sealed: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

impl Default for Scratch {
    fn default() -> Self {
        Self { received: vec![0; LONGEST_RECORD], gathered: vec![0; MOST_SEALED], sealed: vec![0; SEALED_ROOM] }
    }
}

fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    let mut scratch = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
    let outcome = work(&mut scratch);
    // A thread that ends keeps none.
    let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    outcome
}

/// Copies as much as fits, and returns it.
fn gather<'a>(pieces: &[io::IoSlice<'_>], into: &'a mut [u8]) -> &'a [u8] {
    let mut length = 0;
    for piece in pieces {
        let room = into.get_mut(length..).unwrap_or_default();
        let fits = piece.len().min(room.len());
        if let (Some(room), Some(piece)) = (room.get_mut(..fits), piece.get(..fits)) {
            room.copy_from_slice(piece);
        }
        length += fits;
    }
    into.get(..length).unwrap_or_default()
}

#[cfg(test)]
mod tests;
