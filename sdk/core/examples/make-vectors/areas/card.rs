//! Cards: made, read, and checked against an owner and a time.

use sealpost_core::{Address, CARD_LEN, CLOCK_SKEW_SECS, Card, IdentityKey, UnixTime};

use super::cases::{Area, Fields};
use super::people::{DAY, NOW, Person};

// Offsets of the fields.
const IDENTITY: usize = 1;
const X25519: usize = 33;
const X_WING: usize = 65;
const ISSUED: usize = 1_281;
const EXPIRES: usize = 1_289;
const SIGNATURE: usize = 1_297;

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "card",
        "sign_card: from an identity seed and sealing keys (X25519 secret, X-Wing seed). parse_card: reads and checks \
         the signature. check_card: whose it is, and whether it holds at a time.",
    );
    signed(&mut area);
    unreadable(&mut area);
    checked(&mut area);
    area
}

fn signed(area: &mut Area) {
    for name in ["alice", "bob"] {
        let person = Person::new(name);
        let card = &person.card;
        let input = Fields::new()
            .hex("seed", person.identity.seed())
            .hex("sealing_keys", person.keys.as_bytes())
            .number("issued", card.issued().0)
            .number("expires", card.expires().0);
        let output = Fields::new().hex("card", &card.to_bytes()).hex("card_id", card.id().as_bytes());
        area.good(&format!("sign {name}'s card"), "sign_card", input, output);

        let parsed = Card::parse(&card.to_bytes()).unwrap();
        let output = Fields::new()
            .hex("address", parsed.address().as_bytes())
            .hex("card_id", parsed.id().as_bytes())
            .hex("identity", parsed.identity().as_bytes())
            .hex("sealing_public_keys", &parsed.sealing_keys().to_bytes())
            .number("issued", parsed.issued().0)
            .number("expires", parsed.expires().0);
        let input = Fields::new().hex("card", &card.to_bytes());
        area.good(&format!("parse {name}'s card"), "parse_card", input, output);
    }
    let alice = Person::new("alice");
    for (name, expires) in [("as issued", NOW.0), ("before issued", NOW.0 - 1)] {
        let input = Fields::new()
            .hex("seed", alice.identity.seed())
            .hex("sealing_keys", alice.keys.as_bytes())
            .number("issued", NOW.0)
            .number("expires", expires);
        let actual = Card::sign(&alice.identity, &alice.keys.public(), NOW, UnixTime(expires));
        area.bad(&format!("expires {name}"), "sign_card", input, "Lifetime", actual);
    }
}

fn unreadable(area: &mut Area) {
    let alice = Person::new("alice");
    let good = alice.card.to_bytes();
    let mut case = |name: &str, bytes: &[u8], error| {
        let input = Fields::new().hex("card", bytes);
        area.bad(name, "parse_card", input, error, Card::parse(bytes));
    };
    for len in [0, IDENTITY, X25519, X_WING, ISSUED, EXPIRES, SIGNATURE, CARD_LEN - 1] {
        case(&format!("cut off at {len}"), &good[..len], "Length");
    }
    case("a byte too long", &[good.as_slice(), &[0]].concat(), "Length");

    let with = |at: usize, bytes: &[u8]| {
        let mut card = good.clone();
        card[at..at + bytes.len()].copy_from_slice(bytes);
        card
    };
    let flipped = |at: usize| with(at, &[good[at] ^ 1]);
    case("version 0", &with(0, &[0]), "Version");
    case("version 2", &with(0, &[2]), "Version");
    case("identity key not on the curve", &with(IDENTITY, &not_a_key()), "IdentityKey");
    case("another identity key", &with(IDENTITY, Person::new("bob").identity.public().as_bytes()), "Signature");
    case("a bit flipped in the X25519 key", &flipped(X25519), "Signature");
    case("a bit flipped in the X-Wing key", &flipped(X_WING + 1_200), "Signature");
    case("X-Wing coefficients not reduced", &with(X_WING, &[0xff; 3]), "SealingKey");
    case("a bit flipped in the time of issue", &flipped(ISSUED + 7), "Signature");
    case("a bit flipped in the time of expiry", &flipped(EXPIRES + 7), "Signature");
    case("a bit flipped in the signature's R", &flipped(SIGNATURE), "Signature");
    case("a bit flipped in the signature's s", &flipped(SIGNATURE + 32), "Signature");
    case("a signature of zeros", &with(SIGNATURE, &[0; 64]), "Signature");
    case("another tag signed", &resigned(&good, &alice.identity, b"sealpost/v1/cart"), "Signature");
    case("signed by somebody else", &resigned(&good, &Person::new("bob").identity, TAG), "Signature");
    let backwards = with(EXPIRES, &(alice.card.issued().0).to_be_bytes());
    case("expires as issued, signed so", &resigned(&backwards, &alice.identity, TAG), "Lifetime");
    let unreduced = with(X_WING, &[0xff; 3]);
    case("X-Wing coefficients not reduced, signed so", &resigned(&unreduced, &alice.identity, TAG), "SealingKey");
}

fn checked(area: &mut Area) {
    let alice = Person::new("alice");
    let card = &alice.card;
    let (issued, expires) = (card.issued().0, card.expires().0);
    let input = |expected: &Address, now: u64| {
        Fields::new().hex("card", &card.to_bytes()).hex("expected", expected.as_bytes()).number("now", now)
    };
    let good = [
        ("at its issue", issued),
        ("within the allowed skew", issued - CLOCK_SKEW_SECS),
        ("in its last second", expires - 1),
    ];
    for (name, now) in good {
        card.check(&alice.address(), UnixTime(now)).unwrap();
        area.good(name, "check_card", input(&alice.address(), now), Fields::new());
    }
    let bob = Person::new("bob").address();
    let bad = [
        ("somebody else's", bob, issued, "WrongOwner"),
        ("somebody else's and expired", bob, expires, "WrongOwner"),
        ("expired", alice.address(), expires, "Expired"),
        ("long expired", alice.address(), expires + 365 * DAY, "Expired"),
        ("beyond the allowed skew", alice.address(), issued - CLOCK_SKEW_SECS - 1, "NotYetValid"),
    ];
    for (name, expected, now, error) in bad {
        let actual = card.check(&expected, UnixTime(now));
        area.bad(name, "check_card", input(&expected, now), error, actual);
    }
}

const TAG: &[u8] = b"sealpost/v1/card";

fn resigned(card: &[u8], key: &IdentityKey, tag: &[u8]) -> Vec<u8> {
    let fields = &card[..SIGNATURE];
    let signature = key.sign(&[tag, fields].concat());
    [fields, signature.as_bytes()].concat()
}

fn not_a_key() -> [u8; 32] {
    let mut key = [0; 32];
    key[0] = 2;
    key
}
