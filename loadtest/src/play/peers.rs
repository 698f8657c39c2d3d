//! Sealpost beside other systems, doing the same work in one run: an opaque message to one of many durable mailboxes,
//! stored, delivered to an owner who is connected, acknowledged.
//!
//! Each system gets the same treatment: its mailboxes are opened (an idle owner's memory), a ladder finds its knee, a steady
//! load at half of *our* knee (of its own, if it cannot carry that) gives CPU and latency, and in the end its servers are killed (SIGKILL) under
//! load and started again on the same files.

use std::sync::Arc;
use std::time::Duration;

use super::scene::{Ready, Scene};
use super::stage::{Part, Stage};
use super::{fill, floor, ladder};
use crate::board::Board;
use crate::driver::Driver;
use crate::driver::jetstream::JetStream;
use crate::driver::mosquitto::Mosquitto;
use crate::driver::sealpost::Fleet;
use crate::driver::wiring::{Progress, Wiring};
use crate::problem::Problem;
use crate::report::Report;
use crate::scenario::{Durability, Peer, Scenario};
use crate::target::nats::Fsync;
use crate::target::relay::Installation;
use crate::target::system::System;
use crate::target::{Kind, Probes, Watched, mosquitto, nats};

/// After opening, memory may settle for so long.
const SETTLE: Duration = Duration::from_secs(2);
/// A server is killed under this share of the load that it was measured with.
const SHARE_AT_KILL: f64 = 0.25;
/// How long nothing more comes after a kill until what is missing is lost. JetStream gives up on an unanswered message after
/// 20 seconds, and gives what was under way to an owner again after 30.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_WITH_JETSTREAM: Duration = Duration::from_secs(55);

/// Its servers, which can be killed.
enum Servers {
    Sealpost(Box<Installation>),
    Other(Box<System>),
}

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let mut whole = ours(scene, scenario, None).await?;
    let half = whole.knee_per_s.map(|knee| knee / 2.0);
    let others = [Durability::Memory, Durability::Everysec, Durability::Always].into_iter();
    for durability in others.filter(|durability| *durability != scenario.spawn.durability) {
        let mut other = scenario.clone();
        other.spawn.durability = durability;
        let also_ours = ours(scene, &other, half).await?;
        fill::blame(&mut whole, &also_ours, also_ours.durability.as_deref().unwrap_or_default());
        whole.peers.push(also_ours);
    }
    for peer in &scenario.peers.systems {
        whole.peers.push(theirs(scene, *peer, half).await?);
    }
    whole.floor = Some(Box::new(floor::play(scene).await?));
    Ok(whole)
}

async fn ours(scene: &Scene, scenario: &Scenario, rate: Option<f64>) -> Result<Report, Problem> {
    let Ready { relays, mailboxes, probes, installation } =
        scene.ready(&scenario.spawn, scenario.owners.mailboxes).await?;
    let Some(installation) = installation else { return Err(Problem::new("nothing was started")) };
    let mut report = fill::begun(scene, scenario);
    report.environment = Some(installation.environment());
    report.name = Some(fill::OURS.to_owned());
    let fleet = Fleet::new(relays, mailboxes, scenario)?;
    contend(scene, scenario, report, probes, fleet, Servers::Sealpost(Box::new(installation)), rate).await
}

