//! How long sealing and opening take on this machine: the median of many runs, in microseconds.
//!
//! `cargo run --release -p sealpost-core --example timing`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a development tool: it prints, and stops at the first thing that is not as it should be"
)]

#[path = "make-vectors/areas/drbg.rs"]
mod drbg;
#[path = "make-vectors/areas/people.rs"]
#[expect(dead_code, reason = "shared with the generator of the vectors, which needs more of it")]
mod people;

use std::hint::black_box;
use std::time::Instant;

use sealpost_core::seal::{open, seal, seal_body, seal_header};
use sealpost_core::{Card, Message, MessageId, Nonce, Operation, Proof, SealingKeys, Suite};

use drbg::Drbg;
use people::{NOW, Person, audience};

const RUNS: usize = 2_000;

fn main() {
    for (suite, class) in
        [(Suite::X25519, 1_024), (Suite::X25519, 2_048), (Suite::XWing, 2_048), (Suite::XWing, 65_536)]
    {
        envelopes(suite, class);
    }
    owners();
}

fn envelopes(suite: Suite, class: usize) {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let keys = [bob.keys.clone()];
    let rng = &mut Drbg::new("timing");
    let message = Message {
        id: MessageId::generate(rng),
        sent_at: NOW,
        content_type: "text/plain".into(),
        name: String::new(),
        body: vec![b'x'; class / 8],
        introduction: None,
    };
    let sender = alice.sender();
    let classes = [class];
    let envelope = seal(suite, &sender, &bob.card, &message, &classes, rng).unwrap();
    let body = seal_body(suite, &message, &classes, rng).unwrap();
    let name = |what: &str| format!("{suite:?}, {class} bytes: {what}");
    report(&name("seal"), || {
        black_box(seal(suite, &sender, &bob.card, &message, &classes, rng).unwrap());
    });
    report(&name("one more header"), || {
        black_box(seal_header(&sender, &bob.card, &body, rng).unwrap());
    });
    report(&name("open and verify"), || {
        let opened = open(&envelope, &bob.address(), &keys).unwrap();
        black_box(opened.verify(&alice.card, NOW).unwrap());
    });
    let strangers = [alice.keys.clone()];
    report(&name("refuse with one wrong key"), || {
        black_box(open(&envelope, &bob.address(), &strangers).unwrap_err());
    });
}

fn owners() {
    let alice = Person::new("alice");
    let relay = audience("relay.example.org");
    let nonce = Nonce::from_bytes([7; 16]);
    let proof = Proof::sign(&alice.identity, &relay, Operation::OpenMailbox, NOW, nonce);
    let card = alice.card.to_bytes();
    let accepted = [relay.clone()];
    report("sign a proof", || {
        black_box(Proof::sign(&alice.identity, &relay, Operation::OpenMailbox, NOW, nonce));
    });
    report("verify a proof", || {
        black_box(proof.verify(&accepted, Operation::OpenMailbox, NOW, 60).unwrap());
    });
    report("parse a card", || {
        black_box(Card::parse(&card).unwrap());
    });
    report("load sealing keys", || {
        black_box(SealingKeys::from_bytes(alice.keys.as_bytes()));
    });
}

fn report(name: &str, mut run: impl FnMut()) {
    let mut times: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!("{:8.1} µs  {name}", times[RUNS / 2].as_secs_f64() * 1e6);
}
