//! The relay as a whole.

use super::instruments::{Counter, Figure, Gauge};
use super::registry::Registry;

/// What it is, and whether it works or leaves.
#[derive(Debug)]
pub struct RelayMetrics {
    /// 1 while it is fit for traffic, else 0.
    pub ready: Figure,
    /// 1 from the moment at which it was told to leave.
    pub draining: Gauge,
    /// Spans that could not be kept until they were sent.
    pub spans_dropped: Counter,
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
            spans_dropped: all.counter("sealpost_spans_dropped", "Spans of traces that were lost for want of room"),
        }
    }
}
