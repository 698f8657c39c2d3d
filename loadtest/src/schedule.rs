//! When messages are due.
//!
//! The load is open: a message is due at a time that is fixed before anything is sent, and nothing that happens to the
//! messages before it moves that time. So a relay that stalls is charged for every message that it kept waiting
//! ("coordinated omission", Gil Tene, "How NOT to Measure Latency", 2013).

use std::time::Duration;

use rand::{Rng, RngExt as _};
use serde::{Deserialize, Serialize};

/// How arrivals are spread around their rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At equal distances.
    Constant,
    /// As from many senders who know nothing of each other.
    Poisson,
}

/// A stretch of time, in which the rate goes evenly from one value to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Messages a second at its beginning; finite, and not negative.
    pub from: f64,
    /// And at its end.
    pub to: f64,
    /// How long it is.
    pub lasts: Duration,
}

impl Stretch {
    /// At one rate, in messages a second.
    pub const fn steady(rate: f64, lasts: Duration) -> Self {
        Self { from: rate, to: rate, lasts }
    }

    /// Messages that are due up to its end.
    pub fn messages(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.lasts.as_secs_f64()
    }

    /// When so many messages are due, in seconds from its beginning: the inverse of the integral of the rate.
    fn time_of(&self, messages: f64) -> f64 {
        let lasts = self.lasts.as_secs_f64();
        let growth = (self.to - self.from) / lasts;
        // The form of the quadratic's root that is exact for small growth, too.
        let root = (self.from * self.from + 2.0 * growth * messages).max(0.0).sqrt();
        let sum = self.from + root;
        if sum > 0.0 { (2.0 * messages / sum).min(lasts) } else { lasts }
    }
}

/// The times at which messages are due, from the beginning of the run, in order.
#[derive(Debug)]
pub struct Schedule<R> {
    stretches: Vec<Stretch>,
    arrivals: Arrivals,
    rng: R,
    /// The stretch in which the next one is.
    current: usize,
    /// When it begins.
    begins: Duration,
    /// Messages of it that are due up to the next one.
    next: f64,
}

impl<R: Rng> Schedule<R> {
    /// One stretch after the other.
    pub fn new(stretches: Vec<Stretch>, arrivals: Arrivals, rng: R) -> Self {
        let mut schedule = Self { stretches, arrivals, rng, current: 0, begins: Duration::ZERO, next: 0.0 };
        // Constant ones stand in the middle of their distance, so that several generators that begin together with their
        // shares of a rate do not all begin with a message.
        schedule.next = match arrivals {
            Arrivals::Constant => 0.5,
            Arrivals::Poisson => schedule.distance(),
        };
        schedule
    }

    /// To the next one, where one a unit is due on average.
    fn distance(&mut self) -> f64 {
        match self.arrivals {
            Arrivals::Constant => 1.0,
            // The logarithm's argument is in (0, 1].
            Arrivals::Poisson => -(1.0 - self.rng.random::<f64>()).ln(),
        }
    }
}

impl<R: Rng> Iterator for Schedule<R> {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        loop {
            let stretch = *self.stretches.get(self.current)?;
            let messages = stretch.messages();
            if self.next < messages {
                let at = self.begins + Duration::from_secs_f64(stretch.time_of(self.next));
                self.next += self.distance();
                return Some(at);
            }
            self.next -= messages;
            self.begins += stretch.lasts;
            self.current += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(stretches: &[Stretch], arrivals: Arrivals, seed: u64) -> Vec<f64> {
        let schedule = Schedule::new(stretches.to_vec(), arrivals, StdRng::seed_from_u64(seed));
        schedule.map(|at| at.as_secs_f64()).collect()
    }

    #[test]
    fn a_constant_rate_has_equal_distances() {
        let due = schedule(&[Stretch::steady(4.0, SECOND)], Arrivals::Constant, 0);
        assert_eq!(due, [0.125, 0.375, 0.625, 0.875]);
    }

    #[test]
    fn distances_go_on_from_one_stretch_to_the_next() {
        let due = schedule(&[Stretch::steady(2.0, SECOND), Stretch::steady(4.0, SECOND)], Arrivals::Constant, 0);
        assert_eq!(due, [0.25, 0.75, 1.125, 1.375, 1.625, 1.875]);
        let with_a_pause = [Stretch::steady(2.0, SECOND), Stretch::steady(0.0, SECOND), Stretch::steady(2.0, SECOND)];
        assert_eq!(schedule(&with_a_pause, Arrivals::Constant, 0), [0.25, 0.75, 2.25, 2.75]);
    }

    #[test]
    fn a_ramp_has_as_many_as_its_middle_rate() {
        let due = schedule(&[Stretch { from: 0.0, to: 100.0, lasts: 10 * SECOND }], Arrivals::Constant, 0);
        assert_eq!(due.len(), 500);
        // A quarter of them in the first half.
        assert_eq!(due.iter().filter(|at| **at < 5.0).count(), 125);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_its_variance() {
        let due = schedule(&[Stretch::steady(1000.0, 100 * SECOND)], Arrivals::Poisson, 7);
        // Counts of a tenth of a second: mean and variance are 100.
        let mut counts = vec![0f64; 1000];
        due.iter().for_each(|at| counts[(at * 10.0) as usize] += 1.0);
        let mean = counts.iter().sum::<f64>() / 1000.0;
        let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 1000.0;
        assert!((98.0..102.0).contains(&mean), "{mean}");
        assert!((85.0..115.0).contains(&variance), "{variance}");
    }

    fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
        let stretch = (0.0..500.0f64, 0.0..500.0f64, 1..3000u64).prop_map(|(from, to, millis)| Stretch {
            from,
            to,
            lasts: Duration::from_millis(millis),
        });
        prop::collection::vec(stretch, 0..5)
    }

    proptest! {
        #[test]
        fn times_rise_and_end_with_the_stretches(stretches in stretches(), poisson: bool, seed: u64) {
            let arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let due = schedule(&stretches, arrivals, seed);
            prop_assert!(due.is_sorted());
            let end: f64 = stretches.iter().map(|it| it.lasts.as_secs_f64()).sum();
            prop_assert!(due.last().is_none_or(|last| *last <= end + 1e-6));
            if !poisson {
                let messages: f64 = stretches.iter().map(Stretch::messages).sum();
                prop_assert!((due.len() as f64 - messages).abs() <= 1.0, "{} of {messages}", due.len());
            }
        }
    }
}
