//! The lines that tell what a command does, step by step, and how long each step took.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::output::say;

/// Tells what happened, and how long it took.
pub(super) struct Teller {
    began: Instant,
    since: Instant,
    is_heard: bool,
    in_colour: bool,
    steps: Vec<Value>,
}

impl Teller {
    pub(super) fn new(is_heard: bool) -> Self {
        let in_colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let now = Instant::now();
        Self { began: now, since: now, is_heard, in_colour, steps: Vec::new() }
    }

    /// What was done since the last step.
    pub(super) fn step(&mut self, what: impl Into<String>) {
        let what = what.into();
        let took = self.since.elapsed();
        let time = format!("{:>7.1} ms", rounded_ms(took));
        self.line(&format!("{}  {what}", self.dim(&time)));
        self.steps.push(json!({ "step": what, "ms": rounded_ms(took) }));
        self.since = Instant::now();
    }

    /// More on the last step.
    pub(super) fn more(&self, what: &str) {
        self.line(&format!("            {what}"));
    }

    pub(super) fn heading(&self, text: &str) {
        self.line(&format!("\n{}\n", self.paint("1", text)));
    }

    pub(super) fn line(&self, text: &str) {
        if self.is_heard {
            say(text);
        }
    }

    pub(super) fn good(&self, text: &str) -> String {
        self.paint("1;32", text)
    }

    pub(super) fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Looking is not part of the next step.
    pub(super) fn restart(&mut self) {
        self.since = Instant::now();
    }

    pub(super) fn total(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn steps(&self) -> &[Value] {
        &self.steps
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.in_colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// As exact as it is worth.
pub(super) fn rounded_ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e4).round() / 10.0
}
