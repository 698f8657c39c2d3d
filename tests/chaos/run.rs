//! One fault test: relays, traffic, rounds of a fault, and the verdict.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sealpost_testkit::eventually;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::away::{Away, Round};
use crate::checker::{Numbers, check};
use crate::history::What;
use crate::journal::Journal;
use crate::relays::{RELAYS, Relay};
use crate::report::{self, Line};
use crate::store::{Store, Topology};
use crate::traffic::{MAILBOXES, Traffic};
use crate::{PATIENCE, SETTLING};

/// Runs at once: each keeps a processor busy.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A run under way.
pub(crate) struct Run {
    fault: &'static str,
    topology: Topology,
    numbers: Numbers,
    pub(crate) relays: Vec<Relay>,
    pub(crate) traffic: Traffic,
    pub(crate) store: Store,
    journal: Arc<Journal>,
    directory: PathBuf,
    rounds: Vec<Round>,
    judged: bool,
    _turn: SemaphorePermit<'static>,
}

/// How often a fault is repeated.
pub(crate) fn rounds() -> usize {
    std::env::var("SEALPOST_CHAOS_ROUNDS").map_or(1, |rounds| rounds.parse().expect("SEALPOST_CHAOS_ROUNDS: a number"))
}

impl Run {
    /// When it is this run's turn: starts Redis, relays and traffic, and waits until all of it flows.
    pub(crate) async fn begin(fault: &'static str, topology: Topology) -> Self {
        let turn = TURNS.acquire().await.unwrap();
        let store = topology.spawn().await;
        let directory = report::directory().join(format!("{fault} on {}", topology.name()).replace(' ', "-"));
        // What an earlier run left.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        let flags = ["--store", &store.url(), "--store-durability", topology.durability()];
        let mut relays = Vec::new();
        for number in 0..RELAYS {
            relays.push(Relay::spawn(number, &flags, &directory).await);
        }
        let journal = Arc::new(Journal::new());
        let traffic = Traffic::begin(&relays, &journal).await;
        let mut run = Self {
            fault,
            topology,
            numbers: Numbers::GivenOnce,
            relays,
            traffic,
            store,
            journal,
            directory,
            rounds: Vec::new(),
            judged: false,
            _turn: turn,
        };
        run.flows().await;
        run
    }

    /// This fault lets a replica take its primary's place, where there is one.
    pub(crate) fn fails_over(&mut self) {
        if !matches!(self.store, Store::Standalone(_)) {
            self.numbers = Numbers::MayBeGivenAgain;
        }
    }

    /// A round of the fault begins, with this.
    pub(crate) fn round(&mut self, what: impl Into<String>) {
        self.note(what);
        self.rounds.push(Round { from: self.journal.now(), to: Duration::ZERO });
        eprintln!("{self}: round {} of {}", self.rounds.len(), rounds());
    }

    /// Puts down what is done.
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.journal.write(What::Fault(what.into()));
    }

    /// Everything is as it was: waits until it works, and ends the round.
    pub(crate) async fn healed(&mut self) {
        self.note("all is whole again");
        self.flows().await;
        if let Some(round) = self.rounds.last_mut() {
            round.to = self.journal.now();
        }
    }

    /// Waits until each mailbox has accepted a letter from now on, and delivered one that was sent from now on.
    pub(crate) async fn flows(&mut self) {
        let now = self.journal.now();
        let (journal, traffic) = (self.journal.clone(), &mut self.traffic);
        let flows = eventually("every mailbox takes and gives", PATIENCE * 2, async || {
            traffic.check();
            journal.silent_since(now, MAILBOXES).is_empty().then_some(())
        });
        if timeout(PATIENCE, flows).await.is_err() {
            let silent = self.journal.silent_since(now, MAILBOXES);
            panic!("{self}: {}", report::stuck(&self.journal.history(), &silent));
        }
    }

    /// Waits until senders were refused so often, from now on.
    pub(crate) async fn refusals(&self, many: usize) {
        let so_many = self.journal.refusals() + many;
        eventually("senders are refused", PATIENCE, async || (self.journal.refusals() >= so_many).then_some(())).await;
    }

    /// Waits until so many letters were accepted, from now on.
    pub(crate) async fn accepts(&self, many: usize) {
        let so_many = self.journal.accepted() + many;
        eventually("letters are accepted", PATIENCE, async || (self.journal.accepted() >= so_many).then_some(())).await;
    }

    /// Waits until so many accepted letters have not been delivered.
    pub(crate) async fn piled_up(&self, many: usize) {
        eventually("letters pile up", PATIENCE, async || (self.journal.on_the_way() >= many).then_some(())).await;
    }

    /// Waits until all that was accepted has been delivered; false if that takes too long.
    pub(crate) async fn settles(&mut self) -> bool {
        let (journal, traffic) = (self.journal.clone(), &mut self.traffic);
        let settled = eventually("all that was accepted is delivered", SETTLING * 2, async || {
            traffic.check();
            (journal.on_the_way() == 0).then_some(())
        });
        timeout(SETTLING, settled).await.is_ok()
    }

    /// Ends the traffic, waits until all is delivered, and judges.
    pub(crate) async fn end(mut self) {
        self.traffic.stop_sending().await;
        self.settles().await;
        let history = self.journal.history();
        let verdict = check(&history, self.numbers);
        let away = Away::measure(&history, &self.rounds);
        let (fault, topology) = (self.fault, self.topology.name());
        let line = Line { fault, topology, rounds: self.rounds.len(), verdict: &verdict, away: &away };
        eprintln!("{line}");
        report::add(&line);
        self.judged = true;
        assert!(verdict.violations.is_empty(), "{self}: {}", report::violations(&history, &verdict.violations));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            if !self.judged {
                report::add_unjudged(self.fault, self.topology.name(), self.rounds.len());
            }
            let file = self.directory.join("history.txt");
            match report::write_history(&file, &self.journal.history()) {
                Ok(()) => eprintln!("The whole history is in {}; the relays' logs are beside it.", file.display()),
                Err(error) => eprintln!("The history could not be written to {}: {error}", file.display()),
            }
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.fault, self.topology.name())
    }
}
