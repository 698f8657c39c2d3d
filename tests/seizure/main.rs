//! Whoever seizes the servers finds nothing.
//!
//! A population of devices talks through real relays over a real store, with debug logs, metrics, traces and every file that
//! there is. Then everything that an operator could hand over is taken, and searched for what was planted: what people
//! wrote, what they are called, their network addresses, when they did what, how much they said, and who wrote to whom. And
//! the search is proved: what is planted where it must not be, it finds.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a panic is a failed test, and the report is for people"
)]

mod front;
mod population;
mod relays;
mod search;
mod seized;

use population::Population;
use relays::{Installation, StoreKind};
use search::{Finding, Kind, Search};
use seized::Seized;

async fn nothing_is_found(kind: StoreKind) {
    let mut installation = Installation::start(kind).await;
    let population = Population::settle(&installation).await;
    population.talk().await;
    let seized = installation.seize(&population).await;
    let search = Search::of(&population);
    let found = search.all(&seized);
    report(kind, &seized, &found);
    assert!(found.is_empty(), "{} things were found", found.len());

    // The search is proved, kind by kind.
    for leak in population.leaks() {
        let (place, bytes) = seized.with(&leak);
        let found = search.place(&seized, &place, &bytes);
        println!("planted {:?} in {place}: found {}", leak.kind, found.len());
        assert!(found.iter().any(|finding| finding.kind == leak.kind), "{leak:?} was not found");
    }
}

fn report(kind: StoreKind, seized: &Seized, found: &[Finding]) {
    println!("\nseized from two relays over {kind:?}:");
    for (place, bytes) in seized.all() {
        println!("  {place:<44} {:>10} bytes", bytes.len());
    }
    println!("found:");
    for kind in Kind::ALL {
        println!("  {:<44} {:>10}", kind.words(), found.iter().filter(|finding| finding.kind == kind).count());
    }
    for finding in found.iter().take(20) {
        println!("  {finding:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_whoever_seizes_redis_and_the_relays_finds_nothing() {
    nothing_is_found(StoreKind::Redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_whoever_seizes_the_embedded_store_and_the_relay_finds_nothing() {
    nothing_is_found(StoreKind::Embedded).await;
}
