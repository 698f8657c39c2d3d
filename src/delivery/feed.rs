//! One owner's stream: what it sends next.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use sealpost_core::{Address, Sequence};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::acknowledger::Acknowledger;
use super::bell::Bell;
use super::credit::Credit;
use super::few::Few;
use super::hub::Hub;
use super::inbox::{self, Heard, Inbox, News};
use super::leave::{Drain, Ending, jittered};
use super::lines::{Haste, Lines};
use super::mailbox::{Mailbox, Pushed};
use super::opening;
use super::unwritten::Unwritten;
use crate::budget::Budget;
use crate::clock::{Clock, UnixMillis};
use crate::store::{
    Acknowledgement, Envelope, LARGEST_ENVELOPE, Page, Read, ReadRequest, SessionId, Store, StoreError,
};
use crate::telemetry::{Held, Metrics, Path, SpanName, StreamEnd, Traces};

/// What all streams share.
pub struct Services {
    /// Where the mailboxes are.
    pub store: Arc<dyn Store>,
    /// Who has which open here; the store's [`Wakes`](crate::store::Wakes).
    pub hub: Arc<Hub>,
    /// Has the store forget.
    pub acknowledger: Acknowledger,
    /// The word that the relay leaves.
    pub drain: Drain,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What is traced.
    pub traces: Traces,
    /// By which it is told how long envelopes waited.
    pub clock: Clock,
    /// How streams live.
    pub config: FeedConfig,
}

impl Services {
    /// Measures the way of an envelope that is handed to its stream.
    fn is_sent(&self, heard: &Heard, path: Path, now: UnixMillis) {
        self.metrics.delivery.waiting.took(path, heard.journey.begun.until(now));
        if let (Some(parent), Some(at)) = (&heard.journey.trace, heard.at) {
            self.traces.add(parent, SpanName::Deliver, at, std::time::Instant::now(), []);
        }
    }
}

/// How streams live.
#[derive(Debug, Clone, Copy)]
pub struct FeedConfig {
    /// A ping goes out this often.
    pub ping_interval: Duration,
    /// A stream ends after this long, give or take a tenth; `None`: never.
    pub max_life: Option<Duration>,
    /// Mailboxes that one stream may have open.
    pub max_mailboxes: usize,
}

impl FeedConfig {
    /// How long one stream lives, an owner's or a sender's. Not all that began together end together.
    pub fn life(&self) -> Option<Duration> {
        self.max_life.map(|life| life.mul_f64(0.9) + jittered(life.mul_f64(0.2)))
    }
}

/// What an owner says on an open stream.
#[derive(Debug)]
pub enum Input {
    /// Envelopes of mailbox `mailbox` are safe.
    Acknowledge {
        /// Its number on this stream.
        mailbox: u32,
        /// All up to and with this one.
        up_to: Sequence,
        /// And these.
        sequences: Vec<Sequence>,
    },
    /// One more mailbox, whose owner has proved to be who they are.
    Add(Address),
    /// Close one.
    Remove(u32),
    /// A sign of life.
    Pong,
}

/// What a stream sends.
#[derive(Debug)]
pub enum Output<E> {
    /// Mailboxes were opened: number, address and session of each.
    Opened(Vec<(u32, Address, SessionId)>),
    /// Envelopes: mailbox, number ([`Sequence::NONE`] for an ephemeral one), and the sealed bytes.
    Deliveries(Vec<(u32, Sequence, Envelope)>),
    /// Everything that was there when this mailbox was opened has been sent (P4).
    CaughtUp(u32),
    /// A sign of life.
    Ping(u32),
    /// One mailbox of several has ended.
    MailboxClosed(u32, Ending),
    /// The last thing a stream sends.
    Closing(FeedError<E>),
}

/// Why a stream ends. `E` is what the input itself may bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedError<E> {
    /// By the relay's or another stream's will.
    Ended(Ending),
    /// There is no such mailbox: the one at this place among those to be opened; `None`: the added one.
    Unknown(Option<usize>),
    /// The mailbox at this place is already open on this stream.
    OpenTwice(Option<usize>),
    /// More mailboxes than one stream may have: so many.
    TooMany(usize),
    /// An acknowledgement of what was never sent.
    NeverSent,
    /// A mailbox number that was never given.
    NoSuchNumber,
    /// The store failed.
    Store(StoreError),
    /// The input failed.
    Input(E),
}

