//! Rising rates, until the system no longer keeps up; then half of the last with which it did.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::fill;
use super::scene::{Ready, Scene};
use super::stage::{Heard, Part, Stage};
use crate::driver::Driver as _;
use crate::latencies::{Times, no_times, note};
use crate::problem::Problem;
use crate::report::{Report, Step, number};
use crate::scenario::{Ladder, Load, Scenario};
use crate::schedule::Stretch;

/// This share of a step is not measured.
const WARM_UP: f64 = 0.25;
/// How often a rate is tried before it is too much.
const TRIES: usize = 2;

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let ready = scene.ready(&scenario.spawn, scenario.owners.mailboxes).await?;
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let (steps, knee) = climb(&mut stage, &scenario.ladder, &scenario.load, &scene.name).await?;
    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    report.steps = steps;
    report.knee_per_s = knee;
    match knee {
        None => {
            fill::wrong(&mut report, "the system did not keep up with the first step: begin lower, with ladder.from");
        }
        Some(knee) => {
            let (heard, round_trips) = at_half(scene, &ready, scenario, &mut stage, knee).await?;
            fill::heard(&mut report, &heard)?;
            if let Some(times) = round_trips.filter(|times| !times.is_empty()) {
                let round_trip = times.value_at_quantile(0.99) as f64;
                report.figures.insert("the store's own round trip under that load, p99 in µs".to_owned(), round_trip);
                report.ratios.insert(
                    "p99 to the store's round trip".to_owned(),
                    heard.delivered.value_at_quantile(0.99) as f64 / round_trip,
                );
            }
        }
    }
    fill::found(&mut report, &stage.board);
    fill::story(&mut report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}

/// The steps, and the highest rate that was kept up with. First each is `factor` times the one before; then the gap between
/// the last that was kept up with and the first that was not is halved again and again.
pub(super) async fn climb(
    stage: &mut Stage,
    ladder: &Ladder,
    load: &Load,
    name: &str,
) -> Result<(Vec<Step>, Option<f64>), Problem> {
    let mut steps = Vec::new();
    let (mut knee, mut rate) = (None, ladder.from);
    let mut missed = loop {
        if rate > ladder.to {
            return Ok((steps, knee));
        }
        if !holds(stage, ladder, load, name, rate, &mut steps).await? {
            break rate;
        }
        knee = Some(rate);
        rate *= ladder.factor;
    };
    let Some(mut held) = knee else { return Ok((steps, None)) };
    for _ in 0..ladder.refine {
        let between = (held * missed).sqrt();
        match holds(stage, ladder, load, name, between, &mut steps).await? {
            true => held = between,
            false => missed = between,
        }
    }
    Ok((steps, Some(held)))
}

/// Whether a rate is kept up with. Once may be chance: then it is tried again.
async fn holds(
    stage: &mut Stage,
    ladder: &Ladder,
    load: &Load,
    name: &str,
    rate: f64,
    steps: &mut Vec<Step>,
) -> Result<bool, Problem> {
    for _ in 0..TRIES {
        let (heard, ()) = stage.play(&step_of(ladder, load, rate, name), async { Ok(()) }).await?;
        let kept_up = keeps_up(&heard, ladder);
        let label = format!("{}/s", number(rate));
        steps.push(Step { kept_up: Some(kept_up), ..fill::step(label, &heard) });
        if kept_up {
            return Ok(true);
        }
    }
    Ok(false)
}

fn step_of(ladder: &Ladder, load: &Load, rate: f64, name: &str) -> Part {
    Part {
        name: format!("{name}, {}/s", number(rate)),
        arrivals: load.arrivals,
        before: vec![Stretch::steady(rate, ladder.step.0.mul_f64(WARM_UP))],
        rate,
        lasts: Some(ladder.step.0.mul_f64(1.0 - WARM_UP)),
        is_taken: true,
    }
}

fn keeps_up(heard: &Heard, ladder: &Ladder) -> bool {
    let p99 = Duration::from_micros(heard.delivered.value_at_quantile(0.99));
    heard.keeps_up(ladder.delivered) && p99 <= ladder.p99.0
}

async fn at_half(
    scene: &Scene,
    ready: &Ready,
    scenario: &Scenario,
    stage: &mut Stage,
    knee: f64,
) -> Result<(Heard, Option<Times>), Problem> {
    let mut load = scenario.load.clone();
    load.rate = knee / 2.0;
    let part = Part::of(&load, format!("{}, half of the knee", scene.name));
    let port = ready.installation.as_ref().and_then(|installation| installation.store_port());
    stage.play(&part, round_trips(port, load.steady.0)).await
}

/// How long the store takes to answer a command that does nothing, under the load that there is.
async fn round_trips(port: Option<u16>, lasts: Duration) -> Result<Option<Times>, Problem> {
    const EVERY: Duration = Duration::from_millis(5);
    let Some(port) = port else { return Ok(None) };
    let mut times = no_times();
    let began = Instant::now();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return Ok(None) };
    // It fails only for a socket that is dead already.
    let _ = stream.set_nodelay(true);
    let mut answer = [0; 7];
    while began.elapsed() < lasts {
        let asked = Instant::now();
        let answered = async {
            stream.write_all(b"PING\r\n").await?;
            stream.read_exact(&mut answer).await
        };
        if answered.await.is_err() {
            return Ok(None);
        }
        note(&mut times, asked.elapsed());
        tokio::time::sleep(EVERY).await;
    }
    Ok(Some(times))
}
