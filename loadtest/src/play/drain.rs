//! One of several relays leaves and comes back, again and again, under load.

use std::time::Duration;

use super::fill;
use super::scene::Scene;
use super::stage::Part;
use crate::driver::Driver as _;
use crate::problem::Problem;
use crate::report::{Report, grouped};

/// How much later than announced an owner may have its stream again.
const GRACE: Duration = Duration::from_secs(1);

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let count = scenario.owners.mailboxes;
    let mut ready = scene.ready(&scenario.spawn, count).await?;
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let part = Part { lasts: None, ..Part::of(&scenario.load, &scene.name) };
    let events = stage.events.clone();
    let rounds = async {
        for round in 0..scenario.drain.rounds {
            let number = round % scenario.spawn.relays;
            let installation = ready.installation()?;
            events.note(format!("relay {} is told to leave", number + 1));
            installation.leave(number).await?;
            events.note(format!("relay {} has left", number + 1));
            installation.come_back(number).await?;
            events.note(format!("relay {} is back", number + 1));
            tokio::time::sleep(scenario.drain.pause.0).await;
        }
        fleet.until_live(count).await
    };
    let (heard, ()) = stage.play(&part, rounds).await?;
    let away = fleet.crowd().take_away();
    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    fill::heard(&mut report, &heard)?;
    fill::found(&mut report, &stage.board);
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let at = |share: f64| away.times.value_at_quantile(share) as f64 / 1e3;
    report.figures.insert("streams that moved".to_owned(), away.streams as f64);
    report.figures.insert("away with the announced wait, p99 in ms".to_owned(), at(0.99));
    report.figures.insert("away with the announced wait, longest in ms".to_owned(), at(1.0));
    report.figures.insert("away beyond the announced wait, longest in ms".to_owned(), millis(away.longest_overdue));
    if away.longest_overdue > GRACE {
        fill::wrong(
            &mut report,
            format!("an owner was away {:.0} ms longer than announced", millis(away.longest_overdue)),
        );
    }
    if let Some(counts) = report.counts.filter(|counts| counts.unknown + counts.refused > 0) {
        let failed = grouped(counts.unknown + counts.refused);
        fill::wrong(&mut report, format!("{failed} sends failed that their retries did not cure"));
    }
    fill::story(&mut report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}
