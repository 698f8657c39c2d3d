//! A load on a system, watched from second to second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use parking_lot::Mutex;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::board::{Board, SoFar};
use crate::latencies::Times;
use crate::live::Live;
use crate::pace::{Pace, Pacer, Queues};
use crate::problem::{During as _, Problem};
use crate::process::{Processors, Usage, own_usage};
use crate::report::{Event, Moment};
use crate::scenario::Load;
use crate::schedule::{Arrivals, Schedule, Stretch};
use crate::target::probes::{by_kind, cpu_between};
use crate::target::{Kind, Probes, Reading};

/// A board, senders, and whoever watches them.
#[derive(Debug)]
pub struct Stage {
    /// The run's board.
    pub board: Arc<Board>,
    /// What happens, for the report.
    pub events: Arc<Events>,
    queues: Queues,
    probes: Probes,
    live: Arc<Live>,
    /// How long nothing may happen until what is missing is given up.
    pub patience: Duration,
    timeline: Vec<Moment>,
    last: State,
    next_look: Duration,
}

/// A load of some time, of which a part is measured.
#[derive(Debug, Clone)]
pub struct Part {
    /// What is shown while it lasts.
    pub name: String,
    /// How messages are spread.
    pub arrivals: Arrivals,
    /// Before anything is measured.
    pub before: Vec<Stretch>,
    /// The rate while it is measured.
    pub rate: f64,
    /// How long that is; `None`: as long as what happens meanwhile.
    pub lasts: Option<Duration>,
    /// Whether owners are there to take what is sent: then it is waited for.
    pub is_taken: bool,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The rate that was due.
    pub offered_per_s: f64,
    /// Messages that were due while it was measured: at random times, so not exactly as many as the rate says.
    pub due: u64,
    /// Messages that were delivered meanwhile.
    pub messages: u64,
    /// How long it was.
    pub seconds: f64,
    /// From when messages were due until their owners had them.
    pub delivered: Times,
    /// From when they were due until their senders had an answer.
    pub answered: Times,
    /// How late they were handed over to their senders.
    pub lateness: Times,
    /// CPU time that was used.
    pub cpu: BTreeMap<Kind, Duration>,
    /// Memory at the end of it.
    pub rss_kib: BTreeMap<Kind, u64>,
    /// The share of the machine's time in which it had nothing to do.
    pub idle: f64,
    /// Each process at its end.
    pub readings: Vec<Reading>,
}

/// What happened, and when.
#[derive(Debug)]
pub struct Events {
    board: Arc<Board>,
    live: Arc<Live>,
    all: Mutex<Vec<Event>>,
}

/// What was used and done up to a moment.
#[derive(Debug, Clone)]
struct State {
    at: Duration,
    so_far: SoFar,
    readings: Vec<Reading>,
    own: Usage,
    processors: Processors,
}

/// Between two looks.
const SECOND: Duration = Duration::from_secs(1);
/// From the beginning to the first message.
const LEAD: Duration = Duration::from_millis(20);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(30 * 86_400);

impl Part {
    /// As a scenario says: ramp, warm-up, and what is measured.
    pub fn of(load: &Load, name: impl Into<String>) -> Self {
        let ramp = Stretch { from: 0.0, to: load.rate, lasts: load.ramp.0 };
        let before = [ramp, Stretch::steady(load.rate, load.warm_up.0)];
        Self {
            name: name.into(),
            arrivals: load.arrivals,
            before: before.into_iter().filter(|stretch| !stretch.lasts.is_zero()).collect(),
            rate: load.rate,
            lasts: Some(load.steady.0),
            is_taken: true,
        }
    }
}

impl Heard {
    /// Whether at least this share of what was due was delivered meanwhile.
    pub fn keeps_up(&self, share: f64) -> bool {
        self.messages as f64 >= share * self.due as f64
    }
}

