//! An attack on a relay, beside somebody who keeps to the rules, and what it costs.

use std::time::Duration;

use sealpost_testkit::eventually;

use crate::PATIENCE;
use crate::bystander::{AtWork, Bystander};
use crate::relay::{Relay, Start};
use crate::report::{self, Line};
use crate::usage::Usage;

/// A relay under attack.
pub(crate) struct Attack {
    what: &'static str,
    /// Before the relay, for it goes first.
    bystander: AtWork,
    pub(crate) relay: Relay,
    /// CPU time for one letter of the bystander's, when nobody attacks.
    letter: Duration,
    before: Usage,
    arrived: usize,
}

/// What the relay may use for an attack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// Memory, in KiB.
    pub(crate) memory_kib: u64,
}

/// What an attack did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done<'a> {
    /// How often.
    pub(crate) count: u32,
    /// What: as in "frames".
    pub(crate) of: &'a str,
    /// How the relay took it.
    pub(crate) outcome: &'a str,
}

/// Letters by which the cost of one is measured.
const CALM: usize = 40;

impl Attack {
    /// On a relay that speaks plaintext.
    pub(crate) async fn begin(what: &'static str) -> Self {
        Self::on(what, Start::default()).await
    }

    /// On a relay that is started so.
    pub(crate) async fn on(what: &'static str, start: Start<'_>) -> Self {
        let relay = Relay::start(start).await;
        let bystander = Bystander::new(&relay).await.work();
        let calm = relay.usage();
        eventually("the bystander's letters arrive", PATIENCE, async || (bystander.arrived() >= CALM).then_some(()))
            .await;
        relay.forget_peak();
        let (before, arrived) = (relay.usage(), bystander.arrived());
        let letter = before.cpu.saturating_sub(calm.cpu) / u32::try_from(arrived).unwrap();
        Self { what, bystander, relay, letter, before, arrived }
    }

    /// As long as so many of the bystander's letters take.
    pub(crate) async fn meanwhile(&self, letters: usize) {
        let wanted = self.bystander.arrived() + letters;
        eventually("letters arrive meanwhile", PATIENCE, async || (self.bystander.arrived() >= wanted).then_some(()))
            .await;
    }

    /// The attack is over, or at its height: the relay has used no more than this, and the bystander's letters arrive.
    pub(crate) async fn stays_within(&self, bound: Bound, done: Done<'_>) {
        let after = self.relay.usage();
        let during = self.bystander.arrived();
        self.meanwhile(3).await;
        let letters = u32::try_from(during - self.arrived).unwrap();
        let line = Line {
            what: self.what,
            done,
            memory_kib: after.peak_rss_kib.saturating_sub(self.before.rss_kib),
            bound_kib: bound.memory_kib,
            cpu: after.cpu.saturating_sub(self.before.cpu).saturating_sub(self.letter * letters),
            letters,
            worst: self.bystander.worst(self.arrived),
        };
        report::add(&line);
        assert!(
            line.memory_kib <= line.bound_kib,
            "{}: {} KiB more, and {} are allowed",
            self.what,
            line.memory_kib,
            line.bound_kib
        );
    }
}
