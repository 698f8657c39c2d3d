//! One connection, shared by many callers.
//!
//! A caller writes its commands into the buffer that goes out next, and waits. One task drives the socket: it takes
//! everything that has gathered, writes it at once, and hands answers out in order; while the server is busy with the
//! last two of these, commands gather. So a lone command leaves immediately, and under load pipelines form by
//! themselves. A server that is silent for too long ends the
//! connection: none is trusted again that has been.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use redis::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;
use tokio_util::sync::CancellationToken;

use super::command::{KEPT, Out, Outbox};
use super::reply::{self, Malformed, Note, Said, Scanner};
use crate::store::StoreError;
use crate::telemetry::{Histogram, StoreMetrics};

/// A connection. It closes when this is dropped and all that was asked has been answered.
pub(crate) struct Link {
    shared: Arc<Shared>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It was never sent.
    Unsent(StoreError),
    /// It may or may not have happened.
    Unknown(StoreError),
    /// It has happened, but too few replicas said in time that they have it.
    Unconfirmed(StoreError),
}

impl Fault {
    /// What failed, whatever it means for what was asked.
    pub(crate) fn error(self) -> StoreError {
        match self {
            Self::Unsent(error) | Self::Unknown(error) | Self::Unconfirmed(error) => error,
        }
    }
}

/// Whether calls are answered only when replicas have what they wrote (`WAIT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Confirm {
    /// So many.
    pub(crate) replicas: u32,
    /// How long they may take.
    pub(crate) within: Duration,
}

/// Hears what comes without having been asked for. It must not wait.
pub(crate) trait Hear: Send + Sync + 'static {
    /// Something was published.
    fn published(&self, channel: &[u8], payload: &[u8]);

    /// A subscription has ended; true if that was asked for, so that this is the answer.
    fn unsubscribed(&self, channel: &[u8]) -> bool;
}

/// KiB of commands that may be on their way or wait for it. Callers wait for room.
const ROOM: u32 = 8 * 1024;
/// Bytes read at once, at least.
const READ: usize = 32 * 1024;
/// What may be on its way, by the times at which it left. While so much is, commands gather: a server that is busy gets
/// fewer and larger pieces, one of which it always has; and a lone command does not wait. Where replicas must confirm, it
/// is one: `WAIT` holds up what is behind it.
const FLIGHTS: usize = 2;
/// Reads before others get a turn.
const READS: usize = 32;

struct Shared {
    queue: Mutex<Queue>,
    driver: AtomicWaker,
    room: Semaphore,
    over: CancellationToken,
}

/// What goes out next.
#[derive(Default)]
struct Queue {
    outbox: Outbox,
    calls: Vec<Call>,
    /// Nothing goes out any more.
    closed: bool,
    /// Nobody asks any more.
    dropped: bool,
}

struct Call {
    answers: usize,
    values: Vec<Value>,
    done: oneshot::Sender<Result<Vec<Value>, Fault>>,
    room: u32,
    /// Who wants to know when it left.
    left: Option<Arc<OnceLock<std::time::Instant>>>,
}

impl Call {
    fn finish(self, outcome: Result<(), Fault>) {
        // Who gave up waiting needs no answer.
        let _ = self.done.send(outcome.map(|()| self.values));
    }
}

