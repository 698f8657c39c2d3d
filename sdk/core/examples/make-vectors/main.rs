//! Writes the test vectors to `sdk/vectors`. Every byte is deterministic: a change in the files is a change in the
//! protocol.
//!
//! `cargo run -p sealpost-core --example make-vectors`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a development tool: it stops at the first thing that is not as it should be"
)]

mod areas;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    for (name, json) in areas::all() {
        std::fs::write(folder.join(name), json)?;
    }
    Ok(())
}
