//! What sealing refuses, and what opening never lets through.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first thing that is not as it should be"
)]

#[path = "../examples/make-vectors/areas/drbg.rs"]
mod drbg;
#[path = "../examples/make-vectors/areas/people.rs"]
#[expect(dead_code, reason = "shared with the generator of the vectors, which needs more of it")]
mod people;

use sealpost_core::seal::{max_body_len, open, seal, seal_body, seal_header};
use sealpost_core::{
    Card, Introduction, Message, MessageId, OpenError, SIZE_CLASSES, SealError, SealingPublicKeys, SenderKeys, Suite,
};

use drbg::Drbg;
use people::{DAY, NOW, Person};
use sealpost_core::UnixTime;

const SUITES: [Suite; 2] = [Suite::XWing, Suite::X25519];

fn message(body: &[u8]) -> Message {
    Message {
        id: MessageId::from_bytes([7; 16]),
        sent_at: NOW,
        content_type: "text/plain".into(),
        name: String::new(),
        body: body.to_vec(),
        introduction: None,
    }
}

fn seal_hello(suite: Suite, from: &Person, to: &Card, message: &Message) -> Result<Vec<u8>, SealError> {
    seal(suite, &from.sender(), to, message, &SIZE_CLASSES, &mut Drbg::new("sealing"))
}

#[test]
fn no_single_byte_can_be_changed() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let keys = [bob.keys.clone()];
    for suite in SUITES {
        let envelope = seal_hello(suite, &alice, &bob.card, &message(b"Hello")).unwrap();
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 0x80;
            let received = open(&changed, &bob.address(), &keys).and_then(|it| it.verify(&alice.card, NOW));
            assert!(received.is_err(), "{suite:?}, byte {at}");
        }
    }
}

#[test]
fn the_capacities_are_as_specified() {
    // A frame without texts takes 35 bytes besides the body, its padding at least one.
    let empty = Message { content_type: String::new(), ..message(b"") };
    for (suite, expected) in
        [(Suite::XWing, [0, 707, 2_755, 15_043, 64_195]), (Suite::X25519, [771, 1_795, 3_843, 16_131, 65_283])]
    {
        let capacities = SIZE_CLASSES.map(|class| max_body_len(suite, &[class], &empty));
        assert_eq!(capacities, expected, "{suite:?}");
    }
}

#[test]
fn a_body_that_fits_no_class_is_refused_with_what_would_fit() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    for suite in SUITES {
        let too_long = message(&[0; 70_000]);
        let max_body = max_body_len(suite, &SIZE_CLASSES, &too_long);
        let refused = seal_hello(suite, &alice, &bob.card, &too_long);
        assert_eq!(refused, Err(SealError::TooLarge { max_body }));
        assert!(seal_hello(suite, &alice, &bob.card, &message(&vec![0; max_body])).is_ok());
    }
    let rng = &mut Drbg::new("no classes");
    let refused = seal(Suite::X25519, &alice.sender(), &bob.card, &message(b""), &[], rng);
    assert_eq!(refused, Err(SealError::TooLarge { max_body: 0 }));
}

#[test]
fn long_texts_are_refused() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let long = "x".repeat(256);
    let named = Message { name: long.clone(), ..message(b"") };
    let typed = Message { content_type: long, ..message(b"") };
    for message in [named, typed] {
        assert_eq!(seal_hello(Suite::X25519, &alice, &bob.card, &message), Err(SealError::Text));
    }
}

#[test]
fn an_introduction_introduces_nobody_but_the_sender() {
    let (alice, bob, carol) = (Person::new("alice"), Person::new("bob"), Person::new("carol"));
    for (invited, carded) in [(&carol, &carol), (&carol, &alice), (&alice, &carol)] {
        let introduction = Introduction { invite: invited.invite(), card: carded.card.clone() };
        let message = Message { introduction: Some(introduction), ..message(b"") };
        let refused = seal_hello(Suite::X25519, &alice, &bob.card, &message);
        assert_eq!(refused, Err(SealError::Introduction));
    }
}

#[test]
fn the_senders_keys_are_the_cards() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    assert_eq!(SenderKeys::new(&alice.card, &bob.keys).err(), Some(SealError::KeyMismatch));
}

#[test]
fn a_card_with_a_key_of_small_order_is_unusable() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let mut keys = bob.keys.public().to_bytes();
    keys[..32].fill(0);
    let keys = SealingPublicKeys::try_from(keys.as_slice()).unwrap();
    let card = Card::sign(&bob.identity, &keys, NOW, UnixTime(NOW.0 + DAY)).unwrap();
    for suite in SUITES {
        let refused = seal_hello(suite, &alice, &card, &message(b""));
        assert_eq!(refused, Err(SealError::UnusableKey));
    }
}

#[test]
fn an_envelope_to_oneself_opens() {
    let alice = Person::new("alice");
    for suite in SUITES {
        let envelope = seal_hello(suite, &alice, &alice.card, &message(b"Note")).unwrap();
        let opened = open(&envelope, &alice.address(), std::slice::from_ref(&alice.keys)).unwrap();
        assert!(opened.verify(&alice.card, NOW).unwrap().body == b"Note");
    }
}

#[test]
fn the_introduction_can_be_read_before_the_sender_is_verified() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let introduction = Introduction { invite: alice.invite(), card: alice.card.clone() };
    let message = Message { introduction: Some(introduction), ..message(b"I am Alice") };
    let envelope = seal_hello(Suite::XWing, &alice, &bob.card, &message).unwrap();
    let opened = open(&envelope, &bob.address(), std::slice::from_ref(&bob.keys)).unwrap();
    let card = opened.introduction().unwrap().card.clone();
    assert!(card.id() == opened.sender_card_id());
    assert!(opened.verify(&card, NOW) == Ok(message));
}

#[test]
fn bodies_and_headers_of_different_calls_do_not_mix() {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let rng = &mut Drbg::new("mix");
    for suite in SUITES {
        let [one, two] = [b"one", b"two"].map(|text| seal_body(suite, &message(text), &SIZE_CLASSES, rng).unwrap());
        let header = seal_header(&alice.sender(), &bob.card, &one, rng).unwrap();
        let mixed = [&header, two.as_bytes()].concat();
        let opened = open(&mixed, &bob.address(), std::slice::from_ref(&bob.keys));
        assert_eq!(opened.err(), Some(OpenError::NotForThisKey));
    }
}
