//! The relay as a whole.

use super::instruments::{By, Counter, Figure, Gauge};
use super::labels::label;
use super::registry::Registry;

/// What it is, and whether it works or leaves.
#[derive(Debug)]
pub struct RelayMetrics {
    /// 1 while it is fit for traffic, else 0.
    pub ready: Figure,
    /// 1 from the moment at which it was told to leave.
    pub draining: Gauge,
    /// What was sent to a collector.
    pub otlp: By<(Signal, Sent), Counter>,
}

label! {
    /// What is sent to a collector.
    Signal is "signal" {
        /// Batches of spans.
        Traces = "traces",
        /// All metrics.
        Metrics = "metrics",
    }
}

label! {
    /// Whether a collector took something.
    Sent is "outcome" {
        /// It did.
        Sent = "sent",
        /// It did not: what was sent is lost.
        Failed = "failed",
    }
}

impl RelayMetrics {
    pub(super) fn new(all: &mut Registry) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let commit = option_env!("SEALPOST_COMMIT").unwrap_or("unknown");
        all.info(
            "sealpost_build_info",
            "What this is a build of; always 1",
            &["version", "commit", "rustc"],
            [version, commit, env!("SEALPOST_RUSTC")],
        );
        Self {
            ready: all.figure("sealpost_ready", "1 while the relay is fit for traffic, as /readyz says", None),
            draining: all.gauge("sealpost_draining", "1 from the moment at which the relay was told to leave"),
            otlp: all.rare_counters(
                "sealpost_otlp_exports",
                "Batches of spans, and of metrics, that were sent to a collector",
            ),
        }
    }
}
