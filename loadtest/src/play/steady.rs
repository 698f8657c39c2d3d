//! One rate for some time.

use std::time::Duration;

use super::fill;
use super::scene::{Ready, Scene};
use super::stage::Part;
use crate::driver::Driver as _;
use crate::problem::Problem;
use crate::report::{Moment, Report};
use crate::target::Kind;

/// Memory that is looked at for less than this says nothing of its growth.
const LONG: Duration = Duration::from_secs(60);

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let mut ready = scene.ready(&scenario.spawn, scenario.owners.mailboxes).await?;
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let part = Part::of(&scenario.load, &scene.name);
    let events = stage.events.clone();
    let (heard, ()) = stage.play(&part, pause(scene, &mut ready, &events)).await?;
    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    fill::heard(&mut report, &heard)?;
    fill::found(&mut report, &stage.board);
    fill::story(&mut report, &mut stage);
    if scenario.load.steady.0 >= LONG {
        let growth = growth_kib_per_hour(&report.timeline, Kind::Relay);
        report.figures.extend(growth.map(|growth| ("relay memory growth, KiB an hour".to_owned(), growth)));
    }
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}

/// Stops the first relay for a while, if the scenario says so.
async fn pause(scene: &Scene, ready: &mut Ready, events: &super::Events) -> Result<(), Problem> {
    let pause = scene.scenario.spawn.pause.0;
    if pause.is_zero() {
        return Ok(());
    }
    let server = ready.installation()?.server(0)?;
    tokio::time::sleep(scene.scenario.load.steady.0 / 2).await;
    server.pause()?;
    events.note("relay 1 is stopped");
    tokio::time::sleep(pause).await;
    server.resume()?;
    events.note("relay 1 goes on");
    Ok(())
}

/// By the method of least squares.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let across: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let along: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (along > 0.0).then(|| across / along)
}

fn growth_kib_per_hour(timeline: &[Moment], kind: Kind) -> Option<f64> {
    let points = timeline.iter().filter_map(|moment| Some((moment.at_s, *moment.rss_kib.get(kind.name())? as f64)));
    // What fills once at the beginning is no growth.
    let points: Vec<(f64, f64)> = points.collect();
    slope(points.get(points.len() / 4..)?).map(|kib_per_second| kib_per_second * 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        let slope = slope(&[(1.0, 12.0), (2.0, 14.0), (3.0, 16.0)]).unwrap();
        assert!((slope - 2.0).abs() < 1e-9);
        assert_eq!(super::slope(&[(1.0, 2.0)]), None);
    }
}
