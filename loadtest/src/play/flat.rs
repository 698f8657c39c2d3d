//! The same load over few and many mailboxes, shallow and deep.

use super::fill;
use super::scene::Scene;
use super::stage::{Heard, Part};
use crate::driver::Driver as _;
use crate::problem::Problem;
use crate::report::{Report, Step, grouped};
use crate::scenario::{Scenario, Topology};
use crate::schedule::Stretch;
use crate::target::Kind;

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let mut report = fill::begun(scene, &scene.scenario);
    report.verdict = Some(crate::report::Verdict { passed: true, ..Default::default() });
    report.mailboxes = None;
    let (mut wide, mut deep) = (Vec::new(), Vec::new());
    for mailboxes in scene.scenario.flat.mailboxes.clone() {
        let mut scenario = scene.scenario.clone();
        scenario.owners.mailboxes = mailboxes;
        let label = format!("{} mailboxes", grouped(mailboxes as u64));
        let (heard, step) = once(scene, &scenario, label, &mut report).await?;
        wide.push(heard);
        report.steps.push(Step { mailboxes: Some(mailboxes), ..step });
    }
    for depth in scene.scenario.flat.depths.clone() {
        let mut scenario = scene.scenario.clone();
        scenario.owners.mailboxes = scene.scenario.flat.deep_mailboxes;
        // A stream's credit is enough for one deep mailbox, not for many.
        scenario.owners.topology = Topology::Own;
        scenario.owners.keep = depth as u64;
        let label = format!("{} mailboxes, {} messages in each", scenario.owners.mailboxes, grouped(depth as u64));
        let (heard, step) = once(scene, &scenario, label, &mut report).await?;
        deep.push(heard);
        report.steps.push(Step { mailboxes: Some(scenario.owners.mailboxes), depth: Some(depth), ..step });
    }
    for (name, steps) in [("most to fewest mailboxes", &wide), ("deepest to shallowest", &deep)] {
        for kind in [Kind::Relay, Kind::Store] {
            if let Some(ratio) = ratio(steps, kind) {
                report.ratios.insert(format!("{} CPU a message, {name}", kind.name()), ratio);
            }
        }
    }
    Ok(report)
}

async fn once(
    scene: &Scene,
    scenario: &Scenario,
    label: String,
    report: &mut Report,
) -> Result<(Heard, Step), Problem> {
    let ready = scene.ready(&scenario.spawn, scenario.owners.mailboxes).await?;
    report.environment = ready.environment();
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let mut part = Part::of(&scenario.load, format!("{}, {label}", scene.name));
    // So much must wait in the mailboxes before it is measured.
    let fill = (scenario.owners.mailboxes as u64 * scenario.owners.keep) as f64 / scenario.load.rate;
    part.before.push(Stretch::steady(scenario.load.rate, std::time::Duration::from_secs_f64(fill)));
    let (heard, ()) = stage.play(&part, async { Ok(()) }).await?;
    let step = fill::step(label.clone(), &heard);
    let mut found = Report::default();
    fill::heard(&mut found, &heard)?;
    fill::found(&mut found, &stage.board);
    if let (Some(verdict), Some(whole)) = (found.verdict, &mut report.verdict) {
        whole.passed &= verdict.passed;
        whole.problems.extend(verdict.problems.iter().map(|text| format!("{label}: {text}")));
        whole.warnings.extend(verdict.warnings.iter().map(|text| format!("{label}: {text}")));
    }
    report.counts = Some(match (report.counts, found.counts) {
        (Some(sum), Some(more)) => sum + more,
        (sum, more) => sum.or(more).unwrap_or_default(),
    });
    fleet.close().await?;
    ready.clean_up().await?;
    Ok((heard, step))
}

/// Of the last by the first, CPU a message.
fn ratio(steps: &[Heard], kind: Kind) -> Option<f64> {
    let each = |heard: &Heard| Some(heard.cpu.get(&kind)?.as_secs_f64() / heard.messages.max(1) as f64);
    let (first, last) = (each(steps.first()?)?, each(steps.last()?)?);
    (first > 0.0).then(|| last / first)
}
