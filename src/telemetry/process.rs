//! What the relay's process uses, by the Prometheus conventions for processes. Read when it is asked for, from `/proc`; on
//! other systems than Linux there are no such figures.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// Tells of this process.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(seconds) = cpu_seconds() {
            let cpu = ConstCounter::new(seconds);
            let help = "CPU time that the process has used";
            let encoder = encoder.encode_descriptor("process_cpu", help, Some(&Unit::Seconds), cpu.metric_type())?;
            cpu.encode(encoder)?;
        }
        if let Some(bytes) = resident_bytes() {
            let memory = ConstGauge::new(bytes);
            let help = "Memory of the process that is resident";
            let unit = Some(&Unit::Bytes);
            let encoder = encoder.encode_descriptor("process_resident_memory", help, unit, memory.metric_type())?;
            memory.encode(encoder)?;
        }
        Ok(())
    }
}

fn cpu_seconds() -> Option<f64> {
    /// The kernel counts in hundredths of a second, on every Linux that there is (proc(5)).
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold blanks; user and system time are the 14th and 15th field.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some((f64::from(ticks()?) + f64::from(ticks()?)) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?;
    kib.parse::<i64>().ok()?.checked_mul(1024)
}