impl<E> FeedError<E> {
    /// As the end of a stream is counted.
    fn counted(&self) -> StreamEnd {
        match self {
            Self::Ended(Ending::Displaced) => StreamEnd::Displaced,
            Self::Ended(Ending::Deleted) => StreamEnd::Deleted,
            Self::Ended(Ending::Removed) => StreamEnd::Left,
            Self::Ended(Ending::Draining) => StreamEnd::Draining,
            Self::Ended(Ending::Rebalance) => StreamEnd::Rebalance,
            Self::Ended(Ending::PeerSilent) => StreamEnd::PeerSilent,
            Self::Ended(Ending::StoreRestarted) => StreamEnd::StoreRestarted,
            Self::Store(_) => StreamEnd::StoreFailed,
            Self::Unknown(_)
            | Self::OpenTwice(_)
            | Self::TooMany(_)
            | Self::NeverSent
            | Self::NoSuchNumber
            | Self::Input(_) => StreamEnd::Refused,
        }
    }
}

/// One owner's stream, open. Ask for [`next`](Feed::next) until there is nothing more.
pub struct Feed<I, E> {
    services: Arc<Services>,
    input: Option<I>,
    bell: Arc<Bell>,
    inboxes: Arc<Budget>,
    /// By number; a closed one leaves its place empty, so that numbers are never given twice.
    mailboxes: Vec<Option<Box<Mailbox>>>,
    credit: Credit,
    /// Mailboxes that want to read.
    lines: Lines,
    reads: Few<DoneRead>,
    openings: Few<DoneOpening>,
    /// Whose openings those are, and the numbers that they will get.
    adding: Vec<(u32, Address)>,
    output: VecDeque<Output<E>>,
    /// Envelopes on their way into `output`.
    batch: Vec<(u32, Sequence, Envelope)>,
    batch_bytes: usize,
    unwritten: Unwritten,
    rung: Vec<u32>,
    pings: u32,
    unanswered: u32,
    next_ping: Instant,
    leave_at: Option<(Instant, Ending)>,
    drained: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    timer: Pin<Box<Sleep>>,
    /// There was something to send and no credit, when last looked.
    stalled: bool,
    ended: bool,
    /// As it is counted.
    end: StreamEnd,
    _open: Held,
}

/// A mailbox's number, and what came of opening it.
type DoneOpening = (u32, Result<Option<Box<Mailbox>>, StoreError>);

struct DoneRead {
    number: u32,
    reserved: Credit,
    outcome: Result<Read, StoreError>,
}

/// Numbers that a stream gives out, for each mailbox that it may have open.
const NUMBERS_A_MAILBOX: usize = 16;
/// Reads of one stream under way at once.
const READS: usize = 8;
/// Mailboxes of one stream that are opened at once.
const OPENINGS: usize = 32;
/// The most that one read asks for: it is held while its owner does not read.
const READ: Credit = Credit { messages: 256, bytes: 256 * 1024 };
/// The same where the next envelope was larger: the largest that can be configured fits.
const LARGE_READ: Credit = Credit { messages: 256, bytes: LARGEST_ENVELOPE as u64 };
/// Envelopes and bytes in one message to the owner.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 128 * 1024;
/// Pings that may go unanswered.
const UNANSWERED: u32 = 3;
/// The first pause after a failed read; doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(3);

