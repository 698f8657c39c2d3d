//! Nothing that names or opens anything can be printed by accident.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first thing that is wrong")]

#[path = "../examples/make-vectors/areas/drbg.rs"]
mod drbg;
#[path = "../examples/make-vectors/areas/people.rs"]
#[expect(dead_code, reason = "shared with the generator of the vectors, which needs more of it")]
mod people;

use std::fmt::Debug;

use sealpost_core::seal::{open, seal, seal_body};
use sealpost_core::*;

use drbg::Drbg;
use people::{NOW, Person, audience};

#[test]
fn debug_shows_the_type_and_nothing_else() {
    let person = Person::new("alice");
    let rng = &mut Drbg::new("redaction");
    let message = Message {
        id: MessageId::generate(rng),
        sent_at: NOW,
        content_type: String::new(),
        name: "secret.txt".into(),
        body: b"secret".to_vec(),
        introduction: Some(Introduction { invite: person.invite(), card: person.card.clone() }),
    };
    let body = seal_body(Suite::X25519, &message, &SIZE_CLASSES, rng).unwrap();
    let envelope = seal(Suite::X25519, &person.sender(), &person.card, &message, &SIZE_CLASSES, rng).unwrap();
    let opened = open(&envelope, &person.address(), std::slice::from_ref(&person.keys)).unwrap();
    let nonce = Nonce::generate(rng);
    let relay = audience("relay.example.org");
    let proof = Proof::sign(&person.identity, &relay, Operation::OpenMailbox, NOW, nonce);
    let voucher = Voucher::issue(&person.identity, &relay, VoucherId::generate(rng), Hour(1));
    let hash = person.delivery_key.hash(&person.address());
    let redacted: [(&str, &dyn Debug); 20] = [
        ("Address", &person.address()),
        ("Card", &person.card),
        ("CardId", &person.card.id()),
        ("DeliveryKey", &person.delivery_key),
        ("DeliveryKeyHash", &hash),
        ("IdentityKey", &person.identity),
        ("IdentityPublicKey", &person.identity.public()),
        ("Introduction", message.introduction.as_ref().unwrap()),
        ("Invite", &person.invite()),
        ("Message", &message),
        ("MessageId", &message.id),
        ("Nonce", &nonce),
        ("Proof", &proof),
        ("SealedBody", &body),
        ("SealingKeys", &person.keys),
        ("SealingPublicKeys", &person.keys.public()),
        ("SenderKeys", &person.sender()),
        ("Signature", &proof.signature),
        ("Unverified", &opened),
        ("Voucher", &voucher),
    ];
    for (name, value) in redacted {
        assert_eq!(format!("{value:?}"), format!("{name}(..)"));
        assert_eq!(format!("{value:#?}"), format!("{name}(..)"));
    }
}

#[test]
fn an_invite_becomes_a_qr_code_of_half_blocks() {
    let qr = Person::new("alice").invite().to_qr().unwrap();
    let lines: Vec<_> = qr.lines().collect();
    assert!(lines.iter().all(|line| line.chars().all(|it| "█▀▄ ".contains(it))));
    let width = lines[0].chars().count();
    assert!(lines.iter().all(|line| line.chars().count() == width));
    assert_eq!(lines.len(), width.div_ceil(2));
    assert!(width <= 80, "fits a terminal of 80 columns");
}