impl Stage {
    /// Begins to watch.
    ///
    /// # Errors
    /// Where processes cannot be watched.
    pub async fn new(
        board: Arc<Board>,
        queues: Queues,
        probes: Probes,
        live: Arc<Live>,
        patience: Duration,
    ) -> Result<Self, Problem> {
        let last = State::now(&board, &probes).await?;
        let events = Arc::new(Events { board: board.clone(), live: live.clone(), all: Mutex::default() });
        let next_look = last.at + SECOND;
        Ok(Self { board, events, queues, probes, live, patience, timeline: Vec::new(), last, next_look })
    }

    /// Plays a part, and waits until everything has arrived or no more can be hoped for. `meanwhile` begins when measuring
    /// does.
    ///
    /// # Errors
    /// Where processes cannot be watched any more, and those of `meanwhile`.
    pub async fn play<T>(
        &mut self,
        part: &Part,
        meanwhile: impl Future<Output = Result<T, Problem>>,
    ) -> Result<(Heard, T), Problem> {
        let begins = self.board.now() + LEAD;
        let from = begins + part.before.iter().map(|stretch| stretch.lasts).sum::<Duration>();
        let to = part.lasts.map(|lasts| from + lasts);
        self.board.measure(from, to.unwrap_or(Duration::MAX));
        let main = Stretch::steady(part.rate, part.lasts.unwrap_or(FOR_EVER));
        let stretches = part.before.iter().copied().chain([main]).collect();
        let schedule = Schedule::new(stretches, part.arrivals, StdRng::from_rng(&mut rand::rng()));
        let pacer = Pacer::start(Pace { schedule, begins }, self.board.clone(), self.queues.clone())?;

        self.live.begin(format!("{}: warming up", part.name));
        self.watch_until(from, Some(from)).await?;
        self.live.begin(format!("{}: measuring", part.name));
        let before = State::now(&self.board, &self.probes).await?;
        let outcome = match to {
            Some(to) => {
                let (outcome, watched) = tokio::join!(meanwhile, self.watch_until(to, Some(to)));
                watched?;
                outcome?
            }
            None => self.watch_while(meanwhile).await?,
        };
        let after = State::now(&self.board, &self.probes).await?;
        pacer.stop();
        self.board.measure_until(after.at);
        let lateness = tokio::task::spawn_blocking(move || pacer.join()).await.during("waiting for the clock")?;
        self.live.begin(format!("{}: waiting for the last messages", part.name));
        self.settle(part.is_taken).await?;

        let measured = self.board.measured();
        let heard = Heard {
            offered_per_s: part.rate,
            due: after.so_far.due - before.so_far.due,
            messages: after.so_far.delivered - before.so_far.delivered,
            seconds: (after.at - before.at).as_secs_f64(),
            delivered: measured.delivered,
            answered: measured.answered,
            lateness,
            cpu: after.cpu_since(&before),
            rss_kib: after.rss_kib(),
            idle: after.processors.idle_since(before.processors),
            readings: after.readings,
        };
        Ok((heard, outcome))
    }

    /// Watches until a time from the run's beginning. `end` is what is shown as the end.
    async fn watch_until(&mut self, until: Duration, end: Option<Duration>) -> Result<(), Problem> {
        while self.board.now() < until {
            let next = self.next_look.min(until);
            tokio::time::sleep(next.saturating_sub(self.board.now())).await;
            if self.board.now() >= self.next_look {
                self.look(end).await?;
            }
        }
        Ok(())
    }

