//! What happens in a run: a file for each play.

mod backlog;
mod certificate;
mod drain;
mod fill;
mod flat;
mod floor;
mod idle;
mod ladder;
mod peers;
mod scene;
mod slow;
mod stage;
mod steady;
mod storm;
mod verify;

pub use scene::{Deployment, Scene, Target};
pub use stage::{Events, Heard, Part, Stage};

use crate::problem::Problem;
use crate::report::{Report, of_repeats};
use crate::scenario::{Play, Scenario};

/// Plays a scenario, as often as it says, and puts the report together.
///
/// # Errors
/// Where something cannot be started, reached or watched. What the checker finds is no error, but in the report.
pub async fn play(scene: &Scene) -> Result<Report, Problem> {
    let mut runs = Vec::new();
    for repeat in 1..=scene.scenario.repeats {
        if scene.scenario.repeats > 1 {
            scene.live.note(&format!("run {repeat} of {}", scene.scenario.repeats));
        }
        runs.push(once(scene).await?);
    }
    scene.live.end();
    let mut report = of_repeats(runs)?;
    fill::ratios(&mut report);
    Ok(report)
}

async fn once(scene: &Scene) -> Result<Report, Problem> {
    if let (Target::Deployment(_), true) = (&scene.target, needs_servers_of_its_own(&scene.scenario)) {
        return Err(Problem::usage(format!("{} starts and stops servers", scene.name))
            .remedy("leave --relay out: it is played on servers that the load test starts itself"));
    }
    match scene.scenario.play {
        Play::Steady => steady::play(scene).await,
        Play::Ladder => ladder::play(scene).await,
        Play::Idle => idle::play(scene).await,
        Play::Backlog => backlog::play(scene).await,
        Play::Storm => storm::play(scene).await,
        Play::Slow => slow::play(scene).await,
        Play::Drain => drain::play(scene).await,
        Play::Certificate => certificate::play(scene).await,
        Play::Flat => flat::play(scene).await,
        Play::Verify => verify::play(scene).await,
        Play::Floor => floor::play(scene).await,
        Play::Peers => peers::play(scene).await,
    }
}

fn needs_servers_of_its_own(scenario: &Scenario) -> bool {
    matches!(scenario.play, Play::Drain | Play::Certificate | Play::Floor | Play::Peers)
        || !scenario.spawn.pause.0.is_zero()
}
