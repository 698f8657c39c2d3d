//! From files and flags to a checked scenario.

use std::path::Path;

use sealpost_core::SIZE_CLASSES;
use toml::{Table, Value};

use super::{Durability, Play, Scenario, StoreKind};
use crate::problem::Problem;

/// A scenario that comes with the load test.
#[derive(Debug, Clone, Copy)]
pub struct Built {
    /// As it is called on the command line.
    pub name: &'static str,
    toml: &'static str,
}

macro_rules! built_in {
    ($($name:literal)*) => {
        /// All scenarios that come with the load test, in the order in which a person may want to meet them.
        pub const BUILT_IN: &[Built] =
            &[$(Built { name: $name, toml: include_str!(concat!("../../scenarios/", $name, ".toml")) }),*];
    };
}
built_in! {
    "stream" "unary" "ladder" "idle" "backlog" "storm" "slow" "drain" "certificate" "flat" "soak" "verify" "floor" "peers"
}

impl Built {
    /// Its description.
    ///
    /// # Errors
    /// Where the file is wrong, which a test excludes.
    pub fn description(&self) -> Result<String, Problem> {
        Ok(parse(self.name, self.toml)?.0.description)
    }
}

/// Reads a scenario, by its name or from a file, changes it by settings like `owners.mailboxes=5000`, and checks the whole.
/// Gives its name, too.
///
/// # Errors
/// No such scenario; a file that cannot be read or has a key that no scenario has; a setting that makes no sense.
pub fn read(name_or_file: &str, settings: &[String]) -> Result<(String, Scenario), Problem> {
    let (name, text) = match BUILT_IN.iter().find(|built| built.name == name_or_file) {
        Some(built) => (built.name.to_owned(), built.toml.to_owned()),
        None => from_file(name_or_file)?,
    };
    let (mut scenario, mut table) = parse(name_or_file, &text)?;
    for setting in settings {
        set(&mut table, setting)?;
        scenario = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| Problem::usage(format!("{setting}: {}", error.message())))?;
    }
    check(&scenario)?;
    Ok((name, scenario))
}

fn from_file(path: &str) -> Result<(String, String), Problem> {
    let is_a_file = path.ends_with(".toml") || path.contains('/');
    if !is_a_file {
        let names: Vec<&str> = BUILT_IN.iter().map(|built| built.name).collect();
        return Err(Problem::usage(format!("there is no scenario {path:?}"))
            .remedy(format!("there are {}; or name a file that ends with .toml", names.join(", "))));
    }
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::usage(format!("the scenario {path} cannot be read: {error}")))?;
    let name = Path::new(path).file_stem().map_or(path.into(), |stem| stem.to_string_lossy().into_owned());
    Ok((name, text))
}

fn parse(name: &str, text: &str) -> Result<(Scenario, Table), Problem> {
    let wrong = |error: toml::de::Error| {
        Problem::usage(format!("the scenario {name} is wrong: {}", error.to_string().trim_end()))
            .remedy("`sealpost-loadtest show stream` prints every key with its default")
    };
    Ok((toml::from_str(text).map_err(wrong)?, toml::from_str(text).map_err(wrong)?))
}

/// Puts `a.b=value` into a table. A value that is no TOML is a string: `steady=10s` needs no quotes.
fn set(table: &mut Table, setting: &str) -> Result<(), Problem> {
    let (key, value) = setting
        .split_once('=')
        .ok_or_else(|| Problem::usage(format!("{setting:?} sets nothing")).remedy("write it like load.rate=5000"))?;
    let value = value.trim();
    let as_toml = toml::from_str::<Table>(&format!("it = {value}")).ok().and_then(|mut table| table.remove("it"));
    let value = as_toml.unwrap_or_else(|| Value::String(value.to_owned()));
    let mut place = table;
    let mut parts = key.trim().split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            place.insert(part.to_owned(), value);
            break;
        }
        place = place
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| Problem::usage(format!("{setting}: {part} is no section")))?;
    }
    Ok(())
}

