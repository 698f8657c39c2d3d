//! All owners lose their connections at once and come back, under a light load.

use std::time::{Duration, Instant};

use super::fill;
use super::scene::Scene;
use super::stage::Part;
use crate::driver::Driver as _;
use crate::problem::Problem;
use crate::report::Report;
use crate::target::probes::cpu_between;

/// Before the first round, and after each.
const CALM: Duration = Duration::from_secs(3);

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let count = scenario.owners.mailboxes;
    let ready = scene.ready(&scenario.spawn, count).await?;
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let part = Part { lasts: None, ..Part::of(&scenario.load, &scene.name) };
    let events = stage.events.clone();
    let rounds = async {
        let (mut longest, mut opening) = (Duration::ZERO, Vec::new());
        tokio::time::sleep(CALM).await;
        for _ in 0..scenario.storm.rounds {
            let before = ready.probes.by_kind().await?;
            let began = Instant::now();
            events.note(format!("{count} owners lose their connections"));
            fleet.storm(scenario.storm.spread.0);
            fleet.until_live(count).await?;
            longest = longest.max(began.elapsed());
            events.note(format!("all are back after {:.1} s", began.elapsed().as_secs_f64()));
            opening.push(cpu_between(&before, &ready.probes.by_kind().await?));
            tokio::time::sleep(CALM).await;
        }
        Ok((longest, opening))
    };
    let (heard, (longest, rounds)) = stage.play(&part, rounds).await?;
    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    fill::heard(&mut report, &heard)?;
    report.figures.insert("seconds until all were back, longest".to_owned(), longest.as_secs_f64());
    let openings = (count * rounds.len()).max(1) as f64;
    for (kind, used) in rounds.iter().flatten() {
        // The light load is in it.
        let sum = report.figures.entry(format!("{} CPU for an owner who comes back, µs", kind.name())).or_default();
        *sum += used.as_secs_f64() * 1e6 / openings;
    }
    fill::found(&mut report, &stage.board);
    fill::story(&mut report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}
