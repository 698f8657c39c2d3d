//! What a relay's process uses, from `/proc` (proc(5)).

use std::fs;
use std::time::Duration;

/// What a process has used, and holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// CPU time of its threads so far, to the nanosecond.
    pub(crate) cpu: Duration,
    /// Resident memory, in KiB…
    pub(crate) rss_kib: u64,
    /// … and the most since [`forget_peak`].
    pub(crate) peak_rss_kib: u64,
}

/// Of a process that runs.
pub(crate) fn usage(process: u32) -> Usage {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    let threads = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
    // A thread may end while we look.
    let schedules = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
    let nanoseconds = schedules.map(|line| line.split_whitespace().next().unwrap().parse::<u64>().unwrap()).sum();
    Usage { cpu: Duration::from_nanos(nanoseconds), rss_kib: kib("VmRSS:"), peak_rss_kib: kib("VmHWM:") }
}

/// From here on, the peak is a new one.
pub(crate) fn forget_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").expect("it is ours");
}

/// The descriptors that it has open.
pub(crate) fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count()
}

#[test]
fn our_own_memory_shows() {
    let process = std::process::id();
    forget_peak(process);
    let before = usage(process);
    let much = vec![1u8; 64 << 20];
    let after = usage(process);
    assert_eq!(much[much.len() - 1], 1);
    drop(much);
    assert!(after.peak_rss_kib > before.rss_kib + 60 * 1024, "{before:?} {after:?}");
    assert!(after.cpu > before.cpu);
    assert!(descriptors(process) > 2);
}
