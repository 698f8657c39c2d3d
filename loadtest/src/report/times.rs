//! Times as numbers and text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::latencies::Times;
use crate::problem::{During as _, Problem};

/// The times that people ask for, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "loadtest/README.md documents the keys")]
pub struct Percentiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Percentiles {
    /// `None` where there are no times.
    pub fn of(times: &Times) -> Option<Self> {
        let at = |share| times.value_at_quantile(share);
        (!times.is_empty()).then(|| Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: times.max(),
        })
    }
}

/// Points of the percentile curve: closer together towards the end, as HdrHistogram prints it.
pub fn curve(times: &Times) -> Vec<(f64, u64)> {
    const STEPS_FOR_EACH_HALVING: u32 = 5;
    let mut points: Vec<(f64, u64)> = times
        .iter_quantiles(STEPS_FOR_EACH_HALVING)
        .map(|point| (point.quantile(), point.value_iterated_to()))
        .filter(|(share, _)| share.is_finite())
        .collect();
    points.dedup();
    points
}

/// All of them, in HdrHistogram's V2 encoding, as base64.
///
/// # Errors
/// None that could be caused from outside.
pub fn to_text(times: &Times) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(times, &mut bytes).map_err(|error| format!("{error:?}")).during("writing times")?;
    Ok(STANDARD.encode(bytes))
}

/// What [`to_text`] wrote.
///
/// # Errors
/// Where it is something else.
pub fn from_text(text: &str) -> Result<Times, Problem> {
    let bytes = STANDARD.decode(text).during("reading times")?;
    let read = Deserializer::new().deserialize(&mut bytes.as_slice());
    read.map_err(|error| format!("{error:?}")).during("reading times")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::latencies::{no_times, note};

    #[test]
    fn times_outlive_their_text() {
        let mut times = no_times();
        (1..=10_000).for_each(|micros| note(&mut times, Duration::from_micros(micros)));
        let read = from_text(&to_text(&times).unwrap()).unwrap();
        assert_eq!(read, times);
        let percentiles = Percentiles::of(&read).unwrap();
        assert!(percentiles.p50.abs_diff(5000) <= 5 && percentiles.p99.abs_diff(9900) <= 10);
        assert!(percentiles.max.abs_diff(10_000) <= 10);
        let curve = curve(&read);
        assert!(curve.len() > 20 && curve.is_sorted());
        assert_eq!(curve.last().unwrap().0.to_string(), "1");
    }

    #[test]
    fn no_times_have_no_percentiles() {
        assert_eq!(Percentiles::of(&no_times()), None);
        assert!(from_text("nonsense").is_err());
    }
}
