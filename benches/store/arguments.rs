//! What was asked for.

use std::time::Duration;

use sealpost_testkit::AppendOnly;

pub(crate) enum Mode {
    Flow,
    Ladder,
    Open,
    Pod,
    Costs,
    Hours,
}

pub(crate) struct Arguments {
    pub(crate) modes: Vec<Mode>,
    pub(crate) json: bool,
    /// How often each is measured.
    pub(crate) rounds: usize,
    /// How long a round lasts.
    pub(crate) round: Duration,
    pub(crate) durabilities: Vec<AppendOnly>,
    /// Concurrent callers of `flow`.
    pub(crate) callers: usize,
    /// Connections of the store for commands.
    pub(crate) connections: usize,
    /// Open mailboxes of `open` and `pod`.
    pub(crate) mailboxes: usize,
    /// How often `open` and `pod` cut the wake path.
    pub(crate) kill_rounds: usize,
}

impl Arguments {
    pub(crate) fn of_command_line() -> Self {
        let mut asked = Self {
            modes: Vec::new(),
            json: false,
            rounds: 3,
            round: Duration::from_secs(3),
            durabilities: vec![AppendOnly::No, AppendOnly::EverySec, AppendOnly::Always],
            callers: 1024,
            connections: 2,
            mailboxes: 100_000,
            kill_rounds: 3,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
            match word.as_str() {
                "flow" => asked.modes.push(Mode::Flow),
                "ladder" => asked.modes.push(Mode::Ladder),
                "open" => asked.modes.push(Mode::Open),
                "pod" => asked.modes.push(Mode::Pod),
                "costs" => asked.modes.push(Mode::Costs),
                "hours" => asked.modes.push(Mode::Hours),
                "--json" => asked.json = true,
                "--rounds" => asked.rounds = value().parse().expect("a number of rounds"),
                "--seconds" => asked.round = Duration::from_secs_f64(value().parse().expect("seconds")),
                "--callers" => asked.callers = value().parse().expect("a number of callers"),
                "--connections" => asked.connections = value().parse().expect("a number of connections"),
                "--mailboxes" => asked.mailboxes = value().parse().expect("a number of mailboxes"),
                "--kill-rounds" => asked.kill_rounds = value().parse().expect("a number of rounds"),
                "--durability" => asked.durabilities = value().split(',').map(durability).collect(),
                // Cargo says so to every benchmark.
                "--bench" => {}
                other => panic!("{other} is no mode and no flag; benches/store/main.rs lists them"),
            }
        }
        if asked.modes.is_empty() {
            asked.modes = vec![Mode::Flow, Mode::Ladder];
        }
        asked
    }
}

fn durability(name: &str) -> AppendOnly {
    match name {
        "memory" => AppendOnly::No,
        "everysec" => AppendOnly::EverySec,
        "always" => AppendOnly::Always,
        other => panic!("{other} is none of memory, everysec, always"),
    }
}

pub(crate) fn name(durability: AppendOnly) -> &'static str {
    match durability {
        AppendOnly::No => "memory",
        AppendOnly::EverySec => "everysec",
        AppendOnly::Always => "always",
    }
}
