//! What counts and measures: each a handle that is cheap to clone, and never locks.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::labels::Labels;

/// A number that only rises.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Counts some.
    pub fn add(&self, many: usize) {
        self.0.fetch_add(many as u64, Ordering::Relaxed);
    }

    /// What it has counted.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of things that there are.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Some more.
    pub fn rise(&self, many: usize) {
        self.0.fetch_add(i64::try_from(many).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Some less.
    pub fn fall(&self, many: usize) {
        self.0.fetch_sub(i64::try_from(many).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// As many as this.
    pub fn set(&self, many: i64) {
        self.0.store(many, Ordering::Relaxed);
    }

    /// One more, until what this returns is dropped.
    pub fn hold(&self) -> Held {
        self.rise(1);
        Held(self.clone())
    }

    /// How many there are.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One that a [`Gauge`] counts.
#[derive(Debug)]
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fall(1);
    }
}

/// A number that is not there until it is known: set, or read when somebody asks.
#[derive(Clone, Default)]
pub struct Figure(Arc<OnceLock<Source>>);

type Source = Box<dyn Fn() -> Option<f64> + Send + Sync>;

impl Figure {
    /// Asks this from now on; the first one that is given counts.
    pub fn read_from(&self, source: impl Fn() -> Option<f64> + Send + Sync + 'static) {
        // A second one has nothing to add.
        let _ = self.0.set(Box::new(source));
    }

    /// What it is now.
    pub fn get(&self) -> Option<f64> {
        self.0.get()?()
    }
}

impl std::fmt::Debug for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Figure({:?})", self.get())
    }
}

/// How often values lay within bounds. Nothing of a single value is kept but that.
#[derive(Debug, Clone)]
pub struct Histogram(Arc<Buckets>);

#[derive(Debug)]
struct Buckets {
    bounds: Bounds,
    /// One for each bound, and one for what lies above all of them.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// Up to where each bucket of a [`Histogram`] goes, in rising order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bounds {
    /// Of times, in microseconds; shown in seconds.
    Microseconds(&'static [u64]),
    /// Of numbers of things.
    Number(&'static [u64]),
}

impl Histogram {
    pub(super) fn new(bounds: Bounds) -> Self {
        let counts = (0..=bounds.all().len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Buckets { bounds, counts, sum: AtomicU64::new(0) }))
    }

    /// Takes a time in.
    pub fn took(&self, time: Duration) {
        self.took_each(time, 1);
    }

    /// Takes the same time in for each of so many.
    pub fn took_each(&self, time: Duration, many: usize) {
        self.put(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), many as u64);
    }

    /// Takes a number in.
    pub fn of(&self, number: usize) {
        self.put(number as u64, 1);
    }

    fn put(&self, value: u64, many: u64) {
        let bucket = self.0.bounds.all().partition_point(|bound| *bound < value);
        if let Some(count) = self.0.counts.get(bucket) {
            count.fetch_add(many, Ordering::Relaxed);
            self.0.sum.fetch_add(value.saturating_mul(many), Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Reading {
        let unit = self.0.bounds.unit();
        let bounds = self.0.bounds.all().iter().map(|bound| *bound as f64 / unit).chain([f64::INFINITY]);
        let counts = self.0.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Reading::Histogram {
            sum: self.0.sum.load(Ordering::Relaxed) as f64 / unit,
            buckets: bounds.zip(counts).collect(),
        }
    }
}

impl Bounds {
    fn all(self) -> &'static [u64] {
        match self {
            Self::Microseconds(all) | Self::Number(all) => all,
        }
    }

    /// As many as make one of what is shown.
    fn unit(self) -> f64 {
        match self {
            Self::Microseconds(_) => 1e6,
            Self::Number(_) => 1.0,
        }
    }
}

/// An instrument for each set of labels.
#[derive(Debug)]
pub struct By<L, I>(Arc<[I]>, PhantomData<L>);

impl<L, I> Clone for By<L, I> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<L: Labels, I> By<L, I> {
    pub(super) fn new(instrument: impl Fn() -> I) -> Self {
        Self((0..L::COUNT).map(|_| instrument()).collect(), PhantomData)
    }

    /// That of these labels. There always is one: [`Labels`] says how many there are.
    pub fn of(&self, labels: L) -> Option<&I> {
        self.0.get(labels.index())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (Vec<&'static str>, &I)> {
        self.0.iter().enumerate().map(|(index, instrument)| (L::values(index), instrument))
    }
}

impl<L: Labels> By<L, Counter> {
    /// Counts one.
    pub fn count(&self, labels: L) {
        self.add(labels, 1);
    }

    /// Counts some.
    pub fn add(&self, labels: L, many: usize) {
        if let Some(counter) = self.of(labels) {
            counter.add(many);
        }
    }
}

impl<L: Labels> By<L, Histogram> {
    /// Takes a time in.
    pub fn took(&self, labels: L, time: Duration) {
        self.took_each(labels, time, 1);
    }

    /// Takes the same time in for each of so many.
    pub fn took_each(&self, labels: L, time: Duration, many: usize) {
        if let Some(histogram) = self.of(labels) {
            histogram.took_each(time, many);
        }
    }
}

/// What an instrument shows.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::telemetry) enum Reading {
    /// Of a counter.
    Count(u64),
    /// Of a counter of what has parts.
    Amount(f64),
    /// Of a gauge.
    Level(f64),
    /// The sum of all values, and how many lie in each bucket: up to a bound, and above the one before.
    Histogram { sum: f64, buckets: Vec<(f64, u64)> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_where_its_bound_is() {
        let histogram = Histogram::new(Bounds::Microseconds(&[1000, 5000]));
        histogram.took(Duration::from_micros(1000));
        histogram.took(Duration::from_micros(1001));
        histogram.took_each(Duration::from_secs(1), 2);
        let buckets = vec![(0.001, 1), (0.005, 1), (f64::INFINITY, 2)];
        assert_eq!(histogram.read(), Reading::Histogram { sum: 2.002_001, buckets });
    }

    #[test]
    fn a_number_has_no_unit() {
        let histogram = Histogram::new(Bounds::Number(&[1, 8]));
        histogram.of(8);
        assert_eq!(
            histogram.read(),
            Reading::Histogram { sum: 8.0, buckets: vec![(1.0, 0), (8.0, 1), (f64::INFINITY, 0)] }
        );
    }

    #[test]
    fn what_is_held_is_counted_until_it_is_dropped() {
        let gauge = Gauge::default();
        let held = [gauge.hold(), gauge.hold()];
        assert_eq!(gauge.get(), 2);
        drop(held);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn a_figure_is_not_there_before_it_is_known() {
        let figure = Figure::default();
        assert_eq!(figure.get(), None);
        figure.read_from(|| Some(7.0));
        assert_eq!(figure.get(), Some(7.0));
    }
}
