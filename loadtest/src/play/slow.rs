//! Some owners barely read. First nobody does that, then a share of them: what it means for the others and for the relay's
//! memory.

use std::sync::Arc;

use super::fill;
use super::scene::Scene;
use super::stage::Part;
use crate::board::Board;
use crate::driver::Driver as _;
use crate::driver::sealpost::Fleet;
use crate::problem::Problem;
use crate::report::Report;

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let count = scenario.owners.mailboxes;
    let mut ready = scene.ready(&scenario.spawn, count).await?;
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let part = Part::of(&scenario.load, format!("{}, nobody", scene.name));
    let (without, ()) = stage.play(&part, async { Ok(()) }).await?;
    let mut clean = Report::default();
    fill::found(&mut clean, &stage.board);
    fleet.close().await?;
    drop(stage);
    scene.fresh(&mut ready).await?;

    let slow = (count as f64 * scenario.slow.share).round() as usize;
    let board = Arc::new(Board::new(count, None));
    let mut fleet = Fleet::new(ready.relays.clone(), ready.mailboxes.clone(), scenario)?;
    (0..slow).filter_map(|mailbox| u32::try_from(mailbox).ok()).for_each(|mailbox| board.slow(mailbox, true));
    fleet.open_some(&board, slow..count, false).await?;
    fleet.open_some(&board, 0..slow, true).await?;
    let mut stage = scene.curtain(&ready, scenario, board, &mut fleet).await?;
    let part = Part::of(&scenario.load, format!("{}, {slow} of {count}", scene.name));
    let hurry = async {
        tokio::time::sleep(scenario.load.steady.0).await;
        // What waits for them must come, too.
        fleet.hurry();
        Ok(())
    };
    let (with, ()) = stage.play(&part, hurry).await?;

    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    fill::heard(&mut report, &with)?;
    // Those who do not read do not take part in it.
    if let Some(verdict) = &mut report.verdict {
        verdict.warnings.retain(|warning| !warning.contains("keep up"));
    }
    report.steps = vec![fill::step("nobody is slow", &without), fill::step(format!("{slow} are slow"), &with)];
    let p99 = |heard: &super::Heard| heard.delivered.value_at_quantile(0.99) as f64;
    report.ratios.insert("the others' p99, with slow owners to without".to_owned(), p99(&with) / p99(&without));
    fill::found(&mut report, &stage.board);
    fill::blame(&mut report, &clean, "without slow owners");
    fill::story(&mut report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}
