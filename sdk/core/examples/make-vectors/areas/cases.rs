//! The one shape that all vectors have: an operation, its input, and its output or error.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use serde::Serialize;
use serde_json::Value;

/// A file of vectors.
#[derive(Serialize)]
pub(crate) struct Area {
    area: &'static str,
    about: &'static str,
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    name: String,
    op: &'static str,
    input: Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Fields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Named values: hex strings, texts, numbers, or lists of them.
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct Fields(BTreeMap<&'static str, Value>);

impl Area {
    pub(crate) fn new(area: &'static str, about: &'static str) -> Self {
        Self { area, about, cases: Vec::new() }
    }

    pub(crate) fn good(&mut self, name: &str, op: &'static str, input: Fields, output: Fields) {
        self.push(Case { name: name.into(), op, input, output: Some(output), error: None });
    }

    /// A case that must fail with the error of this name, and does.
    pub(crate) fn bad<T, E: Debug>(
        &mut self,
        name: &str,
        op: &'static str,
        input: Fields,
        expected: &str,
        actual: Result<T, E>,
    ) {
        let error = match actual {
            Ok(_) => panic!("{}: {name} should have failed", self.area),
            Err(error) => error_name(&error),
        };
        assert_eq!(error, expected, "{}: {name}", self.area);
        self.push(Case { name: name.into(), op, input, output: None, error: Some(error) });
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap() + "\n"
    }

    fn push(&mut self, case: Case) {
        assert!(self.cases.iter().all(|other| other.name != case.name), "{} twice", case.name);
        self.cases.push(case);
    }
}

impl Fields {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn hex(self, name: &'static str, bytes: &[u8]) -> Self {
        self.with(name, hex(bytes).into())
    }

    pub(crate) fn hexes<'a>(self, name: &'static str, list: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.with(name, list.into_iter().map(hex).collect())
    }

    pub(crate) fn text(self, name: &'static str, text: &str) -> Self {
        self.with(name, text.into())
    }

    pub(crate) fn texts(self, name: &'static str, list: &[&str]) -> Self {
        self.with(name, list.iter().copied().collect())
    }

    pub(crate) fn number(self, name: &'static str, number: u64) -> Self {
        self.with(name, number.into())
    }

    fn with(mut self, name: &'static str, value: Value) -> Self {
        self.0.insert(name, value);
        self
    }
}

/// The variant's name, with nested ones after a dot: `Address(Prefix)` is `Address.Prefix`.
fn error_name(error: &impl Debug) -> String {
    format!("{error:?}").replace('(', ".").replace(')', "").replace(".DeliveryKeyError", "")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").unwrap();
        out
    })
}
