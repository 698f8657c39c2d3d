//! The relays' certificate is replaced under load, again and again; then by something that is none.

use std::time::{Duration, Instant};

use super::fill;
use super::scene::Scene;
use super::stage::{Events, Part};
use crate::driver::Driver as _;
use crate::problem::Problem;
use crate::report::{Report, grouped};
use crate::target::metrics::Endpoint;
use crate::target::relay::Installation;

/// After this nothing is waited for any more.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a relay counts when it finds files that it cannot use, and what it says.
const REFUSED: &str = "sealpost_certificate_reloads_total{outcome=\"refused\"}";
const WARNING: &str = "new files of TLS cannot be used";

/// What came of it.
#[derive(Debug, Default)]
struct Seen {
    /// Until all handshakes showed a new certificate.
    longest: Duration,
    wrong: Vec<String>,
}

pub(super) async fn play(scene: &Scene) -> Result<Report, Problem> {
    let scenario = &scene.scenario;
    let count = scenario.owners.mailboxes;
    let mut ready = scene.ready(&scenario.spawn, count).await?;
    let (fleet, mut stage) = scene.stage(&ready, scenario, None).await?;
    let part = Part { lasts: None, ..Part::of(&scenario.load, &scene.name) };
    let events = stage.events.clone();
    let replaced = async {
        let installation = ready.installation()?;
        let mut seen = Seen::default();
        for _ in 0..scenario.certificate.rounds {
            tokio::time::sleep(scenario.certificate.pause.0).await;
            seen.replace(installation, &events).await?;
        }
        seen.spoil(installation, &events).await?;
        seen.replace(installation, &events).await?;
        tokio::time::sleep(scenario.certificate.pause.0).await;
        Ok(seen)
    };
    let (heard, seen) = stage.play(&part, replaced).await?;
    // Those that came back, and those that are away now.
    let away = count.saturating_sub(fleet.crowd().live());
    let streams = fleet.crowd().take_away().streams + u64::try_from(away).unwrap_or(u64::MAX);
    let mut report = fill::begun(scene, scenario);
    report.environment = ready.environment();
    fill::heard(&mut report, &heard)?;
    fill::found(&mut report, &stage.board);
    let failures: u64 = report.errors.values().sum();
    let figures = [
        ("until handshakes show a new certificate, longest in ms", seen.longest.as_secs_f64() * 1e3),
        ("streams that ended", streams as f64),
        ("failures on the way", failures as f64),
    ];
    report.figures.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
    seen.wrong.into_iter().for_each(|what| fill::wrong(&mut report, what));
    let within = scenario.certificate.within.0;
    if seen.longest > within {
        let (longest, within) = (seen.longest.as_millis(), within.as_millis());
        fill::wrong(&mut report, format!("handshakes showed a new certificate after {longest} ms, not {within} ms"));
    }
    if streams + failures > 0 {
        let (streams, failures) = (grouped(streams), grouped(failures));
        fill::wrong(&mut report, format!("connections were lost: {streams} streams ended, {failures} calls failed"));
    }
    fill::story(&mut report, &mut stage);
    fleet.close().await?;
    ready.clean_up().await?;
    Ok(report)
}

impl Seen {
    /// Replaces the certificate, and waits until every relay shows the new one.
    async fn replace(&mut self, installation: &mut Installation, events: &Events) -> Result<(), Problem> {
        let new = installation.authority()?.renew()?;
        let since = Instant::now();
        events.note("the certificate is replaced");
        let looker = installation.looker()?;
        for address in installation.addresses() {
            while looker.shown(&address).await? != new {
                if since.elapsed() > PATIENCE {
                    self.wrong.push("a new certificate was not shown at all".to_owned());
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        self.longest = self.longest.max(since.elapsed());
        events.note(format!("handshakes show it after {} ms", since.elapsed().as_millis()));
        Ok(())
    }

    /// Puts something broken in its place: relays must say so, and go on as they were.
    async fn spoil(&mut self, installation: &mut Installation, events: &Events) -> Result<(), Problem> {
        let looker = installation.looker()?;
        let mut before = Vec::new();
        for address in installation.addresses() {
            before.push(looker.shown(&address).await?);
        }
        installation.authority()?.spoil()?;
        events.note("the certificate is replaced by something that is none");
        let since = Instant::now();
        for url in installation.metrics() {
            let metrics = Endpoint::new(&url)?;
            while metrics.value(REFUSED).await?.is_none_or(|refused| refused < 1.0) {
                if since.elapsed() > PATIENCE {
                    self.wrong.push("a broken certificate was not counted".to_owned());
                    return Ok(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        events.note(format!("relays have counted it after {} ms", since.elapsed().as_millis()));
        for (number, (address, before)) in installation.addresses().iter().zip(before).enumerate() {
            if looker.shown(address).await? != before {
                self.wrong.push("a broken certificate changed what is shown".to_owned());
            }
            if !installation.server(number)?.said().contains(WARNING) {
                self.wrong.push("a broken certificate is not in the log".to_owned());
            }
        }
        Ok(())
    }
}
