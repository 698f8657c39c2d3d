//! The `sealpost` binary: everything is in the library's `cli`.

use std::process::ExitCode;

use clap::Parser;
use sealpost::cli::Cli;

// Measured: it keeps idle connections smallest; see docs/decisions.
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator reads when it begins: pages that are free go back to the system by themselves, within seconds, so
/// that a relay is small again after a burst although nothing happens any more. `_RJEM_MALLOC_CONF` goes before it.
#[cfg(not(target_env = "msvc"))]
#[expect(unsafe_code, reason = "no other symbol of the program has this name; the text ends with a zero")]
#[unsafe(export_name = "_rjem_malloc_conf")]
static ALLOCATOR_CONF: &[u8] = b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    Cli::parse().run()
}
