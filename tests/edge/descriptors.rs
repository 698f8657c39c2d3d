//! More connections than there are descriptors.

use std::time::Instant;

use sealpost_testkit::eventually;
use tokio::net::TcpStream;

use crate::PATIENCE;
use crate::attack::{Attack, Bound, Done};
use crate::bystander::Bystander;
use crate::relay::Start;

const DESCRIPTORS: usize = 96;
/// More than that by far: what is left over waits in the kernel's queue, which holds 4,096.
const CONNECTIONS: u32 = 400;
/// What the relay says when it has none left.
const COMPLAINT: &str = "no connection can be accepted for now";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_without_descriptors_serves_whom_it_has_and_recovers() {
    let start = Start { descriptors: Some(DESCRIPTORS), ..Start::default() };
    let attack = Attack::on("400 connections, 96 descriptors", start).await;
    let begin = Instant::now();
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        let socket = tokio::time::timeout(PATIENCE, TcpStream::connect(attack.relay.address()));
        sockets.push(socket.await.expect("there is room in its queue").expect("the kernel takes it"));
    }
    let complaints = || attack.relay.log().matches(COMPLAINT).count();
    eventually("it says that it has none left", PATIENCE, async || (complaints() > 0).then_some(())).await;
    assert!(attack.relay.descriptors() >= DESCRIPTORS - 1, "it has as many as it may");
    attack
        .stays_within(
            Bound { memory_kib: 4 * 1024 },
            Done { count: CONNECTIONS, of: "connections", outcome: "the rest wait" },
        )
        .await;

    drop(sockets);
    Bystander::new(&attack.relay).await.exchange().await;
    // It did not spin: at most one attempt in a tenth of a second, and a line in ten seconds.
    let (attempts, time) = (attack.relay.metric("sealpost_accept_failures_total").await, begin.elapsed());
    assert!((1.0..=time.as_secs_f64() * 10.0 + 1.0).contains(&attempts), "{attempts} attempts in {time:?}");
    assert!(complaints() as u64 <= time.as_secs() / 10 + 1, "{} lines in {time:?}", complaints());
}