    async fn watch_while<T>(&mut self, what: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
        let what = std::pin::pin!(what);
        let watch = std::pin::pin!(self.watch_until(Duration::MAX, None));
        match select(what, watch).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right((failed, what)) => {
                failed?;
                what.await
            }
        }
    }

    /// Waits until all that was sent is answered and all that was accepted has arrived, or nothing happens for as long as
    /// there is patience.
    async fn settle(&mut self, is_taken: bool) -> Result<(), Problem> {
        let (mut seen, mut since) = (self.board.so_far(), self.board.now());
        loop {
            let so_far = self.board.so_far();
            // It takes a look at every mailbox, so not before it may be true.
            let is_answered = so_far.answered() >= so_far.due;
            let may_have_arrived = so_far.delivered >= so_far.accepted;
            if is_answered && (!is_taken || may_have_arrived && !self.board.waits()) {
                return Ok(());
            }
            if so_far.answered() > seen.answered() || so_far.delivered > seen.delivered {
                (seen, since) = (so_far, self.board.now());
            }
            if self.board.now() - since > self.patience {
                self.events.note("what has not arrived is given up");
                return Ok(());
            }
            let next = self.board.now() + LOOK_EVERY;
            self.watch_until(next, None).await?;
        }
    }

    async fn look(&mut self, end: Option<Duration>) -> Result<(), Problem> {
        let now = State::now(&self.board, &self.probes).await?;
        let moment = now.since(&self.last, &self.board.lately());
        self.live.second(&moment, end.map(|end| end.saturating_sub(now.at)));
        self.timeline.push(moment);
        self.next_look = now.at + SECOND;
        self.last = now;
        Ok(())
    }

    /// Waits until all owners have what was sent to them, or no more can be hoped for.
    ///
    /// # Errors
    /// Where processes cannot be watched any more.
    pub async fn until_all_have_theirs(&mut self) -> Result<(), Problem> {
        self.settle(true).await
    }

    /// Where orders go.
    pub fn queues(&self) -> Queues {
        self.queues.clone()
    }

    /// Watches for some time in which there is no load.
    ///
    /// # Errors
    /// Where processes cannot be watched any more.
    pub async fn rest(&mut self, time: Duration) -> Result<(), Problem> {
        let until = self.board.now() + time;
        self.watch_until(until, Some(until)).await
    }

    /// The seconds so far, and what happened in them.
    pub fn story(&mut self) -> (Vec<Moment>, Vec<Event>) {
        (std::mem::take(&mut self.timeline), std::mem::take(&mut *self.events.all.lock()))
    }
}

impl Events {
    /// Something happened.
    pub fn note(&self, what: impl Into<String>) {
        let what = what.into();
        let at_s = self.board.now().as_secs_f64();
        self.live.note(&format!("{at_s:.1} s: {what}"));
        self.all.lock().push(Event { at_s, what });
    }
}

impl State {
    async fn now(board: &Board, probes: &Probes) -> Result<Self, Problem> {
        let readings = probes.read().await?;
        Ok(Self {
            at: board.now(),
            so_far: board.so_far(),
            readings,
            own: own_usage().during("reading /proc (is this Linux?)")?,
            processors: Processors::now().during("reading /proc (is this Linux?)")?,
        })
    }

    fn by_kind(&self) -> BTreeMap<Kind, Usage> {
        let mut all = by_kind(&self.readings);
        all.insert(Kind::Generator, self.own);
        all
    }

    /// The CPU time that each kind of process used since then.
    fn cpu_since(&self, before: &Self) -> BTreeMap<Kind, Duration> {
        cpu_between(&before.by_kind(), &self.by_kind())
    }

    fn rss_kib(&self) -> BTreeMap<Kind, u64> {
        self.by_kind().into_iter().map(|(kind, usage)| (kind, usage.rss_kib)).collect()
    }

    fn since(&self, before: &Self, times: &Times) -> Moment {
        let seconds = (self.at - before.at).as_secs_f64().max(f64::EPSILON);
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        let (now, then) = (&self.so_far, &before.so_far);
        let at = |share: f64| (!times.is_empty()).then(|| times.value_at_quantile(share));
        let cores = self.cpu_since(before).into_iter();
        let cores = cores.map(|(kind, cpu)| (kind.name().to_owned(), cpu.as_secs_f64() / seconds));
        Moment {
            at_s: self.at.as_secs_f64(),
            offered_per_s: rate(now.due, then.due),
            delivered_per_s: rate(now.delivered, then.delivered),
            refused_per_s: rate(now.refused + now.unknown, then.refused + then.unknown),
            p50_us: at(0.5),
            p99_us: at(0.99),
            max_us: at(1.0),
            cpu_cores: cores.collect(),
            rss_kib: self.rss_kib().into_iter().map(|(kind, kib)| (kind.name().to_owned(), kib)).collect(),
        }
    }
}
