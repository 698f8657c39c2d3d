//! All families of metrics, and how they are written down.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::instruments::{Bounds, By, Counter, Figure, Gauge, Histogram, Reading};
use super::labels::Labels;

/// Series of one name.
pub(in crate::telemetry) struct Family {
    /// Without what its kind and unit add to it.
    pub(in crate::telemetry) name: &'static str,
    pub(in crate::telemetry) help: &'static str,
    pub(in crate::telemetry) unit: Option<Unit>,
    pub(in crate::telemetry) kind: Kind,
    pub(in crate::telemetry) labels: &'static [&'static str],
    series: Box<dyn Fn() -> Vec<Series> + Send + Sync>,
}

/// The values of the labels, and what they show now.
type Series = (Vec<&'static str>, Reading);

/// What kind of numbers a family has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::telemetry) enum Kind {
    /// They only rise.
    Counter,
    /// They rise and fall.
    Gauge,
    /// How often values lay within bounds.
    Histogram,
}

/// Takes families in while the metrics are made.
#[derive(Default)]
pub(super) struct Registry(Vec<Family>);

/// All families.
#[derive(Clone)]
pub(in crate::telemetry) struct Families(Arc<[Family]>);

impl Registry {
    pub(super) fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        let counter = Counter::default();
        let reads = counter.clone();
        self.add(name, help, None, Kind::Counter, &[], move || vec![(Vec::new(), Reading::Count(reads.get()))]);
        counter
    }

    /// A series for each value of the label, all of them from the start.
    pub(super) fn counters<L: Labels>(&mut self, name: &'static str, help: &'static str) -> By<L, Counter> {
        self.counters_where(name, help, |_| true)
    }

    /// A series for each set of values that was counted: most of them never are.
    pub(super) fn rare_counters<L: Labels>(&mut self, name: &'static str, help: &'static str) -> By<L, Counter> {
        self.counters_where(name, help, |counted| counted > 0)
    }

    fn counters_where<L: Labels>(
        &mut self,
        name: &'static str,
        help: &'static str,
        show: impl Fn(u64) -> bool + Send + Sync + 'static,
    ) -> By<L, Counter> {
        let counters = By::<L, Counter>::new(Counter::default);
        let reads = counters.clone();
        self.add(name, help, None, Kind::Counter, L::NAMES, move || {
            let shown = reads.all().filter(|(values, counter)| !values.is_empty() && show(counter.get()));
            shown.map(|(values, counter)| (values, Reading::Count(counter.get()))).collect()
        });
        counters
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &'static str) -> Gauge {
        let gauge = Gauge::default();
        let reads = gauge.clone();
        self.add(name, help, None, Kind::Gauge, &[], move || vec![(Vec::new(), Reading::Level(reads.get() as f64))]);
        gauge
    }

    /// A gauge that is read when it is asked for, and not there before it is known.
    pub(super) fn figure(&mut self, name: &'static str, help: &'static str, unit: Option<Unit>) -> Figure {
        let figure = Figure::default();
        let reads = figure.clone();
        self.add(name, help, unit, Kind::Gauge, &[], move || {
            reads.get().map(|level| (Vec::new(), Reading::Level(level))).into_iter().collect()
        });
        figure
    }

    /// A counter of what has parts, read when it is asked for.
    pub(super) fn amount(&mut self, name: &'static str, help: &'static str, unit: Option<Unit>) -> Figure {
        let figure = Figure::default();
        let reads = figure.clone();
        self.add(name, help, unit, Kind::Counter, &[], move || {
            reads.get().map(|amount| (Vec::new(), Reading::Amount(amount))).into_iter().collect()
        });
        figure
    }

    /// A gauge that is always 1: its labels say what there is to say.
    pub(super) fn info<const N: usize>(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &'static [&'static str; N],
        values: [&'static str; N],
    ) {
        let series = move || vec![(values.to_vec(), Reading::Level(1.0))];
        self.add(name, help, None, Kind::Gauge, labels, series);
    }

    pub(super) fn histogram(&mut self, name: &'static str, help: &'static str, bounds: Bounds) -> Histogram {
        let histogram = Histogram::new(bounds);
        let reads = histogram.clone();
        self.add(name, help, bounds.shown_in(), Kind::Histogram, &[], move || vec![(Vec::new(), reads.read())]);
        histogram
    }

    pub(super) fn histograms<L: Labels>(
        &mut self,
        name: &'static str,
        help: &'static str,
        bounds: Bounds,
    ) -> By<L, Histogram> {
        let histograms = By::<L, Histogram>::new(|| Histogram::new(bounds));
        let reads = histograms.clone();
        self.add(name, help, bounds.shown_in(), Kind::Histogram, L::NAMES, move || {
            reads.all().map(|(values, histogram)| (values, histogram.read())).collect()
        });
        histograms
    }

    fn add(
        &mut self,
        name: &'static str,
        help: &'static str,
        unit: Option<Unit>,
        kind: Kind,
        labels: &'static [&'static str],
        series: impl Fn() -> Vec<Series> + Send + Sync + 'static,
    ) {
        self.0.push(Family { name, help, unit, kind, labels, series: Box::new(series) });
    }

    pub(super) fn finish(self) -> Families {
        Families(self.0.into())
    }
}

impl Bounds {
    fn shown_in(self) -> Option<Unit> {
        match self {
            Self::Microseconds(_) => Some(Unit::Seconds),
            Self::Number(_) => None,
        }
    }
}

impl Family {
    /// What there is of it now: labels by name, and what they show.
    pub(in crate::telemetry) fn series(&self) -> impl Iterator<Item = (Vec<(&'static str, &'static str)>, Reading)> {
        (self.series)()
            .into_iter()
            .map(|(values, reading)| (self.labels.iter().copied().zip(values).collect(), reading))
    }

    /// Its unit by UCUM, as OpenTelemetry has it.
    pub(in crate::telemetry) fn ucum(&self) -> &'static str {
        match self.unit {
            Some(Unit::Seconds) => "s",
            Some(Unit::Bytes) => "By",
            _ => "",
        }
    }
}

impl Families {
    pub(in crate::telemetry) fn iter(&self) -> impl Iterator<Item = &Family> {
        self.0.iter()
    }

    /// In the OpenMetrics text format.
    pub(super) fn text(&self) -> String {
        let mut registry = prometheus_client::registry::Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        // A String takes anything that is written to it.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|family| family.name)).finish()
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in self.iter() {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), kind)?;
            for (labels, reading) in family.series() {
                match labels.is_empty() {
                    true => write(&mut metric, &reading)?,
                    false => write(&mut metric.encode_family(&labels)?, &reading)?,
                }
            }
        }
        Ok(())
    }
}

fn write(metric: &mut MetricEncoder<'_>, reading: &Reading) -> Result<(), fmt::Error> {
    match reading {
        Reading::Count(count) => metric.encode_counter::<NoLabelSet, _, f64>(count, None),
        Reading::Amount(amount) => metric.encode_counter::<NoLabelSet, _, f64>(amount, None),
        // Most are whole, and are written so.
        Reading::Level(level) if level.fract() == 0.0 && level.abs() < 9e15 => metric.encode_gauge(&(*level as i64)),
        Reading::Level(level) => metric.encode_gauge(level),
        Reading::Histogram { sum, buckets } => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
