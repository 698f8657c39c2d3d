//! What is left of the runs for a reader: a table of all, and for a run that failed, what happened.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::away::{Away, Silences};
use crate::checker::{Verdict, Violation, evidence};
use crate::history::{Event, Why};

/// Violations that are told in full.
const SHOWN: usize = 5;
/// Events that are told of each.
const EVENTS: usize = 60;

/// A run's line of the table.
pub(crate) struct Line<'a> {
    pub(crate) fault: &'static str,
    pub(crate) topology: &'static str,
    pub(crate) rounds: usize,
    pub(crate) verdict: &'a Verdict,
    pub(crate) away: &'a Away,
}

const HEAD: &str = "\
| fault | topology | rounds | accepted | delivered | lost | corrupted | out of order | stored twice | redelivered \
| never accepted | sends away | deliveries away | sends away, one mailbox | deliveries away, one mailbox |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// The lines so far, as text and as JSON.
static LINES: Mutex<(Vec<String>, Vec<Value>)> = Mutex::new((Vec::new(), Vec::new()));

/// Where everything is written.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("chaos")
}

/// Adds a line, and writes the table anew.
pub(crate) fn add(line: &Line<'_>) {
    add_row(line.to_string(), line.to_json());
}

/// The same for a run that failed before it could be judged.
pub(crate) fn add_unjudged(fault: &str, topology: &str, rounds: usize) {
    let text = format!("| {fault} | {topology} | {rounds} | failed |{}", " |".repeat(11));
    add_row(text, json!({ "fault": fault, "topology": topology, "rounds": rounds, "failed": true }));
}

fn add_row(text: String, json: Value) {
    let mut lines = LINES.lock().unwrap();
    lines.0.push(text + "\n");
    lines.0.sort_unstable();
    lines.1.push(json);
    let text = format!(
        "{HEAD}{}\nAway: the longest time in a round without an accepted send, or a new delivery; median and worst of the rounds, \
         in seconds.\nOne mailbox: that of the mailbox which waited longest.\n",
        lines.0.concat()
    );
    std::fs::write(directory().join("summary.md"), text).unwrap();
    std::fs::write(directory().join("summary.json"), format!("{:#}\n", Value::from(lines.1.clone()))).unwrap();
}

/// Tells of violations, with the history of each.
pub(crate) fn violations(history: &[Event], violations: &[Violation]) -> String {
    let mut text = format!("{} violations", violations.len());
    for violation in violations.iter().take(SHOWN) {
        let _ = write!(text, "\n\n{violation}:\n{}", shortened(&evidence(history, violation)));
    }
    text
}

/// Tells of mailboxes where nothing moves.
pub(crate) fn stuck(history: &[Event], mailboxes: &[usize]) -> String {
    let last = history.iter().rev().take(EVENTS).rev().collect::<Vec<_>>();
    format!("nothing moves in mailboxes {mailboxes:?}; the last events:\n{}", shortened(&last))
}

/// Writes all of a history, a line for each event.
pub(crate) fn write_history(file: &Path, history: &[Event]) -> std::io::Result<()> {
    let text: String = history.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(file, text)
}

/// The first and the last of many events.
fn shortened(events: &[&Event]) -> String {
    let mut text = String::new();
    let left_out = events.len().saturating_sub(EVENTS);
    for (place, event) in events.iter().enumerate() {
        if place == EVENTS / 2 && left_out > 0 {
            let _ = writeln!(text, "  … {left_out} more …");
        }
        if place < EVENTS / 2 || place >= EVENTS / 2 + left_out {
            let _ = writeln!(text, "  {event}");
        }
    }
    text
}

impl Line<'_> {
    fn to_json(&self) -> Value {
        let Self { verdict, away, .. } = self;
        let by_name = |counts: &BTreeMap<Why, usize>| -> Value {
            counts.iter().map(|(why, count)| (why.to_string(), json!(count))).collect::<serde_json::Map<_, _>>().into()
        };
        json!({
            "fault": self.fault,
            "topology": self.topology,
            "rounds": self.rounds,
            "accepted": verdict.accepted,
            "delivered": verdict.delivered,
            "lost": verdict.lost,
            "corrupted": verdict.corrupted,
            "out_of_order": verdict.out_of_order,
            "stored_twice": verdict.stored_twice,
            "redelivered": verdict.redelivered,
            "never_accepted": verdict.never_accepted,
            "renumbered": verdict.renumbered,
            "violations": verdict.violations.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "refusals": by_name(&verdict.refusals),
            "endings": by_name(&verdict.endings),
            "away_seconds": {
                "sends": away.sends.to_json(),
                "deliveries": away.deliveries.to_json(),
                "sends_to_one_mailbox": away.sends_to_one.to_json(),
                "deliveries_of_one_mailbox": away.deliveries_of_one.to_json(),
            },
        })
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, topology, rounds, verdict, away } = self;
        write!(f, "| {fault} | {topology} | {rounds} | {} | {} ", verdict.accepted, verdict.delivered)?;
        write!(f, "| {} | {} | {} ", verdict.lost, verdict.corrupted, verdict.out_of_order)?;
        write!(f, "| {} | {} | {} ", verdict.stored_twice, verdict.redelivered, verdict.never_accepted)?;
        for silences in [&away.sends, &away.deliveries, &away.sends_to_one, &away.deliveries_of_one] {
            write!(f, "| {silences} ")?;
        }
        f.write_str("|")
    }
}

impl fmt::Display for Silences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, worst] = [self.median(), self.worst()].map(|it| it.unwrap_or(Duration::ZERO).as_secs_f64());
        write!(f, "{median:.2} / {worst:.2}")
    }
}
