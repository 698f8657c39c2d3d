//! What a report says of where it was measured.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::problem::Problem;
use crate::report::Environment;

/// This machine, and the checkout that we were built from, if it is there.
pub fn environment() -> Environment {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |text: &str, key: &str, separator: char| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(separator));
        line.map(|value| value.trim().trim_matches('"').to_owned()).unwrap_or_default()
    };
    let memory_kib = value(&memory, "MemTotal", ':').split(' ').next().and_then(|kib| kib.parse().ok());
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_default();
    Environment {
        dirty: git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty()),
        commit,
        cpu: value(&cpu_info, "model name", ':'),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_kib: memory_kib.unwrap_or_default(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        os: value(&os, "PRETTY_NAME", '='),
        profile: profile(),
        wake_us: wake_us(),
        versions: [("sealpost-loadtest", env!("CARGO_PKG_VERSION")), ("rustc", env!("RUSTC_VERSION"))]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        configurations: BTreeMap::new(),
    }
}

/// How long it takes until a thread that sleeps has been woken by another, in microseconds: of what a message costs at a
/// low rate this is the most, and it differs tenfold between machines, virtual ones above all.
fn wake_us() -> f64 {
    const ROUNDS: u32 = 2_000;
    let ((to, from_us), (back, from_it)) = (std::sync::mpsc::sync_channel(0), std::sync::mpsc::sync_channel(0));
    let echo = std::thread::spawn(move || from_us.iter().try_for_each(|()| back.send(())));
    let began = Instant::now();
    for _ in 0..ROUNDS {
        if to.send(()).is_err() || from_it.recv().is_err() {
            break;
        }
    }
    let took = began.elapsed();
    drop(to);
    let _ = echo.join();
    // There and back.
    took.as_secs_f64() * 1e6 / f64::from(2 * ROUNDS)
}

/// The cargo profile that we were built with: the directory that we are in.
fn profile() -> String {
    let own = std::env::current_exe().ok();
    let directory = own.as_deref().and_then(Path::parent).and_then(Path::file_name);
    directory.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn git(arguments: &[&str]) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Elsewhere there may be another repository at that place, or none.
    if !root.join("Cargo.toml").exists() {
        return None;
    }
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Files that are open besides connections: libraries, logs, `/proc`, the runtime's own.
const FILES_BESIDES: u64 = 200;

/// Makes sure that so many connections can be open, raising our own limit if the system allows it. Processes that are
/// started here get the same limit, and relays need as many.
///
/// # Errors
/// Where the system does not allow as many.
pub fn room_for_connections(connections: usize) -> Result<(), Problem> {
    let needed = connections as u64 + FILES_BESIDES;
    let limit = getrlimit(Resource::Nofile);
    let unlimited = u64::MAX;
    if limit.current.unwrap_or(unlimited) >= needed {
        return Ok(());
    }
    let most = limit.maximum.unwrap_or(unlimited);
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    if most >= needed && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    Err(Problem::new(format!(
        "{connections} connections need {needed} file descriptors, and this process may have {most}"
    ))
    .remedy(format!(
        "raise the limit with `ulimit -Hn {needed} && ulimit -n {needed}` as root, in /etc/security/limits.conf, or with LimitNOFILE={needed} \
         of systemd; or have fewer owners (--mailboxes), or topology \"gateway\""
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_known() {
        let here = environment();
        assert!(here.cores > 0 && here.memory_kib > 1_000 && !here.kernel.is_empty() && here.wake_us > 0.0);
    }

    #[test]
    fn too_many_connections_are_a_problem_that_says_how_many_files_they_need() {
        room_for_connections(1).unwrap();
        let problem = room_for_connections(2_000_000_000).unwrap_err().to_string();
        assert!(problem.contains("2000000200") && problem.contains("ulimit"), "{problem}");
    }
}
