//! Runs programs, and keeps what they say.
#![allow(dead_code, reason = "not each test file uses all of it")]

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// What a program said.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

pub(crate) fn loadtest(arguments: &[impl AsRef<OsStr>]) -> Ran {
    run(env!("CARGO_BIN_EXE_sealpost-loadtest"), arguments)
}

pub(crate) fn run(program: &str, arguments: &[impl AsRef<OsStr>]) -> Ran {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

/// The relay, built if need be.
pub(crate) fn relay_binary() -> PathBuf {
    let beside = PathBuf::from(env!("CARGO_BIN_EXE_sealpost-loadtest"));
    sealpost_loadtest::target::binary::relay_beside(&beside, None).unwrap()
}
