//! Faults are put into what arrives, a run for each kind: does the checker find them, and nothing where there are none?

use super::fill;
use super::scene::Scene;
use super::stage::Part;
use crate::driver::Driver as _;
use crate::faults::{Fault, Faults};
use crate::problem::Problem;
use crate::report::{Counts, Report, Verdict};

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let mut scenario = scene.scenario.clone();
    // What was dropped will not come.
    scenario.load.patience.0 = scenario.load.patience.0.min(PATIENCE);
    let mut ready = scene.ready(&scenario.spawn, scenario.owners.mailboxes).await?;
    let mut report = fill::begun(scene, &scenario);
    report.environment = ready.environment();
    report.verdict = Some(Verdict { passed: true, ..Verdict::default() });
    for fault in std::iter::once(None).chain(Fault::ALL.map(Some)) {
        let name = fault.map_or("no faults", Fault::name);
        let faults = fault.map(|fault| Faults::new(fault, scenario.verify.one_in));
        let (fleet, mut stage) = scene.stage(&ready, &scenario, faults).await?;
        let part = Part::of(&scenario.load, format!("{}, {name}", scene.name));
        let (heard, ()) = stage.play(&part, async { Ok(()) }).await?;
        let put_in = stage.board.faults();
        let mut found = Report::default();
        fill::found(&mut found, &stage.board);
        let counts = found.counts.unwrap_or_default();
        report.steps.push(fill::step(format!("{put_in} {name}: {}", words(&counts)), &heard));
        if !is_found(fault, put_in, &counts) {
            fill::wrong(&mut report, format!("{put_in} {name}, but the checker found {}", words(&counts)));
        }
        fleet.close().await?;
        scene.fresh(&mut ready).await?;
    }
    ready.clean_up().await?;
    Ok(report)
}

/// Nothing more comes after this.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);

/// A dropped or changed message shows a second time: the next of its mailbox seems to come too early.
fn is_found(fault: Option<Fault>, put_in: u64, counts: &Counts) -> bool {
    let Counts { lost, duplicates, out_of_order, corrupted, .. } = *counts;
    match fault {
        None => (lost, duplicates, out_of_order, corrupted) == (0, 0, 0, 0),
        Some(_) if put_in == 0 => false,
        Some(Fault::Drop) => (lost, duplicates, corrupted) == (put_in, 0, 0),
        Some(Fault::Repeat) => (lost, duplicates, out_of_order, corrupted) == (0, put_in, 0, 0),
        Some(Fault::Delay) => (lost, duplicates, out_of_order, corrupted) == (0, 0, put_in, 0),
        Some(Fault::Corrupt) => (lost, duplicates, corrupted) == (put_in, 0, put_in),
    }
}

fn words(counts: &Counts) -> String {
    let Counts { lost, duplicates, out_of_order, corrupted, .. } = counts;
    format!("{lost} lost, {duplicates} twice, {out_of_order} out of order, {corrupted} corrupted")
}
