//! docs/errors.md says of every reason what it is, and of nothing else.
#![allow(clippy::panic, clippy::expect_used, reason = "a panic is a failed test")]

use std::collections::BTreeMap;

use sealpost_proto::Reason;
use tonic::Code;

const PAGE: &str = include_str!("../../docs/errors.md");

/// By name, the cells after it: code, retry, what happened, what to do, metadata.
fn rows() -> BTreeMap<&'static str, Vec<&'static str>> {
    let (_, section) = PAGE.split_once("## The reasons").expect("the section of the reasons");
    let mut rows = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().expect("a name").trim_matches('`');
        assert!(rows.insert(name, cells.collect()).is_none(), "{name} is there twice");
    }
    rows
}

fn reasons() -> impl Iterator<Item = Reason> {
    (1..).map_while(|number| Reason::try_from(number).ok())
}

fn code(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::Unavailable => "UNAVAILABLE",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::Internal => "INTERNAL",
        other => panic!("{other:?} is not used by any reason: name it here"),
    }
}

#[test]
fn p12_every_reason_is_documented_with_its_code_and_whether_to_retry() {
    let rows = rows();
    assert!(reasons().count() > 30);
    for reason in reasons() {
        let name = reason.name();
        let row = rows.get(name).unwrap_or_else(|| panic!("docs/errors.md says nothing of {name}"));
        let [documented, retry, happened, remedy, _] = row.as_slice() else { panic!("{name} has not all its cells") };
        assert_eq!(documented.trim_matches('`'), code(reason.code()), "the code of {name}");
        assert_eq!(retry.starts_with("yes"), reason.is_retryable(), "whether {name} is retried");
        assert!(retry.starts_with("yes") || *retry == "no", "{name}: yes or no");
        assert!(!happened.is_empty() && !remedy.is_empty(), "{name} says what happened and what to do");
    }
}

#[test]
fn p12_no_other_reason_is_documented() {
    for name in rows().keys() {
        assert!(Reason::from_name(name).is_some(), "there is no reason {name}");
    }
}
