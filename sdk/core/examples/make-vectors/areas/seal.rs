//! Envelopes that open, with the values on the way.

use sealpost_core::seal::{max_body_len, open, seal, seal_body, seal_header};
use sealpost_core::{Card, Introduction, Message, SIZE_CLASSES, SealingKeys, Suite, UnixTime};

use super::cases::{Area, Fields};
use super::drbg::Drbg;
use super::forge::{Draft, dissect, overhead};
use super::message::{field, fields_of, frame, plain};
use super::people::{NOW, Person};
use super::{seal_bad, seal_forged};

/// The classes that vectors use: larger ones would only make the files larger.
const CLASSES: &[usize] = &[1_024, 2_048, 4_096];

pub(crate) fn area(suite: Suite) -> Area {
    let (name, about) = match suite {
        Suite::XWing => ("seal_xwing", "open_envelope, suite 0x01 (X-Wing). See README.md."),
        Suite::X25519 => ("seal_x25519", "open_envelope, suite 0x02 (X25519). See README.md."),
    };
    let mut area = Area::new(name, about);
    good(&mut area, suite);
    seal_bad::add_to(&mut area, suite);
    seal_forged::add_to(&mut area, suite);
    area
}

/// The smallest class that holds an envelope of this suite.
pub(crate) fn smallest(suite: Suite) -> usize {
    CLASSES.iter().copied().find(|class| *class > overhead(suite) + 64).unwrap()
}

/// The envelope that most bad cases are variations of: "Hello" from alice to bob.
pub(crate) fn hello(suite: Suite) -> Vec<u8> {
    sealed(suite, "hello", &plain(b"Hello"), CLASSES)
}

/// The input of a case: who opens what with which keys, and verifies it with which card when.
pub(crate) fn input_of(
    envelope: &[u8],
    recipient: &Person,
    keys: &[&SealingKeys],
    card: &Card,
    now: UnixTime,
) -> Fields {
    Fields::new()
        .hex("envelope", envelope)
        .hex("recipient", recipient.address().as_bytes())
        .hexes("recipient_keys", keys.iter().map(|keys| keys.as_bytes().as_slice()))
        .hex("sender_card", &card.to_bytes())
        .number("now", now.0)
}

fn good(area: &mut Area, suite: Suite) {
    let (alice, bob, carol) = (Person::new("alice"), Person::new("bob"), Person::new("carol"));
    let bob_keys = [&bob.keys];
    let mut case = |name: &str, envelope: &[u8], to: &Person, keys: &[&SealingKeys]| {
        add(area, name, envelope, &alice, to, keys);
    };
    case("hello", &hello(suite), &bob, &bob_keys);
    case("the key is the second of two", &hello(suite), &bob, &[&carol.keys, &bob.keys]);
    let empty = Message { content_type: String::new(), ..plain(b"") };
    case("empty", &sealed(suite, "empty", &empty, CLASSES), &bob, &bob_keys);
    let named = Message { name: "notes.txt".into(), ..plain(b"Hello") };
    case("named", &sealed(suite, "named", &named, CLASSES), &bob, &bob_keys);
    let introduction = Introduction { invite: alice.invite(), card: alice.card.clone() };
    let introduced = Message { introduction: Some(introduction), ..plain(b"Hello, I am Alice") };
    case("introduction", &sealed(suite, "intro", &introduced, CLASSES), &bob, &bob_keys);

    let class = smallest(suite);
    let full = plain(&vec![b'x'; max_body_len(suite, &[class], &plain(b""))]);
    case("one byte of padding", &sealed(suite, "full", &full, &[class]), &bob, &bob_keys);
    let larger = plain(&vec![b'x'; full.body.len() + 1]);
    case("a byte more, the next class", &sealed(suite, "larger", &larger, CLASSES), &bob, &bob_keys);
    case("a class of its own", &sealed(suite, "odd", &plain(b"Hello"), &[1_999]), &bob, &bob_keys);

    let mut rng = Drbg::new("to many");
    let body = seal_body(suite, &plain(b"Hello, both"), CLASSES, &mut rng).unwrap();
    for (name, to) in [("one body for many: bob", &bob), ("one body for many: carol", &carol)] {
        let header = seal_header(&alice.sender(), &to.card, &body, &mut rng).unwrap();
        case(name, &[&header, body.as_bytes()].concat(), to, &[&to.keys]);
    }
    let fields = [field(1, b"text/plain"), field(3, b"Hello"), field(0x80, b"from the future")];
    let draft = Draft::new(suite, &alice, &bob, &frame(&fields), class);
    case("an unknown field skipped", &draft.seal(), &bob, &bob_keys);
}

fn add(area: &mut Area, name: &str, envelope: &[u8], from: &Person, to: &Person, keys: &[&SealingKeys]) {
    let parts = dissect(envelope, to);
    let owned: Vec<_> = keys.iter().map(|keys| (*keys).clone()).collect();
    let message = open(envelope, &to.address(), &owned).unwrap().verify(&from.card, NOW).unwrap();
    let output = fields_of(&message)
        .hex("sender", from.address().as_bytes())
        .hex("sender_card_id", from.card.id().as_bytes())
        .hex("header_plaintext", &parts.header_plaintext)
        .hex("content_key", &parts.content_key)
        .hex("body_key", &parts.body_key)
        .hex("commitment", &parts.commitment)
        .hex("body_hash", &parts.body_hash)
        .hex("enc_hash", &parts.enc_hash)
        .hex("transcript", &parts.transcript)
        .hex("padded_frame", &parts.padded);
    area.good(name, "open_envelope", input_of(envelope, to, keys, &from.card, NOW), output);
}

fn sealed(suite: Suite, label: &str, message: &Message, classes: &[usize]) -> Vec<u8> {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    assert!(CLASSES.iter().all(|class| SIZE_CLASSES.contains(class)));
    let mut rng = Drbg::new(label);
    let envelope = seal(suite, &alice.sender(), &bob.card, message, classes, &mut rng).unwrap();
    assert!(classes.contains(&envelope.len()));
    envelope
}
