//! `sealpost-loadtest`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sealpost_loadtest::cli::main()
}