async fn theirs(scene: &Scene, peer: Peer, rate: Option<f64>) -> Result<Report, Problem> {
    scene.live.begin("starting a peer");
    let scenario = &scene.scenario;
    let system = match peer {
        Peer::Jetstream => nats::start(Fsync::EveryTwoMinutes).await?,
        Peer::JetstreamSync => nats::start(Fsync::Always).await?,
        Peer::Mosquitto => mosquitto::start().await?,
    };
    let report = fill::of_system(scene, &system.about);
    let wiring = Wiring::to(&system, scenario);
    let (live, mailboxes) = (scene.live.clone(), scenario.owners.mailboxes);
    let progress: Progress = Arc::new(move |done| live.at(done, mailboxes));
    let probes = Probes::of_processes(vec![Watched { kind: Kind::Relay, account: system.server.account() }]);
    scene.live.begin(format!("{}: opening mailboxes", system.about.name));
    let servers = Servers::Other(Box::new(system));
    match peer {
        Peer::Jetstream | Peer::JetstreamSync => {
            contend(scene, scenario, report, probes, JetStream::new(wiring, progress), servers, rate).await
        }
        Peer::Mosquitto => {
            contend(scene, scenario, report, probes, Mosquitto::new(wiring, progress), servers, rate).await
        }
    }
}

async fn contend(
    scene: &Scene,
    scenario: &Scenario,
    mut report: Report,
    probes: Probes,
    mut driver: impl Driver,
    mut servers: Servers,
    rate: Option<f64>,
) -> Result<Report, Problem> {
    let name = report.name.clone().unwrap_or_default();
    let board = Arc::new(Board::new(scenario.owners.mailboxes, None));
    let before = memory_kib(&probes).await?;
    driver.open(&board).await?;
    tokio::time::sleep(SETTLE).await;
    let each = (memory_kib(&probes).await? - before) / scenario.owners.mailboxes as f64;
    report.kib_per_idle_owner = Some(each);

    let queues = driver.senders(&board).await?;
    let mut stage = Stage::new(board, queues, probes, scene.live.clone(), scenario.load.patience.0).await?;
    let mut load = scenario.load.clone();
    let climbs = rate.is_none() || matches!(servers, Servers::Other(_));
    if climbs {
        (report.steps, report.knee_per_s) = ladder::climb(&mut stage, &scenario.ladder, &load, &name).await?;
    }
    let knee = report.knee_per_s;
    // One that cannot carry half of what we can is measured at half of what it can.
    let can = if climbs { knee.unwrap_or(scenario.ladder.from) } else { f64::INFINITY };
    load.rate = rate.filter(|rate| *rate <= can).unwrap_or(can / 2.0);
    let (heard, ()) = stage.play(&Part::of(&load, format!("{name}, steady")), async { Ok(()) }).await?;
    fill::heard(&mut report, &heard)?;
    fill::found(&mut report, &stage.board);

    load.rate *= SHARE_AT_KILL;
    let part = Part { lasts: None, ..Part::of(&load, format!("{name}, killed")) };
    stage.patience = if name.contains("JetStream") { PATIENCE_WITH_JETSTREAM } else { PATIENCE };
    let (events, lost_before) = (stage.events.clone(), stage.board.verdict().counts.lost);
    let kill = async {
        tokio::time::sleep(scenario.peers.kill_after.0).await;
        events.note("its servers are killed");
        servers.kill_and_start_again().await?;
        events.note("they are ready again");
        tokio::time::sleep(scenario.peers.kill_after.0).await;
        Ok(())
    };
    stage.play(&part, kill).await?;
    report.lost_on_kill = Some(stage.board.verdict().counts.lost - lost_before);
    fill::story(&mut report, &mut stage);
    driver.close().await?;
    Ok(report)
}

async fn memory_kib(probes: &Probes) -> Result<f64, Problem> {
    Ok(probes.by_kind().await?.values().map(|usage| usage.rss_kib as f64).sum())
}

impl Servers {
    async fn kill_and_start_again(&mut self) -> Result<(), Problem> {
        match self {
            Self::Other(system) => {
                system.server.kill();
                system.start_again().await
            }
            Self::Sealpost(installation) => {
                for number in 0..installation.relays() {
                    installation.server(number)?.kill();
                }
                if let Some(redis) = installation.redis() {
                    redis.server.kill();
                    redis.start_again().await?;
                }
                for number in 0..installation.relays() {
                    installation.come_back(number).await?;
                }
                Ok(())
            }
        }
    }
}
