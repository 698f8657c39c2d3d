//! `sealpost-loadtest`: an open-loop load test of a Sealpost relay that checks every message. `loadtest/README.md` is its
//! manual, and says which file is about what.

pub mod board;
pub mod cli;
pub mod driver;
pub mod faults;
pub mod latencies;
pub mod ledger;
pub mod letter;
pub mod live;
pub mod machine;
pub mod pace;
pub mod play;
pub mod problem;
pub mod process;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod target;
