//! The test vectors in `sdk/vectors`: that they are what the generator makes, and that this crate does what they say.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first thing that is not as it should be"
)]

#[path = "../../examples/make-vectors/areas/mod.rs"]
mod areas;
mod operations;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    input: BTreeMap<String, Value>,
    output: Option<BTreeMap<String, Value>>,
    error: Option<String>,
}

#[test]
fn the_files_are_what_the_generator_makes() {
    for (name, json) in areas::all() {
        let stored = fs::read_to_string(folder().join(name)).unwrap();
        assert!(stored == json, "{name}: run `cargo run -p sealpost-core --example make-vectors`");
    }
}

#[test]
fn no_file_is_without_a_generator() {
    let generated: Vec<_> = areas::all().into_iter().map(|(name, _)| name.to_owned()).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".json") || generated.contains(&name), "{name}");
    }
}

#[test]
fn every_case_holds() {
    let mut count = 0;
    for (name, _) in areas::all() {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        let file: File = serde_json::from_str(&text).unwrap();
        for case in file.cases {
            check(name, &case);
            count += 1;
        }
    }
    assert!(count > 300, "only {count} cases");
}

/// A case may list more output than an operation gives: the values on the way.
fn check(file: &str, case: &Case) {
    let place = format!("{file}: {}", case.name);
    match (operations::run(&case.op, &case.input), &case.output, &case.error) {
        (Ok(output), Some(expected), None) => {
            for (field, value) in &output {
                assert_eq!(Some(value), expected.get(*field), "{place}: {field}");
            }
        }
        (Err(error), None, Some(expected)) => assert_eq!(&error, expected, "{place}"),
        (actual, ..) => panic!("{place}: {actual:?}"),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors")
}
