//! An open-loop load test of a Sealpost relay that checks every message.
//!
//! - [`schedule`]: when messages are due.
//! - [`letter`]: what they say.
//! - [`ledger`]: what became of them.

pub mod ledger;
pub mod letter;
pub mod schedule;
