//! The command line.

mod run;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::problem::{During as _, Problem};
use crate::report::{Report, compare, of_generators, page, table};
use crate::scenario::{BUILT_IN, read};
use run::Run;

/// An open-loop load test of a Sealpost relay that checks every message.
///
/// `sealpost-loadtest run stream` starts Redis and a relay, sends a steady load, and says what it cost, how long messages
/// took, and whether each of them arrived once, unchanged and in order. It exits with 1 if any did not.
#[derive(Debug, Parser)]
#[command(name = "sealpost-loadtest", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Box<Run>),
    /// List the scenarios that come with it
    Scenarios,
    Show(Show),
    Merge(Merge),
    Compare(Compare),
    Page(Page),
}

/// Print a scenario as TOML, with every key and its default: a file to start from
#[derive(Debug, Args)]
struct Show {
    /// A scenario's name, or a TOML file
    scenario: String,
    /// Change a key, as in `load.rate=5000`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

/// Make one report of several generators' that ran the same scenario at the same time
#[derive(Debug, Args)]
struct Merge {
    /// Their JSON reports
    #[arg(required = true, value_name = "JSON")]
    reports: Vec<PathBuf>,
    #[command(flatten)]
    output: Output,
}

/// Print the ratios of two reports, the second by the first
#[derive(Debug, Args)]
struct Compare {
    /// A JSON report
    first: PathBuf,
    /// Another one
    second: PathBuf,
}

/// Make a page of a JSON report
#[derive(Debug, Args)]
struct Page {
    /// The report
    report: PathBuf,
    /// Where the page goes
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
}

/// Where a report goes, besides the terminal.
#[derive(Debug, Args)]
struct Output {
    /// Write the report as JSON; - prints it, in place of the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page with charts, which needs nothing but itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Nothing was started: the command line or a file is wrong.
const USAGE: u8 = 2;

/// Does what the command line says.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.run(),
        Command::Scenarios => scenarios(),
        Command::Show(command) => command.run(),
        Command::Merge(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Page(command) => command.run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "error: {problem}");
            if problem.is_usage() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn scenarios() -> Result<bool, Problem> {
    for built in BUILT_IN {
        say(&format!("{:<10} {}", built.name, built.description()?));
    }
    say("\n`sealpost-loadtest show NAME` prints one with every key; `run FILE.toml` runs your own.");
    Ok(true)
}

impl Show {
    fn run(self) -> Result<bool, Problem> {
        let (_, scenario) = read(&self.scenario, &self.settings)?;
        say(toml::to_string(&scenario).during("writing TOML")?.trim_end());
        Ok(true)
    }
}

impl Merge {
    fn run(self) -> Result<bool, Problem> {
        let reports: Result<Vec<Report>, Problem> = self.reports.iter().map(|path| read_report(path)).collect();
        let report = of_generators(reports?)?;
        self.output.write(&report)?;
        self.output.tell(&report);
        Ok(report.passed())
    }
}

impl Compare {
    fn run(self) -> Result<bool, Problem> {
        let (first, second) = (read_report(&self.first)?, read_report(&self.second)?);
        let compared = compare(&first, &second);
        if compared.is_empty() {
            return Err(Problem::usage("the reports have no figure in common"));
        }
        say(&format!("  {:<40} {:>12} {:>12} {:>10}", "", "first", "second", "ratio"));
        compared.iter().for_each(|figure| say(&figure.line()));
        Ok(true)
    }
}

impl Page {
    fn run(self) -> Result<bool, Problem> {
        let report = read_report(&self.report)?;
        Output { json: None, html: Some(self.html) }.write(&report)?;
        Ok(true)
    }
}

impl Output {
    fn write(&self, report: &Report) -> Result<(), Problem> {
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(report).during("writing the report")?;
            if self.is_printed() { say(&json) } else { write(path, &format!("{json}\n"))? }
        }
        match &self.html {
            Some(path) => write(path, &page(report)?),
            None => Ok(()),
        }
    }

    /// For a person, unless a program reads.
    fn tell(&self, report: &Report) {
        if !self.is_printed() {
            say(&table(report));
        }
    }

    /// Whether standard output is for the JSON.
    fn is_printed(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    /// The files that are written.
    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.json.iter().filter(|_| !self.is_printed()).chain(&self.html)
    }

    /// Before a run of an hour it should be known that its report can be written.
    fn check(&self) -> Result<(), Problem> {
        for path in self.files() {
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            if directory.is_some_and(|directory| !directory.is_dir()) || path.is_dir() {
                return Err(Problem::usage(format!("{} cannot be written", path.display()))
                    .remedy("name a file in a directory that exists"));
            }
        }
        Ok(())
    }
}

fn read_report(path: &Path) -> Result<Report, Problem> {
    let shown = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| Problem::usage(format!("{shown} cannot be read: {error}")))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|error| Problem::usage(format!("{shown} is no report of sealpost-loadtest: {error}")))?;
    match report.format {
        Some(crate::report::FORMAT) => Ok(report),
        _ => Err(Problem::usage(format!("{shown} is no report of this version of sealpost-loadtest"))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    std::fs::write(path, text).during(format_args!("writing {}", path.display()))
}

/// A line on standard output. A reader that went away is no failure of ours.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
