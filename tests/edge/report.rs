//! The table of all attacks, for a reader.

use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use crate::attack::Done;

/// An attack's line.
pub(crate) struct Line<'a> {
    pub(crate) what: &'static str,
    pub(crate) done: Done<'a>,
    /// The most that the relay held beyond what it had before.
    pub(crate) memory_kib: u64,
    pub(crate) bound_kib: u64,
    /// The relay's, without that for the bystander's letters.
    pub(crate) cpu: Duration,
    /// Letters that arrived meanwhile, and how long the slowest took.
    pub(crate) letters: u32,
    pub(crate) worst: Duration,
}

const HEAD: &str = "\
| attack | how often | the relay | memory, KiB | allowed | CPU, ms | CPU for each, µs | letters meanwhile | slowest, ms |
|---|--:|---|--:|--:|--:|--:|--:|--:|
";

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Adds a line, tells it, and writes the table anew.
pub(crate) fn add(line: &Line<'_>) {
    eprint!("{HEAD}{line}");
    let mut lines = LINES.lock().unwrap();
    lines.push(line.to_string());
    lines.sort_unstable();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("edge");
    std::fs::create_dir_all(&directory).unwrap();
    let text = format!(
        "{HEAD}{}\nMemory: the most beyond what the relay held before. CPU: the relay's, less what the letters of somebody who keeps \
         to the rules\ncost it in calm. Those letters went on meanwhile, one after another.\n",
        lines.concat()
    );
    std::fs::write(directory.join("summary.md"), text).unwrap();
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, done: Done { count, of, outcome }, memory_kib, bound_kib, cpu, letters, worst } = self;
        let (cpu, worst) = (cpu.as_secs_f64() * 1e3, worst.as_secs_f64() * 1e3);
        let each = cpu * 1e3 / f64::from((*count).max(1));
        write!(f, "| {what} | {count} {of} | {outcome} | {memory_kib} | {bound_kib} | {cpu:.0} | {each:.1} ")?;
        writeln!(f, "| {letters} | {worst:.0} |")
    }
}
