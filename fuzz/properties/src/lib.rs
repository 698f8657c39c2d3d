//! What holds for any bytes that reach a parser: one function for each fuzz target, which panics where it does not.
//!
//! libFuzzer calls them (`fuzz/fuzz_targets`), and a test that needs no libFuzzer (`tests/corpus.rs`); docs/fuzzing.md
//! says how. The formats of sealpost-core are tried in `formats` and `envelope`, the relay's own parsers by functions
//! that stand beside them, behind the relay's feature `fuzzing`.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is what a fuzzer looks for"
)]

mod envelope;
mod formats;
mod memory;

#[path = "../../../sdk/core/examples/make-vectors/areas/drbg.rs"]
mod drbg;
#[path = "../../../sdk/core/examples/make-vectors/areas/people.rs"]
#[expect(dead_code, reason = "shared with the generator of the vectors, which needs more of it")]
mod people;

/// A function that takes any bytes.
pub type Target = fn(&[u8]);

/// Names the targets once. Each is held to its memory as well, so many bytes for each of its input.
macro_rules! targets {
    ($($(#[$doc:meta])+ $name:ident: $property:path, $each_byte:ident;)+) => {
        $(
            $(#[$doc])+
            pub fn $name(bytes: &[u8]) {
                memory::bounded(bytes.len(), memory::$each_byte, || $property(bytes));
            }
        )+

        /// All of them.
        pub const TARGETS: &[(&str, Target)] = &[$((stringify!($name), $name)),+];
    };
}

targets! {
    /// A mailbox's address as text.
    address: formats::address, EACH_BYTE;
    /// A card.
    card: formats::card, EACH_BYTE;
    /// A configuration file, and the settings that have a grammar of their own.
    config: sealpost::fuzzing::config, EACH_BYTE_OF_CONFIGURATION;
    /// What a Redis server, a node of a Cluster or a Sentinel says of itself and of others.
    discovery: sealpost::fuzzing::discovery, EACH_BYTE;
    /// A stored envelope with what is kept beside it, in both stores.
    entry: sealpost::fuzzing::entry, EACH_BYTE;
    /// A sealed envelope.
    envelope: envelope::envelope, EACH_BYTE;
    /// What is published on a mailbox's Redis channel.
    event: sealpost::fuzzing::event, EACH_BYTE;
    /// The content of an envelope, and its padding.
    frame: formats::frame, EACH_BYTE;
    /// An invite, and the relay's host and the delivery key in it.
    invite: formats::invite, EACH_BYTE;
    /// An owner's proof, as a client sends it.
    proof: sealpost::fuzzing::proof, EACH_BYTE;
    /// What a load balancer says first, in pieces.
    proxy: sealpost::fuzzing::proxy, EACH_BYTE;
    /// What a Redis server says, in pieces.
    reply: sealpost::fuzzing::reply, EACH_BYTE;
    /// A request of any kind.
    request: sealpost::fuzzing::request, EACH_BYTE;
    /// What a client gets of a relay: a stream, results, a refusal.
    response: sealpost_client::fuzzing::response, EACH_BYTE;
    /// A row of the embedded store.
    row: sealpost::fuzzing::row, EACH_BYTE;
    /// The answer of a Redis script.
    script_answer: sealpost::fuzzing::script_answer, EACH_BYTE;
    /// A voucher.
    voucher: formats::voucher, EACH_BYTE;
}
