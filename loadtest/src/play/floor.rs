//! What Redis takes for the bare work: the same messages through a pipelined client, with nothing around it.

use std::sync::Arc;

use super::scene::Scene;
use super::stage::{Part, Stage};
use super::{fill, ladder};
use crate::board::Board;
use crate::driver::Driver as _;
use crate::driver::bare_redis::BareRedis;
use crate::driver::wiring::Wiring;
use crate::problem::Problem;
use crate::report::Report;
use crate::target::{Kind, Probes, Watched, redis};

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    scene.live.begin("starting Redis");
    let system = redis::start(scenario.spawn.durability).await?;
    let mut report = fill::of_system(scene, &system.about);
    report.name = Some(format!("bare {}", system.about.name));
    let wiring = Wiring::to(&system, scenario);
    let board = Arc::new(Board::new(scenario.owners.mailboxes, None));
    let mut driver = BareRedis::new(wiring);
    driver.open(&board).await?;
    let queues = driver.senders(&board).await?;
    let probes = Probes::of_processes(vec![Watched { kind: Kind::Store, account: system.server.account() }]);
    let mut stage = Stage::new(board, queues, probes, scene.live.clone(), scenario.load.patience.0).await?;
    let (steps, knee) = ladder::climb(&mut stage, &scenario.ladder, &scenario.load, "floor").await?;
    (report.steps, report.knee_per_s) = (steps, knee);
    // At the knee: it is the bound, and pipelines are full there.
    let mut load = scenario.load.clone();
    load.rate = knee.unwrap_or(scenario.ladder.from);
    let (heard, ()) = stage.play(&Part::of(&load, "floor, at its knee"), async { Ok(()) }).await?;
    fill::heard(&mut report, &heard)?;
    fill::found(&mut report, &stage.board);
    fill::story(&mut report, &mut stage);
    driver.close().await?;
    Ok(report)
}
