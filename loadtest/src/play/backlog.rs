//! Mailboxes fill while their owners are away; then all come and get everything.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::fill;
use super::scene::Scene;
use super::stage::Part;
use crate::board::Board;
use crate::driver::Driver as _;
use crate::driver::sealpost::Fleet;
use crate::problem::Problem;
use crate::report::Report;
use crate::target::probes::cpu_between;

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let count = scenario.owners.mailboxes;
    let ready = scene.ready(&scenario.spawn, count).await?;
    let board = Arc::new(Board::new(count, None));
    let mut fleet = Fleet::new(ready.relays.clone(), ready.mailboxes.clone(), scenario)?;
    let mut stage = scene.curtain(&ready, scenario, board.clone(), &mut fleet).await?;
    let messages = (count * scenario.backlog.depth) as f64;
    let part = Part {
        name: format!("{}, filling", scene.name),
        arrivals: scenario.load.arrivals,
        before: Vec::new(),
        rate: scenario.load.rate,
        lasts: Some(Duration::from_secs_f64(messages / scenario.load.rate)),
        is_taken: false,
    };
    let (filling, ()) = stage.play(&part, async { Ok(()) }).await?;

    stage.events.note("all owners come");
    let before = ready.probes.by_kind().await?;
    let began = Instant::now();
    fleet.start_owners(&board, 0..count, false);
    fleet.until_live(count).await?;
    let caught_up = began.elapsed().as_secs_f64();
    stage.until_all_have_theirs().await?;
    let drained = began.elapsed().as_secs_f64();
    let after = ready.probes.by_kind().await?;

    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    fill::heard(&mut report, &filling)?;
    // They are from before their owners came: how long each waited says nothing. Nor was anything delivered meanwhile.
    (report.latency_us, report.latency_histogram, report.latency_curve) = (None, None, Vec::new());
    (report.throughput_per_s, report.measured) = (None, None);
    report.cpu_us_per_message.clear();
    if let Some(verdict) = &mut report.verdict {
        verdict.warnings.clear();
    }
    let delivered = board.so_far().delivered as f64;
    report.figures.insert("delivered a second while draining".to_owned(), delivered / drained);
    report.figures.insert("seconds until all had caught up".to_owned(), caught_up);
    report.figures.insert("seconds until everything was delivered".to_owned(), drained);
    for (kind, used) in cpu_between(&before, &after) {
        let name = format!("{} CPU a message while draining, µs", kind.name());
        report.figures.insert(name, used.as_secs_f64() * 1e6 / delivered.max(1.0));
    }
    fill::found(&mut report, &board);
    fill::story(&mut report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}
