//! Other systems do the same work as ours, on real servers (`make tools` installs them), under the same clock and checker.
#![allow(
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a panic is a failed test, and what a crash cost is worth a line"
)]

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sealpost_loadtest::board::{Board, Verdict};
use sealpost_loadtest::driver::Driver;
use sealpost_loadtest::driver::bare_redis::BareRedis;
use sealpost_loadtest::driver::jetstream::JetStream;
use sealpost_loadtest::driver::mosquitto::Mosquitto;
use sealpost_loadtest::driver::wiring::{Progress, Wiring};
use sealpost_loadtest::pace::{Pace, Pacer};
use sealpost_loadtest::scenario::Durability;
use sealpost_loadtest::schedule::{Arrivals, Schedule, Stretch};
use sealpost_loadtest::target::nats::Fsync;
use sealpost_loadtest::target::system::System;
use sealpost_loadtest::target::{mosquitto, nats, redis};
use sealpost_testkit::eventually;

const MAILBOXES: usize = 20;
/// JetStream gives what was under way in a crash again after 30 seconds; and the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(180);

fn wiring(system: &System) -> Wiring {
    Wiring { port: system.port, connections: 2, payload_bytes: 1024 }
}

fn in_silence() -> Progress {
    Arc::new(|_| ())
}

/// A run that has begun.
struct Run<D> {
    board: Arc<Board>,
    driver: D,
    pacer: Pacer,
}

impl<D: Driver> Run<D> {
    async fn begin(mut driver: D, lasts: Duration) -> Self {
        let board = Arc::new(Board::new(MAILBOXES, None));
        driver.open(&board).await.unwrap();
        let queues = driver.senders(&board).await.unwrap();
        let schedule = Schedule::new(vec![Stretch::steady(400.0, lasts)], Arrivals::Poisson, StdRng::seed_from_u64(1));
        let begins = board.now();
        let pacer = Pacer::start(Pace { schedule, begins }, board.clone(), queues).unwrap();
        Self { board, driver, pacer }
    }

    async fn delivers(&self, more: u64) {
        let enough = self.board.so_far().delivered + more;
        eventually("more is delivered", PATIENCE, async || (self.board.so_far().delivered >= enough).then_some(()))
            .await;
    }

    async fn all_is_sent(&self) {
        let is_answered = || {
            let so_far = self.board.so_far();
            so_far.answered() == so_far.due
        };
        let all = async || (self.pacer.is_done() && is_answered()).then_some(());
        eventually("all is sent and answered", PATIENCE, all).await;
    }

    async fn nothing_is_missing(&self) {
        eventually("all that was accepted is there", PATIENCE, async || (!self.board.waits()).then_some(())).await;
    }

    async fn end(self) -> Verdict {
        self.driver.close().await.unwrap();
        self.board.verdict()
    }
}

/// What a system without faults makes of a second's messages.
async fn all_arrives_once_and_in_order(driver: impl Driver) {
    let run = Run::begin(driver, Duration::from_secs(1)).await;
    run.all_is_sent().await;
    run.nothing_is_missing().await;
    let verdict = run.end().await;
    let counts = verdict.counts;
    assert!(counts.sent > 200, "{verdict:?}");
    assert_eq!((counts.accepted, counts.delivered), (counts.sent, counts.sent), "{verdict:?}");
    assert_eq!(
        (counts.duplicates, counts.out_of_order, counts.unexpected, verdict.corrupted),
        (0, 0, 0, 0),
        "{verdict:?}"
    );
    assert!(verdict.errors.is_empty(), "{verdict:?}");
}

/// Kills the server under load and starts it again; gives the run when everything is sent, and delivered again.
async fn over_a_kill<D: Driver>(driver: D, system: &mut System) -> Run<D> {
    let run = Run::begin(driver, Duration::from_secs(4)).await;
    run.delivers(200).await;
    system.server.kill();
    system.start_again().await.unwrap();
    run.delivers(200).await;
    run.all_is_sent().await;
    run
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_redis_does_the_work() {
    for durability in [Durability::Memory, Durability::Always] {
        let system = redis::start(durability).await.unwrap();
        all_arrives_once_and_in_order(BareRedis::new(wiring(&system))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_does_the_work() {
    for fsync in [Fsync::EveryTwoMinutes, Fsync::Always] {
        let system = nats::start(fsync).await.unwrap();
        assert_eq!((system.about.name.as_str(), system.about.version.split('.').count()), ("NATS JetStream", 3));
        // Again, and nothing of the first run is left.
        for _ in 0..2 {
            all_arrives_once_and_in_order(JetStream::new(wiring(&system), in_silence())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_does_the_work() {
    let system = mosquitto::start().await.unwrap();
    assert_eq!((system.about.name.as_str(), system.about.version.split('.').count()), ("Mosquitto", 3));
    for _ in 0..2 {
        all_arrives_once_and_in_order(Mosquitto::new(wiring(&system), in_silence())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jetstream_with_fsync_loses_nothing_that_it_accepted_when_it_is_killed() {
    let mut system = nats::start(Fsync::Always).await.unwrap();
    let driver = JetStream::new(wiring(&system), in_silence());
    let run = over_a_kill(driver, &mut system).await;
    run.nothing_is_missing().await;
    let verdict = run.end().await;
    assert_eq!((verdict.counts.lost, verdict.counts.unexpected, verdict.corrupted), (0, 0, 0), "{verdict:?}");
    assert!(verdict.errors.contains_key("a connection to NATS broke"), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquitto_goes_on_after_it_was_killed() {
    let mut system = mosquitto::start().await.unwrap();
    let driver = Mosquitto::new(wiring(&system), in_silence());
    let verdict = over_a_kill(driver, &mut system).await.end().await;
    // What it accepted for owners who were not back yet is lost, and what waited in memory.
    eprintln!(
        "Mosquitto lost {} of {} accepted messages when it was killed",
        verdict.counts.lost, verdict.counts.accepted
    );
    assert_eq!((verdict.counts.unexpected, verdict.corrupted), (0, 0), "{verdict:?}");
    assert!(verdict.errors.contains_key("an owner's connection to Mosquitto broke"), "{verdict:?}");
    assert!(verdict.errors.contains_key("a sender's connection to Mosquitto broke"), "{verdict:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_problem() {
    let nowhere = Wiring { port: 1, connections: 1, payload_bytes: 1024 };
    let board = Arc::new(Board::new(1, None));
    let redis = BareRedis::new(nowhere).open(&board).await.unwrap_err().to_string();
    let jetstream = JetStream::new(nowhere, in_silence()).open(&board).await.unwrap_err().to_string();
    let mosquitto = Mosquitto::new(nowhere, in_silence()).open(&board).await.unwrap_err().to_string();
    for (problem, name) in [(redis, "Redis"), (jetstream, "NATS"), (mosquitto, "Mosquitto")] {
        assert!(problem.contains(name) && problem.contains("failed"), "{problem}");
    }
}
