//! What is tested: servers that are started here, or a deployment that is there already.

pub mod child;
pub mod program;
pub mod redis;
pub mod system;
