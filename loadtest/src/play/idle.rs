//! What an owner costs who is only there: memory as a slope over groups of owners, the CPU of opening, and what is left
//! after a burst of messages to each.

use std::sync::Arc;
use std::time::Duration;

use super::fill;
use super::scene::{Ready, Scene, Target};
use super::stage::Stage;
use super::steady::slope;
use crate::board::{Board, Order};
use crate::driver::Driver as _;
use crate::driver::sealpost::Fleet;
use crate::pace::Queues;
use crate::problem::Problem;
use crate::process::Usage;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::target::Kind;
use crate::target::probes::cpu_between;

/// What was found for one way to connect.
struct Found {
    /// Of the relay, for each owner.
    kib: f64,
    kib_after_burst: Option<f64>,
    open_us: Vec<(Kind, f64)>,
}

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    if let Target::Deployment(deployment) = &scene.target
        && deployment.metrics.is_empty()
    {
        return Err(Problem::usage("nobody says how much memory the relays have")
            .remedy("name their metrics endpoints with --metrics URL"));
    }
    let mut report = fill::begun(scene, &scene.scenario);
    report.verdict = Some(crate::report::Verdict { passed: true, ..Default::default() });
    let found = once(scene, &scene.scenario, &mut report).await?;
    report.kib_per_idle_owner = Some(found.kib);
    let figures = &mut report.figures;
    figures.extend(found.kib_after_burst.map(|kib| ("KiB an owner after the burst".to_owned(), kib)));
    figures.extend(found.open_us.iter().map(|(kind, us)| (format!("{} CPU to open, µs", kind.name()), *us)));
    if let Target::Spawn(_) = scene.target {
        let mut other = scene.scenario.clone();
        other.spawn.tls = !other.spawn.tls;
        let how = if other.spawn.tls { "by TLS" } else { "in plaintext" };
        let mut second = Report::default();
        let found = once(scene, &other, &mut second).await?;
        fill::blame(&mut report, &second, how);
        let figures = &mut report.figures;
        figures.insert(format!("KiB an idle owner {how}"), found.kib);
        figures.extend(found.kib_after_burst.map(|kib| (format!("KiB an owner after the burst {how}"), kib)));
        figures.extend(found.open_us.iter().map(|(kind, us)| (format!("{} CPU to open {how}, µs", kind.name()), *us)));
    }
    Ok(report)
}

async fn once(scene: &Scene, scenario: &Scenario, report: &mut Report) -> Result<Found, Problem> {
    let count = scenario.owners.mailboxes;
    let ready = scene.ready(&scenario.spawn, count).await?;
    report.environment = ready.environment();
    let board = Arc::new(Board::new(count, None));
    let mut fleet = Fleet::new(ready.relays.clone(), ready.mailboxes.clone(), scenario)?;
    let mut stage = scene.curtain(&ready, scenario, board.clone(), &mut fleet).await?;
    stage.rest(scenario.idle.settle.0).await?;
    let before = ready.probes.by_kind().await?;
    let mut points = Vec::new();
    let group = count.div_ceil(scenario.idle.groups.max(1)).max(1);
    for first in (0..count).step_by(group) {
        let end = (first + group).min(count);
        scene.live.begin(format!("{}: opening {end} of {count} mailboxes", scene.name));
        fleet.open_some(&board, first..end, false).await?;
        stage.rest(scenario.idle.settle.0).await?;
        points.push((end as f64, relay(&ready).await?.rss_kib as f64));
    }
    let after = ready.probes.by_kind().await?;
    let each = |(kind, used): (Kind, Duration)| (kind, used.as_secs_f64() * 1e6 / count as f64);
    let open_us = cpu_between(&before, &after).into_iter().map(each).collect();
    // One group has no slope, but a difference.
    let base = before.get(&Kind::Relay).map(|usage| usage.rss_kib as f64).unwrap_or_default();
    let last = points.last().map(|point| point.1).unwrap_or_default();
    let kib = if points.len() > 1 { slope(&points) } else { None }.unwrap_or((last - base) / count as f64);
    let kib_after_burst = match scenario.idle.burst {
        0 => None,
        burst => {
            let after = after_burst(scene, scenario, &ready, &mut stage, burst).await?;
            Some(kib + (after - last) / count as f64)
        }
    };
    fill::found(report, &board);
    fill::story(report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(Found { kib, kib_after_burst, open_us })
}

/// Sends so many messages to each, waits until all have them and memory has settled; the relay's memory then.
async fn after_burst(
    scene: &Scene,
    scenario: &Scenario,
    ready: &Ready,
    stage: &mut Stage,
    burst: usize,
) -> Result<f64, Problem> {
    scene.live.begin(format!("{}: {burst} messages to each owner", scene.name));
    stage.events.note(format!("{burst} messages to each owner"));
    let queues = stage.queues();
    order_each(&stage.board, &queues, burst);
    stage.until_all_have_theirs().await?;
    stage.events.note("all have theirs");
    stage.rest(scenario.idle.settle.0 * SETTLES_AFTER_A_BURST).await?;
    Ok(relay(ready).await?.rss_kib as f64)
}

/// The allocator gives memory back after some seconds.
const SETTLES_AFTER_A_BURST: u32 = 4;

fn order_each(board: &Board, queues: &Queues, burst: usize) {
    // One to each, then the next to each: all owners are busy at once.
    let mailboxes = u32::try_from(board.mailboxes()).unwrap_or(u32::MAX);
    let orders = (0..burst).flat_map(|_| 0..mailboxes);
    for (mailbox, queue) in orders.zip(queues.iter().cycle()) {
        let order = Order { mailbox, due: board.now() };
        if queue.send(order).is_ok() {
            board.due();
        }
    }
}

async fn relay(ready: &Ready) -> Result<Usage, Problem> {
    Ok(ready.probes.by_kind().await?.remove(&Kind::Relay).unwrap_or_default())
}
