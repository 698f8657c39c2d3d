//! What processes use, from `/proc` (proc(5)).

use std::fs;
use std::io;
use std::time::Duration;

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time so far, of all its threads.
    pub cpu: Duration,
    /// Resident memory now, in KiB.
    pub rss_kib: u64,
    /// The most that it was.
    pub peak_rss_kib: u64,
}

/// The kernel's unit in `/proc`: a hundredth of a second, on every Linux that there is.
const TICK: Duration = Duration::from_millis(10);

/// Of this process, by its number.
///
/// # Errors
/// Where it does not run, or this is no Linux.
pub fn usage(process: u32) -> io::Result<Usage> {
    usage_below(&format!("/proc/{process}"))
}

/// Of ourselves.
///
/// # Errors
/// Where this is no Linux.
pub fn own_usage() -> io::Result<Usage> {
    usage_below("/proc/self")
}

fn usage_below(directory: &str) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("{directory}/stat"))?;
    let status = fs::read_to_string(format!("{directory}/status"))?;
    // The name, in parentheses, may hold blanks; user and system time are the 14th and 15th field.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let mut times = fields.skip(11).map(|field| field.parse::<u32>().unwrap_or_default());
    let ticks = times.next().unwrap_or_default().saturating_add(times.next().unwrap_or_default());
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
    };
    Ok(Usage { cpu: TICK * ticks, rss_kib: kib("VmRSS"), peak_rss_kib: kib("VmHWM") })
}

/// What the machine's processors did so far, in ticks of all of them together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Processors {
    idle: u64,
    all: u64,
}

impl Processors {
    /// Up to now.
    ///
    /// # Errors
    /// Where this is no Linux.
    pub fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        // user nice system idle iowait irq softirq steal; guests are in user already.
        let fields = line.split_whitespace().skip(1).take(8).map(|field| field.parse().unwrap_or_default());
        let ticks: Vec<u64> = fields.collect();
        Ok(Self { idle: ticks.iter().skip(3).take(2).sum(), all: ticks.iter().sum() })
    }

    /// The share of the time since then in which they had nothing to do.
    pub fn idle_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle);
        if all == 0 { 1.0 } else { idle as f64 / all as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_work_shows() {
        let before = own_usage().unwrap();
        let mut sum = 0u64;
        while own_usage().unwrap().cpu < before.cpu + 3 * TICK {
            sum = (0..100_000).fold(sum, |sum, number| sum.wrapping_mul(31).wrapping_add(number));
        }
        assert_ne!(sum, 1);
        let after = usage(std::process::id()).unwrap();
        assert!(after.cpu > before.cpu && after.rss_kib > 100 && after.peak_rss_kib >= after.rss_kib);
    }

    #[test]
    fn idle_time_is_a_share() {
        let now = Processors::now().unwrap();
        assert!(now.all > now.idle && now.idle > 0);
        let later = Processors { idle: now.idle + 30, all: now.all + 40 };
        assert_eq!(later.idle_since(now).to_string(), "0.75");
    }

    #[test]
    fn who_does_not_run_uses_nothing() {
        assert!(usage(u32::MAX).is_err());
    }
}