/// What no type can say.
fn check(scenario: &Scenario) -> Result<(), Problem> {
    let wrong = |what: &str| Err(Problem::usage(what.to_owned()));
    let Scenario { load, senders, owners, spawn, ladder, .. } = scenario;
    if !(load.rate.is_finite() && load.rate > 0.0) {
        return wrong("load.rate is a number of messages a second, above 0");
    }
    if !SIZE_CLASSES.contains(&load.payload_bytes) {
        return wrong("load.payload_bytes is the size of an envelope: 1024, 2048, 4096, 16384 or 65536");
    }
    if load.steady.0.is_zero() {
        return wrong("load.steady is the time in which it is measured, above 0");
    }
    if u32::try_from(owners.mailboxes).is_err() || owners.mailboxes == 0 {
        return wrong("owners.mailboxes is a number from 1");
    }
    if owners.connections == 0 || senders.connections == 0 {
        return wrong("owners.connections and senders.connections are numbers from 1");
    }
    if spawn.relays == 0 || scenario.repeats == 0 {
        return wrong("spawn.relays and repeats are numbers from 1");
    }
    if spawn.store == StoreKind::Embedded && spawn.relays > 1 {
        return wrong("with spawn.store = \"embedded\" there is one relay: spawn.relays = 1");
    }
    if spawn.store == StoreKind::Embedded && spawn.durability == Durability::Everysec {
        return wrong("the embedded store knows spawn.durability = \"memory\" and \"always\"");
    }
    if !(ladder.factor > 1.0 && ladder.from > 0.0 && ladder.from <= ladder.to && ladder.to.is_finite()) {
        return wrong("a ladder goes up: 0 < ladder.from <= ladder.to, and ladder.factor above 1");
    }
    if !(0.0..=1.0).contains(&scenario.slow.share) {
        return wrong("slow.share is a share of the owners, from 0 to 1");
    }
    if scenario.play == Play::Drain && spawn.relays < 2 {
        return wrong("for play = \"drain\" there must be another relay to go to: spawn.relays = 2 or more");
    }
    if scenario.play == Play::Certificate && !(spawn.tls && scenario.certificate.rounds > 0) {
        return wrong(
            "for play = \"certificate\" there must be one to replace: spawn.tls = true, certificate.rounds from 1",
        );
    }
    if scenario.verify.one_in == 0 {
        return wrong("verify.one_in is a number from 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_come_with_it_are_right_and_say_what_they_do() {
        for built in BUILT_IN {
            let (name, scenario) = read(built.name, &[]).unwrap();
            assert_eq!(name, built.name);
            assert!(scenario.description.len() > 20, "{name}");
        }
    }

    #[test]
    fn a_scenario_that_is_printed_is_the_same_when_it_is_read() {
        let (_, scenario) = read("stream", &["load.steady=90s".to_owned()]).unwrap();
        let printed = toml::to_string(&scenario).unwrap();
        assert_eq!(toml::from_str::<Scenario>(&printed).unwrap(), scenario);
    }

    #[test]
    fn settings_win_over_the_file() {
        let settings = ["load.rate=7000", "load.steady=5s", "spawn.durability=always", "flat.mailboxes=[10, 20]"];
        let (_, scenario) = read("stream", &settings.map(str::to_owned)).unwrap();
        assert_eq!(scenario.load.rate.to_string(), "7000");
        assert_eq!(scenario.load.steady.as_secs_f64().to_string(), "5");
        assert_eq!(scenario.spawn.durability, Durability::Always);
        assert_eq!(scenario.flat.mailboxes, [10, 20]);
    }

    fn complaint(name: &str, settings: &[&str]) -> String {
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let problem = read(name, &settings).unwrap_err();
        assert!(problem.is_usage());
        problem.to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_a_remedy() {
        assert!(complaint("steam", &[]).contains("there are stream, unary, ladder"));
        assert!(complaint("missing/file.toml", &[]).contains("cannot be read"));
        let unknown = complaint("stream", &["load.raet=1"]);
        assert!(unknown.contains("unknown field `raet`") && unknown.contains("`rate`"), "{unknown}");
        assert!(complaint("stream", &["load.steady=soon"]).contains("is no time"));
        assert!(complaint("stream", &["load.rate=-1"]).contains("above 0"));
        assert!(complaint("stream", &["load"]).contains("like load.rate=5000"));
        assert!(complaint("stream", &["load.payload_bytes=1000"]).contains("1024, 2048"));
        assert!(complaint("stream", &["play=drain"]).contains("another relay"));
        assert!(complaint("certificate", &["spawn.tls=false"]).contains("one to replace"));
        assert!(complaint("stream", &["description.x=1"]).contains("no section"));
    }

    #[test]
    fn a_misspelt_key_of_a_file_is_named_with_its_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mine.toml");
        std::fs::write(&path, "description = \"mine\"\n[load]\nraet = 5\n").unwrap();
        let said = complaint(path.to_str().unwrap(), &[]);
        assert!(said.contains("line 3") && said.contains("unknown field `raet`"), "{said}");
    }
}
