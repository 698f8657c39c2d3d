//! What the relay tells of itself: logs, traces and metrics. Never of its users: no label, field or text holds an
//! address, a key, a peer, an exact time or an exact size.

mod loggable;
mod logs;
mod metrics;
mod otlp;
mod rarely;
mod traces;

pub use loggable::{Count, Loggable, OfOperator, loggable};
pub(crate) use loggable::{error, info, line, warn, warn_rarely};
pub use logs::{Levels, LogConfig, LogError, LogFormat, Logs, NoLevels};
pub use metrics::*;
pub use otlp::{Otlp, OtlpConfig, OtlpError};
pub use rarely::Rarely;
pub use traces::{Attribute, Span, SpanName, TraceConfig, TraceParent, Traces};

use std::sync::Arc;

/// What a part of the relay tells of itself by; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What it traces.
    pub traces: Traces,
}
