//! Two figures that no test can state: whether time tells an unknown mailbox from a wrong key (P8), and how long an
//! envelope takes from a sender at one relay to its owner at another.
//!
//!     cargo bench --bench first_figures
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool, not the product"
)]
#![allow(dead_code, reason = "shares the fixtures of the tests")]

#[path = "../tests/relay/cluster.rs"]
mod cluster;
#[path = "../tests/relay/owner.rs"]
mod owner;
#[path = "../tests/relay/stream.rs"]
mod stream;

use std::time::{Duration, Instant};

use cluster::Cluster;
use owner::Owner;
use sealpost_proto::v1;
use stream::Stream;

const SENDS: usize = 4000;

#[tokio::main]
async fn main() {
    println!("Answer to a send that is refused, {SENDS} of each kind in turn, one at a time");
    println!("{:<10} {:<16} {:>9} {:>9} {:>9} {:>9}", "store", "kind", "p10", "p50", "p90", "p99");
    for (name, cluster) in [("embedded", Cluster::embedded().await), ("redis", Cluster::redis(1).await)] {
        oracle(name, &cluster).await;
    }
    println!();
    live().await;
}

async fn oracle(store: &str, cluster: &Cluster) {
    let known = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut senders = cluster.senders(0).await;
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..SENDS as u64 {
        let wrong_key = v1::SendRequest { delivery_key: vec![1; 32].into(), ..known.send(number) };
        let to_unknown = v1::SendRequest { to: rand::random::<[u8; 32]>().to_vec().into(), ..known.send(number) };
        // In turn, so that the machine's moods fall on both alike.
        for (request, times) in [(wrong_key, &mut wrong), (to_unknown, &mut unknown)] {
            let began = Instant::now();
            senders.send(request).await.expect_err("refused");
            times.push(began.elapsed());
        }
    }
    let area = area(&wrong, &unknown);
    row(store, "wrong key", &mut wrong);
    row(store, "unknown mailbox", &mut unknown);
    println!("{store:<10} an unknown mailbox takes longer than a wrong key in {:.1} % of pairs", area * 100.0);
}

/// How often one of the second takes longer than one of the first; a half: time tells nothing.
fn area(first: &[Duration], second: &[Duration]) -> f64 {
    let mut sorted = first.to_vec();
    sorted.sort_unstable();
    let below: usize = second.iter().map(|time| sorted.partition_point(|other| other < time)).sum();
    below as f64 / (first.len() * second.len()) as f64
}

async fn live() {
    let cluster = Cluster::redis(2).await;
    let owner = Owner::with_mailbox(&mut cluster.owners(0).await).await;
    let mut stream = Stream::open(&mut cluster.owners(1).await, &owner).await;
    stream.until_caught_up().await;
    let mut senders = cluster.senders(0).await;
    let (mut delivered, mut accepted) = (Vec::new(), Vec::new());
    for number in 1..=SENDS as u64 {
        let began = Instant::now();
        let send = async {
            senders.send(owner.send(number)).await.unwrap();
            began.elapsed()
        };
        let receive = async {
            assert_eq!(stream.take(1).await, [(0, number, number)]);
            began.elapsed()
        };
        let (sent, received) = tokio::join!(send, receive);
        accepted.push(sent);
        delivered.push(received);
        stream.acknowledge(number);
    }
    println!("From a sender at one relay to the owner at another, 1 KiB, Redis with appendfsync always, one at a time");
    println!("{:<10} {:<16} {:>9} {:>9} {:>9} {:>9}", "store", "until", "p10", "p50", "p90", "p99");
    row("redis", "accepted", &mut accepted);
    row("redis", "delivered", &mut delivered);
}

fn row(store: &str, kind: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: f64| format!("{:.0} µs", times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6);
    println!("{store:<10} {kind:<16} {:>9} {:>9} {:>9} {:>9}", at(0.1), at(0.5), at(0.9), at(0.99));
}