impl Link {
    /// Takes a connected socket over; `joins` says whether calls of scripts may become one.
    pub(super) fn start<S>(
        stream: S,
        timeout: Duration,
        joins: bool,
        confirm: Option<Confirm>,
        hear: Option<Arc<dyn Hear>>,
        metrics: &StoreMetrics,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { outbox: Outbox::new(joins), ..Queue::default() }),
            driver: AtomicWaker::new(),
            room: Semaphore::new(ROOM as usize),
            over: CancellationToken::new(),
        });
        let mut driver = Driver {
            stream,
            shared: shared.clone(),
            timeout,
            confirm,
            hear,
            writing: Vec::new(),
            written: 0,
            unflushed: false,
            reading: BytesMut::new(),
            scanner: Scanner::default(),
            sent: VecDeque::new(),
            flights: VecDeque::with_capacity(FLIGHTS),
            calls: VecDeque::new(),
            answered: Vec::new(),
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            ticking: false,
            batch: metrics.batch.clone(),
            round_trip: metrics.round_trip.clone(),
        };
        tokio::spawn(async move {
            let end = poll_fn(|context| driver.poll(context)).await;
            driver.close(end);
        });
        Self { shared }
    }

    /// Sends commands, and gives an answer for each; an answer may be [`Value::ServerError`]. `size` is about how many
    /// bytes they have.
    ///
    /// # Errors
    /// Where there will be no answers.
    pub(crate) async fn call(&self, size: usize, write: impl FnOnce(&mut Out<'_>)) -> Result<Vec<Value>, Fault> {
        self.call_and_note(size, None, write).await
    }

    /// The same; it is noted in `left` when they leave.
    ///
    /// # Errors
    /// Where there will be no answers.
    pub(crate) async fn call_noting(
        &self,
        size: usize,
        left: Arc<OnceLock<std::time::Instant>>,
        write: impl FnOnce(&mut Out<'_>),
    ) -> Result<Vec<Value>, Fault> {
        self.call_and_note(size, Some(left), write).await
    }

    async fn call_and_note(
        &self,
        size: usize,
        left: Option<Arc<OnceLock<std::time::Instant>>>,
        write: impl FnOnce(&mut Out<'_>),
    ) -> Result<Vec<Value>, Fault> {
        const CLOSED: Fault = Fault::Unsent(StoreError::Unavailable("the connection to Redis broke"));
        let room = u32::try_from(size / 1024).unwrap_or(ROOM).saturating_add(1).min(ROOM);
        // Comes back when the call is answered, also if nobody waits for that any more.
        self.shared.room.acquire_many(room).await.map_err(|_| CLOSED)?.forget();
        let (done, answer) = oneshot::channel();
        {
            let mut queue = self.shared.queue.lock();
            if queue.closed {
                return Err(CLOSED);
            }
            let first = queue.outbox.is_empty();
            let mut out = Out::new(&mut queue.outbox);
            write(&mut out);
            let answers = out.commands();
            if answers == 0 {
                self.shared.room.add_permits(room as usize);
                return Ok(Vec::new());
            }
            queue.calls.push(Call { answers, values: Vec::with_capacity(answers), done, room, left });
            drop(queue);
            if first {
                self.shared.driver.wake();
            }
        }
        answer.await.unwrap_or(Err(Fault::Unknown(StoreError::Unavailable("the connection to Redis broke"))))
    }

    /// One command, whose answer is no error of the server's.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) async fn ask(&self, words: &[&str]) -> Result<Value, Fault> {
        let size = words.iter().map(|word| word.len() + 8).sum();
        let mut answers = self.call(size, |out| out.words(words)).await?;
        Ok(answers.pop().unwrap_or(Value::Nil))
    }

    /// Waits until the connection is over.
    pub(crate) async fn over(&self) {
        self.shared.over.cancelled().await;
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.queue.lock().dropped = true;
        self.shared.driver.wake();
    }
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Dropped,
    Broken,
    Silent,
    Nonsense,
}

impl From<Malformed> for End {
    fn from(Malformed: Malformed) -> Self {
        Self::Nonsense
    }
}

/// What there will be one answer to.
enum Sent {
    /// So many commands.
    Commands(u16),
    /// The question whether the replicas have all before it.
    Confirmation,
}

/// What left together, and when.
struct Flight {
    /// Answers that are still to come.
    unanswered: usize,
    at: Instant,
}

struct Driver<S> {
    stream: S,
    shared: Arc<Shared>,
    timeout: Duration,
    confirm: Option<Confirm>,
    hear: Option<Arc<dyn Hear>>,
    writing: Vec<u8>,
    written: usize,
    unflushed: bool,
    reading: BytesMut,
    scanner: Scanner,
    sent: VecDeque<Sent>,
    flights: VecDeque<Flight>,
    /// Whose commands they are, in their order.
    calls: VecDeque<Call>,
    /// Answered, but not yet confirmed.
    answered: Vec<Call>,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer is set.
    ticking: bool,
    batch: Histogram,
    round_trip: Histogram,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        self.shared.driver.register(context.waker());
        match self.turn(context) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does what can be done without waiting.
    fn turn(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        for _ in 0..READS {
            self.take()?;
            self.write(context)?;
            if !self.read(context)? {
                return self.keep_time(context);
            }
        }
        context.waker().wake_by_ref();
        self.keep_time(context)
    }

    /// Takes what has gathered, if all before it is written.
    fn take(&mut self) -> Result<(), End> {
        let most = if self.confirm.is_some() { 1 } else { FLIGHTS };
        if self.written < self.writing.len() || self.flights.len() >= most {
            return Ok(());
        }
        self.written = 0;
        self.writing.clear();
        if self.writing.capacity() > KEPT {
            self.writing = Vec::new();
        }
        let mut queue = self.shared.queue.lock();
        if queue.outbox.is_empty() {
            return if queue.dropped && self.sent.is_empty() { Err(End::Dropped) } else { Ok(()) };
        }
        let now = Instant::now();
        self.batch.of(queue.calls.iter().map(|call| call.answers).sum());
        for left in queue.calls.iter().filter_map(|call| call.left.as_ref()) {
            // It leaves once.
            let _ = left.set(now.into_std());
        }
        self.calls.extend(queue.calls.drain(..));
        if let Some(Confirm { replicas, within }) = self.confirm {
            let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX).max(1);
            Out::new(&mut queue.outbox).command(3).arg("WAIT").number(replicas).number(within);
        }
        let before = self.sent.len();
        self.sent.extend(queue.outbox.take(&mut self.writing).map(Sent::Commands));
        if self.confirm.is_some() {
            self.sent.pop_back();
            self.sent.push_back(Sent::Confirmation);
        }
        self.flights.push_back(Flight { unanswered: self.sent.len() - before, at: now });
        Ok(())
    }

    fn write(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        while let Some(rest) = self.writing.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(context, rest) {
                Poll::Ready(Ok(0) | Err(_)) => return Err(End::Broken),
                Poll::Ready(Ok(written)) => {
                    self.written += written;
                    self.unflushed = true;
                }
                Poll::Pending => return Ok(()),
            }
        }
        if self.unflushed {
            match Pin::new(&mut self.stream).poll_flush(context) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Err(End::Broken),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Reads once; false if there was nothing.
    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        if self.reading.is_empty() && self.reading.capacity() > KEPT {
            self.reading = BytesMut::new();
        }
        self.reading.reserve(READ);
        match poll_read_buf(Pin::new(&mut self.stream), context, &mut self.reading) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(0) | Err(_)) => return Err(End::Broken),
            Poll::Ready(Ok(_)) => {}
        }
        let mut reading = std::mem::take(&mut self.reading);
        let mut done = 0;
        while let Some(rest) = reading.get(done..).filter(|rest| !rest.is_empty())
            && let Some(length) = self.scanner.scan(rest)?
        {
            self.hear(reply::said(rest.get(..length).unwrap_or_default())?)?;
            done += length;
        }
        reading.advance(done);
        self.reading = reading;
        Ok(true)
    }

    fn hear(&mut self, said: Said<'_>) -> Result<(), End> {
        match said {
            Said::Answer(value) => self.answer(value),
            Said::Note(Note::Published { channel, payload }) => {
                if let Some(hear) = &self.hear {
                    hear.published(channel, payload);
                }
                Ok(())
            }
            Said::Note(Note::Subscribed) => self.answer(Value::Okay),
            Said::Note(Note::Unsubscribed { channel }) => match &self.hear {
                Some(hear) if hear.unsubscribed(channel) => self.answer(Value::Okay),
                _ => Ok(()),
            },
            Said::Note(Note::Other) => Ok(()),
        }
    }

    fn answer(&mut self, value: Value) -> Result<(), End> {
        match (self.sent.pop_front(), value) {
            // An answer to nothing.
            (None, _) => return Err(End::Nonsense),
            (Some(Sent::Commands(1)), value) => self.give(value),
            (Some(Sent::Commands(commands)), Value::Array(values)) => {
                if values.len() != usize::from(commands) {
                    return Err(End::Nonsense);
                }
                values.into_iter().for_each(|value| self.give(value));
            }
            (Some(Sent::Commands(commands)), value) => (0..commands).for_each(|_| self.give(value.clone())),
            (Some(Sent::Confirmation), value) => {
                let wanted = self.confirm.map_or(0, |confirm| i64::from(confirm.replicas));
                let outcome = match value {
                    Value::Int(replicas) if replicas >= wanted => Ok(()),
                    _ => Err(Fault::Unconfirmed(StoreError::Unavailable("too few of Redis's replicas have it yet"))),
                };
                self.answered.drain(..).for_each(|call| call.finish(outcome));
            }
        }
        if let Some(flight) = self.flights.front_mut() {
            flight.unanswered -= 1;
            if flight.unanswered == 0 {
                self.round_trip.took(flight.at.elapsed());
                self.flights.pop_front();
            }
        }
        Ok(())
    }

    /// Gives the call whose turn it is the answer to its next command.
    fn give(&mut self, value: Value) {
        let Some(call) = self.calls.front_mut() else { return };
        call.values.push(value);
        if call.values.len() == call.answers
            && let Some(call) = self.calls.pop_front()
        {
            self.shared.room.add_permits(call.room as usize);
            match self.confirm {
                None => call.finish(Ok(())),
                Some(_) => self.answered.push(call),
            }
        }
    }

    /// Ends a connection whose oldest question has waited too long.
    fn keep_time(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        loop {
            let Some(first) = self.flights.front() else { return Ok(()) };
            let deadline = first.at + self.timeout;
            if !self.ticking {
                self.ticking = true;
                self.timer.as_mut().reset(deadline);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            // It was set for an older question.
            self.ticking = false;
            if deadline <= Instant::now() {
                return Err(End::Silent);
            }
        }
    }

    fn close(mut self, end: End) {
        let error = match end {
            End::Dropped | End::Broken => StoreError::Unavailable("the connection to Redis broke"),
            End::Silent => StoreError::TimedOut,
            End::Nonsense => StoreError::Unavailable("the server does not speak Redis's protocol"),
        };
        let mut queue = self.shared.queue.lock();
        queue.closed = true;
        queue.outbox.clear();
        let unsent = std::mem::take(&mut queue.calls);
        drop(queue);
        self.shared.room.close();
        self.shared.over.cancel();
        self.answered.drain(..).chain(self.calls.drain(..)).for_each(|call| call.finish(Err(Fault::Unknown(error))));
        for call in unsent {
            call.finish(Err(Fault::Unsent(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::telemetry::Metrics;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn link(confirm: Option<Confirm>) -> (Arc<Link>, DuplexStream) {
        let (ours, theirs) = duplex(64 * 1024);
        (Arc::new(Link::start(ours, PATIENCE, true, confirm, None, &Metrics::new().store)), theirs)
    }

    fn ask(link: &Arc<Link>, word: &'static str) -> tokio::task::JoinHandle<Result<Value, Fault>> {
        let link = link.clone();
        tokio::spawn(async move { link.ask(&[word]).await })
    }

    async fn expect(server: &mut DuplexStream, bytes: &[u8]) {
        let mut heard = vec![0; bytes.len()];
        server.read_exact(&mut heard).await.expect("it comes");
        assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(bytes));
    }

    #[tokio::test]
    async fn a_lone_command_leaves_at_once_and_answers_come_in_order() {
        let (link, mut server) = link(None);
        let first = ask(&link, "A");
        expect(&mut server, b"*1\r\n$1\r\nA\r\n").await;
        let second = ask(&link, "B");
        expect(&mut server, b"*1\r\n$1\r\nB\r\n").await;
        server.write_all(b":1\r\n$2\r\nhi\r\n").await.expect("it is read");
        assert_eq!(first.await.expect("no panic"), Ok(Value::Int(1)));
        assert_eq!(second.await.expect("no panic"), Ok(Value::BulkString(b"hi".to_vec())));
    }

    #[tokio::test]
    async fn what_was_sent_is_unknown_when_the_connection_breaks_and_what_comes_later_is_unsent() {
        let (link, mut server) = link(None);
        let call = ask(&link, "A");
        expect(&mut server, b"*1\r\n$1\r\nA\r\n").await;
        drop(server);
        assert!(matches!(call.await.expect("no panic"), Err(Fault::Unknown(_))));
        link.over().await;
        assert!(matches!(link.ask(&["B"]).await, Err(Fault::Unsent(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_ends_the_connection() {
        let (link, mut server) = link(None);
        let call = ask(&link, "A");
        expect(&mut server, b"*1\r\n$1\r\nA\r\n").await;
        assert_eq!(call.await.expect("no panic"), Err(Fault::Unknown(StoreError::TimedOut)));
        link.over().await;
    }

    #[tokio::test]
    async fn nonsense_ends_the_connection() {
        for nonsense in [&b"hello\r\n"[..], b":1\r\n:2\r\n"] {
            let (link, mut server) = link(None);
            let call = ask(&link, "A");
            expect(&mut server, b"*1\r\n$1\r\nA\r\n").await;
            server.write_all(nonsense).await.expect("it is read");
            link.over().await;
            let _ = call.await.expect("no panic");
        }
    }

    #[tokio::test]
    async fn nothing_is_answered_before_enough_replicas_have_it() {
        let (link, mut server) = link(Some(Confirm { replicas: 2, within: Duration::from_millis(70) }));
        let wait = b"*3\r\n$4\r\nWAIT\r\n$1\r\n2\r\n$2\r\n70\r\n";
        let first = ask(&link, "A");
        expect(&mut server, &[b"*1\r\n$1\r\nA\r\n", &wait[..]].concat()).await;
        // What comes meanwhile leaves together, with one question.
        let others = [ask(&link, "B"), ask(&link, "C")];
        server.write_all(b":7\r\n").await.expect("it is read");
        while link.shared.queue.lock().calls.len() < 2 {
            tokio::task::yield_now().await;
        }
        assert!(!first.is_finished());
        server.write_all(b":2\r\n").await.expect("it is read");
        assert_eq!(first.await.expect("no panic"), Ok(Value::Int(7)));
        let mut heard = vec![0; 22 + wait.len()];
        server.read_exact(&mut heard).await.expect("it comes");
        assert!(heard.ends_with(wait));
        server.write_all(b":8\r\n:9\r\n:1\r\n").await.expect("it is read");
        for other in others {
            assert!(matches!(other.await.expect("no panic"), Err(Fault::Unconfirmed(_))));
        }
    }

    #[tokio::test]
    async fn what_comes_while_two_pieces_are_unanswered_leaves_together() {
        let (link, mut server) = link(None);
        let first = ask(&link, "A");
        expect(&mut server, b"*1\r\n$1\r\nA\r\n").await;
        let second = ask(&link, "B");
        expect(&mut server, b"*1\r\n$1\r\nB\r\n").await;
        let others = [ask(&link, "C"), ask(&link, "D")];
        // However often the connection has its turn.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(link.shared.queue.lock().calls.len(), 2, "nothing of them has left");
        server.write_all(b":1\r\n").await.expect("it is read");
        expect(&mut server, b"*1\r\n$1\r\nC\r\n*1\r\n$1\r\nD\r\n").await;
        server.write_all(b":2\r\n:3\r\n:4\r\n").await.expect("it is read");
        assert_eq!(first.await.expect("no panic"), Ok(Value::Int(1)));
        assert_eq!(second.await.expect("no panic"), Ok(Value::Int(2)));
        for (other, number) in others.into_iter().zip([3, 4]) {
            assert_eq!(other.await.expect("no panic"), Ok(Value::Int(number)));
        }
    }

    /// Calls a script so many times.
    fn join(link: &Arc<Link>, times: usize) -> tokio::task::JoinHandle<Result<Vec<Value>, Fault>> {
        let link = link.clone();
        tokio::spawn(async move {
            let write = |out: &mut Out<'_>| {
                for _ in 0..times {
                    out.join("s", &[], &[b"k"], 0);
                }
            };
            link.call(64, write).await
        })
    }

    #[tokio::test]
    async fn each_caller_gets_its_own_of_what_was_joined() {
        let (link, mut server) = link(None);
        // While the server takes nothing in, what comes gathers.
        let large = "x".repeat(128 * 1024);
        let before = tokio::spawn({
            let (link, large) = (link.clone(), large.clone());
            async move { link.ask(&[&large]).await }
        });
        let mut head = vec![0; 16];
        server.read_exact(&mut head).await.expect("it comes");
        let calls = [join(&link, 1), join(&link, 2), join(&link, 17)];
        while link.shared.queue.lock().calls.len() < 3 {
            tokio::task::yield_now().await;
        }
        let mut rest = vec![0; 13 + large.len() + 2 - head.len()];
        server.read_exact(&mut rest).await.expect("it comes");
        server.write_all(b":0\r\n").await.expect("it is read");
        assert_eq!(before.await.expect("no panic"), Ok(Value::Int(0)));
        let mut joined = vec![0; 16];
        server.read_exact(&mut joined).await.expect("it comes");
        assert!(joined.starts_with(b"*19\r\n$7\r\nEVALSHA"), "{}", String::from_utf8_lossy(&joined));
        let sixteen: String = (1..=16).map(|number| format!(":{number}\r\n")).collect();
        server.write_all(format!("*16\r\n{sixteen}-ERR no\r\n").as_bytes()).await.expect("it is read");
        let [one, two, many] = calls;
        let numbers = |from, to| (from..=to).map(Value::Int).collect::<Vec<_>>();
        let (one, two, many) =
            (one.await.expect("no panic"), two.await.expect("no panic"), many.await.expect("no panic"));
        assert_eq!((one, two), (Ok(numbers(1, 1)), Ok(numbers(2, 3))));
        let many = many.expect("it is answered");
        assert_eq!(many[..13], numbers(4, 16));
        assert_eq!(many.len(), 17);
        assert!(many[13..].iter().all(|answer| matches!(answer, Value::ServerError(_))), "one answer for all");
    }

    #[tokio::test]
    async fn a_list_that_is_too_short_for_what_was_joined_is_nonsense() {
        let (link, mut server) = link(None);
        let call = join(&link, 2);
        let mut heard = vec![0; 16];
        server.read_exact(&mut heard).await.expect("it comes");
        server.write_all(b"*1\r\n:1\r\n").await.expect("it is read");
        assert!(matches!(call.await.expect("no panic"), Err(Fault::Unknown(_))));
        link.over().await;
    }

    #[tokio::test]
    async fn what_is_on_its_way_is_bounded_also_if_nobody_waits_for_it() {
        let (link, mut server) = link(None);
        let large = "x".repeat(ROOM as usize * 1024 - 1);
        let given_up = tokio::time::timeout(Duration::from_millis(20), link.ask(&[&large])).await;
        assert!(given_up.is_err());
        assert!(link.shared.room.available_permits() < 2, "its room is taken until it is answered");
        let next = ask(&link, "A");
        expect(&mut server, format!("*1\r\n${}\r\n{large}\r\n", large.len()).as_bytes()).await;
        server.write_all(b"+OK\r\n").await.expect("it is read");
        expect(&mut server, b"*1\r\n$1\r\nA\r\n").await;
        server.write_all(b":1\r\n").await.expect("it is read");
        assert_eq!(next.await.expect("no panic"), Ok(Value::Int(1)));
    }
}
