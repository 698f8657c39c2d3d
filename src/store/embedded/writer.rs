//! The one thread that writes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Database, ReadableDatabase};
use sealpost_core::Address;

use super::super::{Durability, Event, StoreError, Wakes};
use super::fault::{CLOSED, Fault};
use super::medium::Medium;
use super::queue::Queued;
use super::shared::Shared;
use super::sweep::Sweeper;
use super::work::Work;
use crate::telemetry::{error, info};

/// How often it sweeps, and brings to the disk what was accepted with [`Durability::Memory`].
const TICK: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1000 });
/// How long a database that keeps failing is left alone, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    shared: Arc<Shared>,
    medium: Arc<dyn Medium>,
    durability: Durability,
    wakes: Arc<dyn Wakes>,
    sweeper: Sweeper,
    /// Whether something is committed that is not on the disk.
    unflushed: bool,
    /// How long to wait after the next failure; nothing after the first one.
    pause: Duration,
    /// When to reopen the database, while it is closed.
    reopen_at: Instant,
}

type Events = Vec<(Address, Event)>;

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        medium: Arc<dyn Medium>,
        durability: Durability,
        wakes: Arc<dyn Wakes>,
    ) -> Self {
        Self {
            shared,
            medium,
            durability,
            wakes,
            sweeper: Sweeper::default(),
            unflushed: false,
            pause: Duration::ZERO,
            reopen_at: Instant::now(),
        }
    }

    /// Works until the queue is closed and done.
    pub(super) fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let _abandoned = OnEnd(|| {
            shared.queue.abandon();
            *shared.database.write() = None;
        });
        let mut next_tick = Instant::now() + TICK;
        loop {
            let taken = self.shared.queue.take(next_tick);
            self.reopen();
            if !taken.jobs.is_empty() {
                self.process(taken.jobs);
            }
            if taken.over {
                break;
            }
            if Instant::now() >= next_tick {
                self.tick();
                next_tick = Instant::now() + TICK;
            }
        }
        self.flush();
    }

    /// Does these in one transaction; then tells; then answers, so that who watches after an answer does not hear of
    /// what was before it.
    fn process(&mut self, mut jobs: Vec<Queued>) {
        let outcome = self.transact(|work| jobs.iter_mut().try_for_each(|queued| queued.job.apply(work)));
        let (answer, events) = match outcome {
            Ok(events) => (Ok(()), events),
            Err(error) => (Err(error), Events::new()),
        };
        self.tell(events);
        for queued in jobs {
            queued.job.settle(answer);
        }
    }

    fn tell(&self, events: Events) {
        for (address, event) in events {
            if self.shared.watched.contains(&address) {
                self.wakes.wake(&address, event);
            }
        }
    }

    fn tick(&mut self) {
        self.flush();
        let (limits, now) = (self.shared.limits, self.shared.clock.now().hour());
        let due = {
            let database = self.shared.database.read();
            let Some(database) = database.as_ref() else {
                return;
            };
            database.begin_read().map_err(Fault::from).and_then(|reading| self.sweeper.look(&reading, limits, now))
        };
        match due {
            Ok(due) if due.is_empty() => {}
            Ok(due) => {
                if let Ok(events) = self.transact(|work| work.sweep(&due)) {
                    self.tell(events);
                }
            }
            Err(fault) => self.fail(&fault),
        }
    }

    fn flush(&mut self) {
        if !self.unflushed {
            return;
        }
        let flushed = match self.shared.database.read().as_ref() {
            Some(database) => database.begin_write().map_err(Fault::from).and_then(|empty| Ok(empty.commit()?)),
            None => return,
        };
        match flushed {
            Ok(()) => self.unflushed = false,
            Err(fault) => self.fail(&fault),
        }
    }

    /// Commits what is done, and gives what there is to tell. After a failure the database is closed.
    fn transact(&mut self, operation: impl FnOnce(&mut Work<'_>) -> Result<(), Fault>) -> Result<Events, StoreError> {
        let outcome = match self.shared.database.read().as_ref() {
            Some(database) => self.commit(database, operation),
            None => return Err(CLOSED),
        };
        match outcome {
            Ok((events, changed)) => {
                if changed {
                    self.pause = Duration::ZERO;
                    self.unflushed = self.durability == Durability::Memory;
                }
                Ok(events)
            }
            Err(fault) => {
                self.fail(&fault);
                Err(fault.to_answer())
            }
        }
    }

    fn commit(
        &self,
        database: &Database,
        operation: impl FnOnce(&mut Work<'_>) -> Result<(), Fault>,
    ) -> Result<(Events, bool), Fault> {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(match self.durability {
            Durability::Memory => redb::Durability::None,
            // Nothing has replicas here; the configuration refuses to promise them.
            Durability::Fsync | Durability::Replicas(_) => redb::Durability::Immediate,
        })?;
        let (now, epoch) = (self.shared.clock.now().hour(), self.shared.epoch());
        let mut work = Work::new(&transaction, self.shared.limits, now, epoch)?;
        operation(&mut work)?;
        let (events, changed) = work.finish();
        if changed {
            transaction.commit()?;
        } else {
            transaction.abort()?;
        }
        Ok((events, changed))
    }

    /// Closes the database: after an I/O error it refuses to work until it is opened again.
    fn fail(&mut self, fault: &Fault) {
        error!("the database failed and is closed", fault = fault.to_answer());
        *self.shared.database.write() = None;
        self.reopen_at = Instant::now() + self.pause;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }

    /// Opens the database again if it is closed, and if it is time.
    fn reopen(&mut self) {
        if self.shared.database.read().is_some() || Instant::now() < self.reopen_at {
            return;
        }
        match self.medium.open() {
            Ok(database) => {
                if std::mem::take(&mut self.unflushed) {
                    // Sequences that streams have sent are given again.
                    self.shared.next_epoch();
                }
                *self.shared.database.write() = Some(database);
                info!("the database is open again");
                // A commit that failed may have happened all the same, or others may be undone.
                for address in self.shared.watched.all() {
                    self.wakes.wake(&address, Event::Missed);
                }
            }
            Err(error) => {
                error!("the database cannot be opened", error = error);
                self.reopen_at = Instant::now() + self.pause;
                self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            }
        }
    }
}

/// Does something at the end of a scope, also when it is left by a panic.
struct OnEnd<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
