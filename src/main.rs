//! The `sealpost` binary: everything is in the library's `cli`.

use std::process::ExitCode;

use clap::Parser;
use sealpost::cli::Cli;

// Measured: it keeps idle connections smallest; see docs/decisions.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