impl<I, E> Feed<I, E>
where
    I: Stream<Item = Result<Input, E>> + Unpin + Send,
{
    /// Opens mailboxes, all or none.
    ///
    /// # Errors
    /// Those of [`FeedError`] that can come before the first output.
    pub async fn open(
        services: Arc<Services>,
        addresses: Vec<Address>,
        credit: Credit,
        input: Option<I>,
    ) -> Result<Self, FeedError<E>> {
        if addresses.len() > services.config.max_mailboxes {
            return Err(FeedError::TooMany(services.config.max_mailboxes));
        }
        if let Some(place) = repeated(&addresses) {
            return Err(FeedError::OpenTwice(Some(place)));
        }
        let bell = Arc::new(Bell::default());
        let inboxes = Arc::new(Budget::new(inbox::MOST_OF_A_STREAM));
        let mailboxes: Vec<Option<Box<Mailbox>>> = stream::iter(addresses.into_iter().zip(0u32..))
            .map(|(address, number)| {
                let inbox = Inbox::new(number, bell.clone(), inboxes.clone());
                let opening = opening::open(services.clone(), address, inbox);
                async move {
                    match opening.await {
                        Ok(Some(mailbox)) => Ok(Some(mailbox)),
                        Ok(None) => Err(FeedError::Unknown(Some(number as usize))),
                        Err(error) => Err(FeedError::Store(error)),
                    }
                }
            })
            .buffered(OPENINGS)
            .try_collect()
            .await?;

        let now = Instant::now();
        let next_ping = now + services.config.ping_interval;
        let mut feed = Self {
            input,
            bell,
            inboxes,
            mailboxes,
            credit,
            lines: Lines::default(),
            reads: Few::default(),
            openings: Few::default(),
            adding: Vec::new(),
            output: VecDeque::new(),
            batch: Vec::new(),
            batch_bytes: 0,
            unwritten: Unwritten::default(),
            rung: Vec::new(),
            pings: 0,
            unanswered: 0,
            next_ping,
            leave_at: services.config.life().map(|life| (now + life, Ending::Rebalance)),
            drained: Some(Box::pin(services.drain.token().cancelled_owned())),
            timer: Box::pin(tokio::time::sleep_until(next_ping)),
            stalled: false,
            ended: false,
            end: StreamEnd::Left,
            _open: services.metrics.delivery.streams.hold(),
            services,
        };
        feed.announce(0..feed.mailboxes.len());
        feed.set_timer();
        Ok(feed)
    }

    /// What to send next; `None` after [`Output::Closing`], or when the owner is gone.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Output<E>>> {
        loop {
            if let Some(output) = self.output.pop_front() {
                return Poll::Ready(Some(output));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            self.start_reads();
            ready!(self.poll_event(context));
            self.flush();
        }
    }

    /// Waits for whatever happens first, and does what follows from it. What stands first goes first.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(word) = &mut self.drained
            && word.as_mut().poll(context).is_ready()
        {
            self.drain_begins();
        } else if self.timer.as_mut().poll(context).is_ready() {
            self.time_passes();
        } else if let Poll::Ready(read) = self.reads.poll_next(context) {
            self.read_done(read);
        } else if self.bell.poll(context, &mut self.rung).is_ready() {
            self.hear();
        } else if let Poll::Ready((number, opened)) = self.openings.poll_next(context) {
            self.opened(number, opened);
        } else if self.unwritten.poll_write(context, &self.services.acknowledger).is_ready() {
            // There may be room for the next.
        } else if self.unwritten.are_many() || self.openings.len() >= OPENINGS {
            return Poll::Pending;
        } else {
            let Some(input) = &mut self.input else { return Poll::Pending };
            let input = ready!(input.poll_next_unpin(context));
            self.take_in(input);
        }
        Poll::Ready(())
    }

    fn take_in(&mut self, input: Option<Result<Input, E>>) {
        self.unanswered = 0;
        match input {
            // The owner will say nothing more; deliveries go on within the credit that is left.
            None => self.input = None,
            Some(Err(error)) => self.close(FeedError::Input(error)),
            Some(Ok(Input::Pong)) => {}
            Some(Ok(Input::Acknowledge { mailbox, up_to, sequences })) => {
                let acknowledged = match self.was_given(mailbox) {
                    true => self.acknowledge(mailbox, up_to, &sequences, Writer::Here),
                    false => Err(FeedError::NoSuchNumber),
                };
                if let Err(error) = acknowledged {
                    self.close(error);
                }
            }
            Some(Ok(Input::Remove(number))) => match self.was_given(number) {
                true => self.close_mailbox(number, Ending::Removed),
                false => self.close(FeedError::NoSuchNumber),
            },
            Some(Ok(Input::Add(address))) => self.add(address),
        }
    }

    /// Whether the owner was told that a mailbox has this number.
    fn was_given(&self, number: u32) -> bool {
        (number as usize) < self.mailboxes.len() && !self.adding.iter().any(|(adding, _)| *adding == number)
    }

    fn add(&mut self, address: Address) {
        let open = self.mailboxes.iter().flatten().count() + self.openings.len();
        if open >= self.services.config.max_mailboxes {
            return self.close(FeedError::TooMany(self.services.config.max_mailboxes));
        }
        if self.mailboxes.iter().flatten().any(|mailbox| mailbox.address == address)
            || self.adding.iter().any(|(_, adding)| *adding == address)
        {
            return self.close(FeedError::OpenTwice(None));
        }
        // Numbers are not given twice, and each costs a little for as long as the stream lives.
        let numbers = u32::try_from(self.mailboxes.len()).ok();
        let most = self.services.config.max_mailboxes.saturating_mul(NUMBERS_A_MAILBOX);
        let Some(number) = numbers.filter(|_| self.mailboxes.len() < most) else {
            return self.close(FeedError::TooMany(self.services.config.max_mailboxes));
        };
        self.mailboxes.push(None);
        self.adding.push((number, address));
        let inbox = Inbox::new(number, self.bell.clone(), self.inboxes.clone());
        let opening = opening::open(self.services.clone(), address, inbox);
        self.openings.push(Box::pin(async move { (number, opening.await) }));
    }

    fn opened(&mut self, number: u32, outcome: Result<Option<Box<Mailbox>>, StoreError>) {
        match outcome {
            Ok(Some(mailbox)) => {
                self.adding.retain(|(adding, _)| *adding != number);
                if let Some(place) = self.mailboxes.get_mut(number as usize) {
                    *place = Some(mailbox);
                }
                self.announce(number as usize..number as usize + 1);
            }
            Ok(None) => self.close(FeedError::Unknown(None)),
            Err(error) => self.close(FeedError::Store(error)),
        }
    }

    /// Says that mailboxes were opened, and begins with them.
    fn announce(&mut self, numbers: std::ops::Range<usize>) {
        let opened: Vec<_> = (0u32..)
            .zip(&self.mailboxes)
            .skip(numbers.start)
            .take(numbers.len())
            .filter_map(|(number, mailbox)| mailbox.as_ref().map(|it| (number, it.address, it.session)))
            .collect();
        let numbers: Vec<u32> = opened.iter().map(|(number, ..)| *number).collect();
        self.output.push_back(Output::Opened(opened));
        for number in numbers {
            // What was heard before the mailbox had its place waits in its inbox.
            self.hear_of(number);
        }
        self.flush();
    }

    fn hear(&mut self) {
        let mut rung = std::mem::take(&mut self.rung);
        for number in rung.drain(..) {
            self.hear_of(number);
        }
        self.rung = rung;
    }

    fn hear_of(&mut self, number: u32) {
        let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else {
            return;
        };
        if mailbox.registration.inbox().generation() > mailbox.generation {
            return self.close_mailbox(number, Ending::Displaced);
        }
        if mailbox.reading {
            // The page on its way may hold some of it; it is taken up after that.
            return;
        }
        let news = mailbox.registration.inbox().take();
        if news.deleted {
            return self.close_mailbox(number, Ending::Deleted);
        }
        self.take_news(number, news);
        self.settle(number);
    }

    fn take_news(&mut self, number: u32, news: News) {
        if news.acknowledged.is_some() || !news.acknowledged_singly.is_empty() {
            let up_to = news.acknowledged.unwrap_or(Sequence::NONE);
            // Another relay had the store forget them. What it acknowledges beyond what was sent is its owner's affair.
            let _ = self.acknowledge(number, up_to, &news.acknowledged_singly, Writer::Elsewhere);
        }
        let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else {
            return;
        };
        let metrics = &self.services.metrics.delivery;
        if news.missed {
            mailbox.missed();
        }
        if news.overflowed {
            metrics.inbox_overflows.count();
        }
        let now = self.services.clock.now_millis();
        let before = self.batch.len();
        for (sequence, heard) in news.stored {
            if mailbox.push(sequence, heard.envelope.size(), &mut self.credit) == Pushed::Send {
                self.services.is_sent(&heard, Path::Pushed, now);
                self.batch_bytes += heard.envelope.size();
                self.batch.push((number, sequence, heard.envelope));
            }
        }
        metrics.deliveries.add(Path::Pushed, self.batch.len() - before);
        if let Some(highest) = news.highest {
            mailbox.heard_of(highest);
        }
        metrics.deliveries.add(Path::Ephemeral, news.ephemeral.len());
        for heard in news.ephemeral {
            self.services.is_sent(&heard, Path::Ephemeral, now);
            self.batch_bytes += heard.envelope.size();
            self.batch.push((number, Sequence::NONE, heard.envelope));
        }
        if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
            self.flush();
        }
    }

    /// After anything has changed for a mailbox: says that it has caught up, or lines it up to read.
    fn settle(&mut self, number: u32) {
        let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else {
            return;
        };
        if mailbox.catches_up() {
            // The envelopes before the marker.
            self.flush();
            self.output.push_back(Output::CaughtUp(number));
        }
        let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else {
            return;
        };
        if mailbox.reading {
            return;
        }
        match (mailbox.is_behind(), mailbox.queued) {
            (Some(haste), None) => {
                mailbox.queued = Some(haste);
                self.lines.put(number, haste);
            }
            (Some(Haste::Envelopes), Some(Haste::Doubt)) => {
                mailbox.queued = Some(Haste::Envelopes);
                self.lines.hasten(number);
            }
            _ => {}
        }
    }

    fn start_reads(&mut self) {
        // Each mailbox of the lines gets one look.
        for _ in 0..self.lines.len() {
            if self.reads.len() >= READS {
                return;
            }
            if self.credit.messages == 0 || self.credit.bytes == 0 {
                return self.stalls();
            }
            let Some((number, haste)) = self.lines.next() else {
                return;
            };
            let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else {
                continue;
            };
            if mailbox.too_few.is_some_and(|bytes| self.credit.bytes <= bytes) {
                self.lines.put(number, haste);
                self.stalls();
                continue;
            }
            self.stalled = false;
            mailbox.queued = None;
            mailbox.reading = true;
            let most = if mailbox.too_few.is_some() { LARGE_READ } else { READ };
            let reserved = self.credit.reserve(most);
            let request = ReadRequest {
                address: mailbox.address,
                session: mailbox.session,
                epoch: mailbox.epoch,
                after: mailbox.position(),
                max_messages: reserved.messages,
                max_bytes: reserved.bytes,
            };
            let pause = match mailbox.failures {
                0 => None,
                failures => Some(jittered((FIRST_PAUSE * 2u32.pow(failures.min(8))).min(LAST_PAUSE))),
            };
            let store = self.services.store.clone();
            self.reads.push(Box::pin(async move {
                if let Some(pause) = pause {
                    tokio::time::sleep(pause).await;
                }
                DoneRead { number, reserved, outcome: store.read(request).await }
            }));
        }
    }

    /// There is something to send, but no credit for it.
    fn stalls(&mut self) {
        if !std::mem::replace(&mut self.stalled, true) {
            self.services.metrics.delivery.credit_stalls.count();
        }
    }

    fn read_done(&mut self, DoneRead { number, reserved, outcome }: DoneRead) {
        let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else {
            self.credit.give(reserved);
            return;
        };
        mailbox.reading = false;
        match outcome {
            Ok(Read::Page(page)) => {
                mailbox.failures = 0;
                let left = mailbox.read(&page, reserved);
                self.credit.give(left);
                self.waited(&page);
                for queued in page.entries {
                    let envelope = queued.entry.envelope;
                    self.batch_bytes += envelope.size();
                    self.batch.push((number, queued.sequence, envelope));
                    if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
                        self.flush();
                    }
                }
                self.hear_of(number);
            }
            Ok(Read::Restarted) => self.close(FeedError::Ended(Ending::StoreRestarted)),
            Ok(Read::Ended) => {
                self.credit.give(reserved);
                let ending = match self.mailboxes.get(number as usize) {
                    Some(Some(mailbox)) if mailbox.registration.inbox().take().deleted => Ending::Deleted,
                    _ => Ending::Displaced,
                };
                self.close_mailbox(number, ending);
            }
            Err(StoreError::Corrupt(what)) => {
                self.credit.give(reserved);
                self.close(FeedError::Store(StoreError::Corrupt(what)));
            }
            Err(_) => {
                // The store will be back; the owner stays.
                mailbox.failures = mailbox.failures.saturating_add(1);
                self.credit.give(reserved);
                self.settle(number);
            }
        }
    }

    /// Measures, as far as the store knows it, how long what was read has waited.
    fn waited(&self, page: &Page) {
        let metrics = &self.services.metrics.delivery;
        metrics.deliveries.add(Path::Read, page.entries.len());
        let now = self.services.clock.now_millis();
        for same in page.entries.chunk_by(|one, other| one.entry.accepted == other.entry.accepted) {
            if let Some(first) = same.first() {
                let accepted = UnixMillis::from(first.entry.accepted.start());
                metrics.waiting.took_each(Path::Read, accepted.until(now), same.len());
            }
        }
    }

    fn acknowledge(
        &mut self,
        number: u32,
        up_to: Sequence,
        singly: &[Sequence],
        writer: Writer,
    ) -> Result<(), FeedError<E>> {
        // One that was closed meanwhile: its envelopes are another stream's now.
        let Some(Some(mailbox)) = self.mailboxes.get_mut(number as usize) else { return Ok(()) };
        let mut entries = Vec::new();
        let up_to_sent = match writer {
            Writer::Here => up_to,
            Writer::Elsewhere => up_to.min(mailbox.position()),
        };
        let credit = mailbox.acknowledge(up_to_sent, singly, &mut entries).map_err(|_| FeedError::NeverSent)?;
        let (address, epoch, incarnation) = (mailbox.address, mailbox.epoch, mailbox.incarnation);
        if entries.is_empty() {
            return Ok(());
        }
        self.services.metrics.delivery.acknowledgements.add(entries.len());
        self.credit.give(credit);
        if let Writer::Here = writer {
            let acknowledgement = Acknowledgement { address, epoch, incarnation, entries };
            self.unwritten.write(acknowledgement, &self.services.acknowledger);
        }
        Ok(())
    }

    fn close_mailbox(&mut self, number: u32, ending: Ending) {
        let Some(mailbox) = self.mailboxes.get_mut(number as usize).and_then(Option::take) else {
            return;
        };
        let outstanding = mailbox.outstanding();
        if !matches!(ending, Ending::Deleted) {
            self.services.metrics.delivery.redeliveries.add(outstanding.messages as usize);
        }
        self.credit.give(outstanding);
        let others = self.mailboxes.iter().any(Option::is_some) || !self.openings.is_empty();
        if others || ending == Ending::Removed {
            self.flush();
            self.output.push_back(Output::MailboxClosed(number, ending));
        } else {
            self.close(FeedError::Ended(ending));
        }
    }

    fn drain_begins(&mut self) {
        self.drained = None;
        self.leave_at = Some((self.services.drain.moment(), Ending::Draining));
        self.set_timer();
    }

    fn time_passes(&mut self) {
        let now = Instant::now();
        if let Some((at, ending)) = self.leave_at
            && at <= now
        {
            return self.close(FeedError::Ended(ending));
        }
        if self.next_ping <= now {
            // Who only listens cannot answer.
            if self.input.is_some() {
                if self.unanswered >= UNANSWERED {
                    return self.close(FeedError::Ended(Ending::PeerSilent));
                }
                self.unanswered += 1;
            }
            self.pings = self.pings.wrapping_add(1);
            self.output.push_back(Output::Ping(self.pings));
            self.next_ping = now + self.services.config.ping_interval;
        }
        self.set_timer();
    }

    fn set_timer(&mut self) {
        let next = self.leave_at.map_or(self.next_ping, |(at, _)| at.min(self.next_ping));
        self.timer.as_mut().reset(next);
    }

    fn close(&mut self, error: FeedError<E>) {
        if !self.ended {
            self.flush();
            self.ended = true;
            self.end = error.counted();
            self.output.push_back(Output::Closing(error));
        }
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.batch_bytes = 0;
            self.output.push_back(Output::Deliveries(std::mem::take(&mut self.batch)));
        }
    }
}

impl<I, E> Drop for Feed<I, E> {
    fn drop(&mut self) {
        let metrics = &self.services.metrics.delivery;
        metrics.stream_ends.count(self.end);
        let outstanding = self.mailboxes.iter().flatten().map(|mailbox| mailbox.outstanding().messages as usize);
        metrics.redeliveries.add(outstanding.sum());
        self.services.acknowledger.hurry();
        // What the owner acknowledged is written although the owner is gone.
        let unwritten = std::mem::take(&mut self.unwritten);
        if !unwritten.is_empty() {
            tokio::spawn(unwritten.write_all(self.services.acknowledger.clone()));
        }
    }
}

/// Who has the store forget acknowledged envelopes.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Here,
    Elsewhere,
}

fn repeated(addresses: &[Address]) -> Option<usize> {
    let mut seen = std::collections::HashSet::with_capacity(addresses.len());
    addresses.iter().position(|address| !seen.insert(address))
}
