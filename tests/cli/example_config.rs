//! `sealpost.example.toml` tells the truth.

use std::collections::BTreeSet;

use clap::{Args, Command};
use sealpost::config::{Config, Settings};

const EXAMPLE: &str = include_str!("../../sealpost.example.toml");
/// Behind settings that have no default, only an example.
const NO_DEFAULT: &str = "# no default";

/// The file with the `#` taken from the settings that `choose` likes.
fn uncommented(choose: impl Fn(&str) -> bool) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(char::is_alphabetic) && choose(setting) => setting.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(|text| line(text) + "\n").collect()
}

fn config(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sealpost.toml");
    std::fs::write(&path, text).unwrap();
    format!("{:#?}", Config::load(Some(&path), &Settings::default()).unwrap())
}

#[test]
fn as_it_is_it_changes_nothing() {
    assert_eq!(config(EXAMPLE), config(""));
}

#[test]
fn its_defaults_are_the_defaults() {
    let defaults = uncommented(|setting| !setting.contains(NO_DEFAULT));
    assert_ne!(defaults, EXAMPLE);
    assert_eq!(config(&defaults), config(""));
}

#[test]
fn it_shows_every_setting_and_no_other() {
    let shown: toml::Table = uncommented(|_| true).parse().unwrap();
    let shown: BTreeSet<String> = shown
        .iter()
        .flat_map(|(section, settings)| settings.as_table().unwrap().keys().map(move |key| format!("{section}.{key}")))
        .collect();
    let command = Settings::augment_args(Command::new("sealpost"));
    let known: BTreeSet<String> = command
        .get_arguments()
        .map(|argument| argument.get_id().as_str().replacen('-', ".", 1).replace('-', "_"))
        .collect();
    assert!(known.len() > 30, "{known:?}");
    assert_eq!(shown, known);
    // All of them are of the right type too.
    let _: Settings = toml::from_str(&uncommented(|_| true)).unwrap();
}
