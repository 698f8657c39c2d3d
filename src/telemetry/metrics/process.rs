//! What the relay's process uses, by the Prometheus conventions for processes. Read when it is asked for, from `/proc`; on
//! other systems than Linux there are no such figures.

use prometheus_client::registry::Unit;

use super::registry::Registry;

/// The kernel counts in hundredths of a second, on every Linux that there is (proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn register(all: &mut Registry) {
    all.amount("process_cpu", "CPU time that the process has used", Some(Unit::Seconds)).read_from(cpu_seconds);
    all.figure("process_resident_memory", "Memory of the process that is resident", Some(Unit::Bytes))
        .read_from(|| status("VmRSS:").map(|kib| kib * 1024.0));
    all.figure("process_virtual_memory", "Memory of the process, resident or not", Some(Unit::Bytes))
        .read_from(|| status("VmSize:").map(|kib| kib * 1024.0));
    all.figure("process_open_fds", "File descriptors that are open", None).read_from(open_descriptors);
    all.figure("process_max_fds", "File descriptors that may be open", None).read_from(most_descriptors);
    all.figure("process_threads", "Threads of the process", None).read_from(|| status("Threads:"));
    // It does not change, and the clock might.
    let started = start_time();
    all.figure("process_start_time", "When the process started, in Unix time", Some(Unit::Seconds))
        .read_from(move || started);
}

/// What follows the name in `/proc/self/stat`, from the third field on.
fn stat() -> Option<String> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold blanks and parentheses.
    stat.rsplit_once(')').map(|(_, fields)| fields.to_owned())
}

/// Field so-and-so of proc(5), in ticks.
fn ticks(stat: &str, field: usize) -> Option<f64> {
    stat.split_whitespace().nth(field.checked_sub(3)?)?.parse::<f64>().ok()
}

fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    Some((ticks(&stat, 14)? + ticks(&stat, 15)?) / TICKS_PER_SECOND)
}

fn start_time() -> Option<f64> {
    let booted = std::fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = booted.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + ticks(&stat()?, 22)? / TICKS_PER_SECOND)
}

fn status(field: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

fn open_descriptors() -> Option<f64> {
    // The one by which it is counted is not open any more.
    Some(std::fs::read_dir("/proc/self/fd").ok()?.count().checked_sub(1)? as f64)
}

fn most_descriptors() -> Option<f64> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_says_what_it_uses() {
        assert!(cpu_seconds().is_some_and(|seconds| seconds < 1e6));
        assert!(status("VmRSS:").is_some_and(|kib| kib > 100.0));
        assert!(status("Threads:").is_some_and(|threads| threads >= 1.0));
        let (open, most) = (open_descriptors().expect("some"), most_descriptors().expect("a limit"));
        assert!((3.0..=most).contains(&open), "{open} of {most}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let age = now - start_time().expect("it started");
        assert!((-2.0..100_000.0).contains(&age), "{age}");
    }
}
