//! `sealpost-loadtest`: an open-loop load test of a Sealpost relay that checks every message. `loadtest/README.md` is its
//! manual, and says which file is about what.

pub mod board;
pub mod driver;
pub mod faults;
pub mod latencies;
pub mod ledger;
pub mod letter;
pub mod pace;
pub mod problem;
pub mod process;
pub mod scenario;
pub mod schedule;
pub mod target;
