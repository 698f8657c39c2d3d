//! How a run is going, for whoever watches: one line that changes on a terminal, plain lines elsewhere. All of it goes to
//! standard error; results go to standard output.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::report::{Moment, grouped, micros, number};

/// Where progress is shown.
#[derive(Debug)]
pub struct Live {
    style: Style,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Silent,
    Lines,
    Terminal,
}

#[derive(Debug)]
struct State {
    /// What is being done.
    doing: String,
    shown: Option<Instant>,
    /// A line stands there that the next one replaces.
    open: bool,
}

/// Between two lines where there is no terminal.
const LINES_EVERY: Duration = Duration::from_secs(5);
const TERMINAL_EVERY: Duration = Duration::from_millis(100);

impl Live {
    /// Shown as fits where standard error goes; not at all if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let style = match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Style::Silent,
            (false, true) => Style::Terminal,
            (false, false) => Style::Lines,
        };
        Self { style, state: Mutex::new(State { doing: String::new(), shown: None, open: false }) }
    }

    /// Something begins.
    pub fn begin(&self, doing: impl Into<String>) {
        let mut state = self.state.lock();
        state.doing = doing.into();
        let line = state.doing.clone();
        self.put(&mut state, &line);
        // What it comes to is shown soon.
        state.shown = Some(Instant::now());
    }

    /// How far it has come.
    pub fn at(&self, done: usize, of: usize) {
        self.show(|doing| format!("{doing}: {} of {}", grouped(done as u64), grouped(of as u64)), false);
    }

    /// What the last second brought.
    pub fn second(&self, moment: &Moment, left: Option<Duration>) {
        self.show(|doing| second(doing, moment, left), self.style == Style::Terminal);
    }

    /// Something that stays on the screen.
    pub fn note(&self, text: &str) {
        if self.style == Style::Silent {
            return;
        }
        let mut state = self.state.lock();
        self.clear(&mut state);
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// The line that changes goes.
    pub fn end(&self) {
        self.clear(&mut self.state.lock());
    }

    fn show(&self, line: impl FnOnce(&str) -> String, now: bool) {
        let every = if self.style == Style::Terminal { TERMINAL_EVERY } else { LINES_EVERY };
        let mut state = self.state.lock();
        if now || state.shown.is_none_or(|shown| shown.elapsed() >= every) {
            let line = line(&state.doing);
            self.put(&mut state, &line);
            state.shown = Some(Instant::now());
        }
    }

    fn put(&self, state: &mut State, line: &str) {
        match self.style {
            Style::Silent => {}
            Style::Lines => drop(writeln!(std::io::stderr(), "{line}")),
            Style::Terminal => {
                self.clear(state);
                let _ = write!(std::io::stderr(), "{line}");
                let _ = std::io::stderr().flush();
                state.open = true;
            }
        }
    }

    fn clear(&self, state: &mut State) {
        if std::mem::take(&mut state.open) {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

fn second(doing: &str, moment: &Moment, left: Option<Duration>) -> String {
    let left = left.map(|left| format!(" {} s left", left.as_secs())).unwrap_or_default();
    let rate = |rate: f64| grouped(rate.round().max(0.0) as u64);
    let mut line =
        format!("{doing}{left} | {}/s due, {}/s delivered", rate(moment.offered_per_s), rate(moment.delivered_per_s));
    if let (Some(p50), Some(p99), Some(max)) = (moment.p50_us, moment.p99_us, moment.max_us) {
        line.push_str(&format!(" | p50 {}, p99 {}, max {}", micros(p50), micros(p99), micros(max)));
    }
    let cpu: Vec<String> = moment.cpu_cores.iter().map(|(kind, cores)| format!("{kind} {}", number(*cores))).collect();
    if !cpu.is_empty() {
        line.push_str(&format!(" | cores: {}", cpu.join(", ")));
    }
    if moment.refused_per_s > 0.0 {
        line.push_str(&format!(" | {}/s not accepted", rate(moment.refused_per_s)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_one_line_that_says_what_matters() {
        let moment = Moment {
            offered_per_s: 5000.4,
            delivered_per_s: 4990.0,
            p50_us: Some(812),
            p99_us: Some(2_310),
            max_us: Some(5_600),
            cpu_cores: [("relay".to_owned(), 0.21)].into(),
            ..Moment::default()
        };
        let line = second("stream: measuring", &moment, Some(Duration::from_secs(12)));
        assert_eq!(
            line,
            "stream: measuring 12 s left | 5,000/s due, 4,990/s delivered | p50 812 µs, p99 2.31 ms, max 5.60 ms | cores: relay 0.210"
        );
    }
}
