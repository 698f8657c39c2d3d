//! One of two relays goes away, and comes back.

use super::over;
use crate::run::{Run, rounds};
use crate::store::Topology;

over!(standalone: a_relay_is_killed, a_relay_leaves);
over!(sentinel: a_relay_is_killed);
over!(cluster: a_relay_is_killed);

async fn a_relay_is_killed(topology: Topology) {
    let mut run = Run::begin("relay killed", topology).await;
    for round in 0..rounds() {
        let relay = round % run.relays.len();
        run.round(format!("relay {relay} is killed"));
        run.relays[relay].kill();
        // The other one serves everybody.
        run.flows().await;
        run.relays[relay].start().await;
        run.healed().await;
    }
    run.end().await;
}

async fn a_relay_leaves(topology: Topology) {
    let mut run = Run::begin("relay leaves", topology).await;
    for round in 0..rounds() {
        let relay = round % run.relays.len();
        run.round(format!("relay {relay} is asked to leave"));
        run.relays[relay].leave().await;
        run.flows().await;
        run.relays[relay].start().await;
        run.healed().await;
    }
    run.end().await;
}
