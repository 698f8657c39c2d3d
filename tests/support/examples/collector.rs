//! A collector of OTLP, for trying a relay out: says where it is, and takes what comes until Ctrl-C.
//!
//! ```sh
//! cargo run -p sealpost-testkit --example collector
//! ```
#![allow(clippy::print_stdout, reason = "it is for people")]

use sealpost_testkit::Collector;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let collector = Collector::start().await;
    println!("{}", collector.endpoint());
    tokio::signal::ctrl_c().await
}
