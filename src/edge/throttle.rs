//! A connection that is read no faster than it is granted.
//!
//! Who sends more is not cut off: its bytes wait in the kernel, which tells the peer's kernel to wait (TCP flow control).
//! So floods of any kind of frame cost what their bytes are worth, and no more.

use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes may come in a burst of a second's worth.
pub(super) struct Throttle<S> {
    socket: S,
    granted: Option<Box<Granted>>,
}

const SECOND: Duration = Duration::from_secs(1);

struct Granted {
    limiter: DefaultDirectRateLimiter,
    /// Runs while nothing may be read, until these bytes, which were read, are granted.
    pause: Option<(Pin<Box<Sleep>>, NonZeroU32)>,
}

impl<S> Throttle<S> {
    /// Grants so many bytes a second; `None`: any number.
    pub(super) fn new(socket: S, bytes_per_second: Option<NonZeroU32>) -> Self {
        let granted = bytes_per_second
            .map(|bytes| Box::new(Granted { limiter: RateLimiter::direct(Quota::per_second(bytes)), pause: None }));
        Self { socket, granted }
    }
}

impl Granted {
    /// Waits until what was read is granted.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while let Some((pause, owed)) = &mut self.pause {
            let owed = *owed;
            ready!(pause.as_mut().poll(context));
            self.pause = None;
            self.took(owed);
        }
        Poll::Ready(())
    }

    fn took(&mut self, bytes: NonZeroU32) {
        match self.limiter.check_n(bytes) {
            Ok(Ok(())) => {}
            Ok(Err(too_soon)) => {
                let wait = too_soon.wait_time_from(DefaultClock::default().now());
                self.pause = Some((Box::pin(tokio::time::sleep(wait)), bytes));
            }
            // More than all that is granted in a second, at once: it costs a second.
            Err(_) => self.pause = Some((Box::pin(tokio::time::sleep(SECOND)), NonZeroU32::MIN)),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Throttle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(granted) = &mut this.granted else { return Pin::new(&mut this.socket).poll_read(context, buffer) };
        ready!(granted.poll_ready(context));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(context, buffer))?;
        let read = u32::try_from(buffer.filled().len() - before).unwrap_or(u32::MAX);
        if let Some(read) = NonZeroU32::new(read) {
            granted.took(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Throttle<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn no_more_is_read_than_is_granted() {
        let (mut ours, theirs) = tokio::io::duplex(1024 * 1024);
        ours.write_all(&[7; 300_000]).await.expect("it fits");
        let begin = std::time::Instant::now();
        let mut throttled = Throttle::new(theirs, NonZeroU32::new(100_000));
        let mut bytes = vec![0; 10_000];
        for _ in 0..12 {
            throttled.read_exact(&mut bytes).await.expect("it is there");
        }
        // A burst of a second's worth, and a read that nobody could foresee; the rest has its price.
        assert!(begin.elapsed() >= Duration::from_millis(90), "{:?}", begin.elapsed());
    }

    #[tokio::test]
    async fn without_a_grant_nothing_waits() {
        let (mut ours, theirs) = tokio::io::duplex(1024 * 1024);
        ours.write_all(&[7; 1000]).await.expect("it fits");
        let mut bytes = vec![0; 1000];
        Throttle::new(theirs, None).read_exact(&mut bytes).await.expect("it is there");
        assert_eq!(bytes, [7; 1000]);
    }
}
