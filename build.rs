//! Tells the relay what it was compiled with, for `/version`.
#![allow(clippy::print_stdout, reason = "it is how Cargo is told")]

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=RUSTC");
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version =
        Command::new(rustc).arg("--version").output().ok().and_then(|said| String::from_utf8(said.stdout).ok());
    println!("cargo::rustc-env=SEALPOST_RUSTC={}", version.as_deref().unwrap_or("unknown").trim());
}
