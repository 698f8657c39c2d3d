//! A collector of OTLP, for trying a relay out: says where it is, and each second what it got.
//!
//! ```sh
//! cargo run -p sealpost-testkit --example collector
//! ```
#![allow(clippy::print_stdout, reason = "it is for people")]

use std::time::Duration;

use sealpost_testkit::Collector;

#[tokio::main]
async fn main() {
    let collector = Collector::start().await;
    println!("{}", collector.endpoint());
    let mut said = (0, 0);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let got = (collector.spans().len(), collector.metrics().len());
        if got != said {
            println!("{} spans, {} pushes of metrics", got.0, got.1);
            said = got;
        }
    }
}
