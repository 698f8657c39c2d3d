//! Clocks, and what is made of what they say.

use std::time::{Duration, Instant};

use sealpost_testkit::RedisServer;
use serde_json::{Value, json};

use crate::table::Table;

/// CPU time that a process has used so far, all of its threads together.
pub(crate) fn cpu_of(process: u32) -> Duration {
    /// The kernel's unit in `/proc`: a hundredth of a second, on every Linux that there is.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs, on Linux");
    // The name, in parentheses, may hold blanks.
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a line").split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<u32>().expect("a number");
    TICK * (ticks(11) + ticks(12))
}

/// Memory of a process that is in use, in bytes.
pub(crate) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs, on Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

/// Wall and CPU time since a moment.
pub(crate) struct Stopwatch {
    began: Instant,
    redis: Option<(u32, Duration)>,
    client: Duration,
}

/// What some messages took.
#[derive(Clone, Copy)]
pub(crate) struct Taken {
    pub(crate) messages: u64,
    pub(crate) wall: Duration,
    pub(crate) redis: Duration,
    pub(crate) client: Duration,
}

impl Stopwatch {
    pub(crate) fn start(server: Option<&RedisServer>) -> Self {
        Self::of_process(server.and_then(RedisServer::process_id))
    }

    pub(crate) fn of_process(process: Option<u32>) -> Self {
        let redis = process.map(|process| (process, cpu_of(process)));
        Self { began: Instant::now(), redis, client: cpu_of(std::process::id()) }
    }

    pub(crate) fn stop(&self, messages: u64) -> Taken {
        let wall = self.began.elapsed();
        let redis = self.redis.map_or(Duration::ZERO, |(process, before)| cpu_of(process) - before);
        Taken { messages, wall, redis, client: cpu_of(std::process::id()) - self.client }
    }
}

impl Taken {
    pub(crate) fn rate(&self) -> f64 {
        self.messages as f64 / self.wall.as_secs_f64()
    }

    pub(crate) fn redis_micros(&self) -> f64 {
        self.redis.as_secs_f64() * 1e6 / self.messages as f64
    }

    pub(crate) fn client_micros(&self) -> f64 {
        self.client.as_secs_f64() * 1e6 / self.messages as f64
    }
}

/// One figure of several rounds.
pub(crate) struct Figure {
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Figure {
    pub(crate) fn of(rounds: impl Iterator<Item = f64>) -> Self {
        let none = Self { least: f64::INFINITY, most: f64::NEG_INFINITY };
        rounds.fold(none, |so_far, next| Self { least: so_far.least.min(next), most: so_far.most.max(next) })
    }
}

/// Rates and CPU times, the best and the worst of each: cells for [`COLUMNS`].
pub(crate) fn cells(rounds: &[Taken]) -> Vec<Value> {
    let rate = Figure::of(rounds.iter().map(Taken::rate));
    let redis = Figure::of(rounds.iter().map(Taken::redis_micros));
    let client = Figure::of(rounds.iter().map(Taken::client_micros));
    [rate.most, rate.least, redis.least, redis.most, client.least, client.most].map(|cell| json!(cell)).to_vec()
}

pub(crate) const COLUMNS: [&str; 6] =
    ["messages/s", "worst rate", "Redis µs", "worst Redis", "client µs", "worst client"];

/// The value below which this share lies.
pub(crate) fn share(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().checked_sub(1).expect("something was measured");
    sorted[((sorted.len() as f64 * share) as usize).min(last)]
}

pub(crate) fn micros(time: Duration) -> Value {
    json!(time.as_secs_f64() * 1e6)
}

pub(crate) fn millis(time: Duration) -> Value {
    json!(time.as_secs_f64() * 1e3)
}

/// On what it was measured.
pub(crate) fn machine() -> Table {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1)).unwrap_or("unknown");
    let program = std::env::var_os("SEALPOST_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let version = std::process::Command::new(program).arg("--version").output().map(|output| output.stdout);
    let version = String::from_utf8(version.unwrap_or_default()).unwrap_or_default();
    let mut table = Table::new("The machine", &["what", "value"]);
    for (what, value) in [
        ("kernel", read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("CPU", format!("{} × {model}", std::thread::available_parallelism().map_or(0, usize::from))),
        ("server", version.split(" sha").next().unwrap_or_default().trim().to_owned()),
        ("load before", read("/proc/loadavg").trim().to_owned()),
    ] {
        table.row(vec![json!(what), json!(value)]);
    }
    table
}
