//! What holds whatever bytes come: for the fuzz targets (docs/fuzzing.md), and for nobody else.
//!
//! Each function stands beside the parser that it tries, in a `fuzzing` module, and panics where something does not hold.

pub use crate::api::fuzzing::{proof, request};
pub use crate::config::fuzzing::config;
pub use crate::edge::fuzzing::proxy;
pub use crate::store::embedded::fuzzing::row;
pub use crate::store::fuzzing::entry;
pub use crate::store::redis::fuzzing::{discovery, event, reply, script_answer};
