//! What the relay tells of itself: logs, traces and metrics. Never of its users: no label, field or text holds an
//! address, a key, a peer, an exact time or an exact size.

mod logs;
mod metrics;
mod rarely;
mod traces;

pub use logs::{LogConfig, LogFormat, Telemetry, TelemetryError};
pub use metrics::*;
pub use rarely::Rarely;
pub use traces::TraceParent;
