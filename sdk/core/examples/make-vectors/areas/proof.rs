//! Proofs and the relay's names that they are bound to.

use sealpost_core::{Audience, IdentityPublicKey, Nonce, Operation, Proof, Signature, UnixTime};

use super::cases::{Area, Fields};
use super::drbg::Drbg;
use super::people::{NOW, Person, audience};

const TOLERANCE_SECS: u64 = 60;
const OPERATIONS: [Operation; 5] = [
    Operation::CreateMailbox,
    Operation::UpdateMailbox,
    Operation::DeleteMailbox,
    Operation::DescribeMailbox,
    Operation::OpenMailbox,
];

pub(crate) fn area() -> Area {
    let mut area = Area::new(
        "proof",
        "sign_proof: Ed25519 is deterministic, so the signature is too. verify_proof: checks in the order audience, \
         time, signature. parse_audience: a relay's name.",
    );
    good(&mut area);
    bad(&mut area);
    audiences(&mut area);
    area
}

fn good(area: &mut Area) {
    let alice = Person::new("alice");
    let mut rng = Drbg::new("nonces");
    for operation in OPERATIONS {
        for relay in ["relay.example.org", "2001:db8::7"] {
            let nonce = Nonce::generate(&mut rng);
            let proof = Proof::sign(&alice.identity, &audience(relay), operation, NOW, nonce);
            let input = Fields::new()
                .hex("seed", alice.identity.seed())
                .text("audience", relay)
                .number("operation", operation.code().into())
                .number("time", NOW.0)
                .hex("nonce", nonce.as_bytes());
            let output = Fields::new()
                .hex("public_key", proof.public_key.as_bytes())
                .hex("signed_bytes", &signed_bytes(&alice, relay, operation, nonce))
                .hex("signature", proof.signature.as_bytes());
            area.good(&format!("sign {operation:?} at {relay}"), "sign_proof", input, output);

            let address = proof.verify(&[audience(relay)], operation, NOW, TOLERANCE_SECS).unwrap();
            let input = input_of(&proof, &[relay], operation, NOW);
            let output = Fields::new().hex("address", address.as_bytes());
            area.good(&format!("verify {operation:?} at {relay}"), "verify_proof", input, output);
        }
    }
    let proof = open_proof(&alice);
    for (name, now) in [("as early as allowed", NOW.0 - 60), ("as late as allowed", NOW.0 + 60)] {
        let relays = ["other.example.org", "relay.example.org"];
        let address = check(&proof, &relays, Operation::OpenMailbox, UnixTime(now)).unwrap();
        let input = input_of(&proof, &relays, Operation::OpenMailbox, UnixTime(now));
        area.good(name, "verify_proof", input, Fields::new().hex("address", address.as_bytes()));
    }
}

fn bad(area: &mut Area) {
    let good = open_proof(&Person::new("alice"));
    let relay = ["relay.example.org"];
    let open = Operation::OpenMailbox;
    let mut case = |name: &str, proof: &Proof, relays: &[&str], operation, now, error| {
        let input = input_of(proof, relays, operation, now);
        area.bad(name, "verify_proof", input, error, check(proof, relays, operation, now));
    };
    let with = |change: &dyn Fn(&mut Proof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof
    };
    case("for another relay", &good, &["other.example.org"], open, NOW, "WrongAudience");
    case("at a relay without names", &good, &[], open, NOW, "WrongAudience");
    case("too late", &good, &relay, open, UnixTime(NOW.0 + 61), "Stale");
    case("too early", &good, &relay, open, UnixTime(NOW.0 - 61), "Stale");
    case("at the end of time", &good, &relay, open, UnixTime(u64::MAX >> 11), "Stale");
    case("for another relay and stale", &good, &["other.example.org"], open, UnixTime(0), "WrongAudience");
    for operation in OPERATIONS.into_iter().filter(|operation| *operation != open) {
        case(&format!("used as {operation:?}"), &good, &relay, operation, NOW, "BadSignature");
    }
    let other_audience = with(&|proof| proof.audience = audience("other.example.org"));
    case("moved to another relay", &other_audience, &["other.example.org"], open, NOW, "BadSignature");
    let other_key = with(&|proof| proof.public_key = Person::new("bob").identity.public());
    case("another public key", &other_key, &relay, open, NOW, "BadSignature");
    let other_time = with(&|proof| proof.time = UnixTime(NOW.0 + 1));
    case("another time", &other_time, &relay, open, NOW, "BadSignature");
    let other_nonce = with(&|proof| proof.nonce = Nonce::from_bytes([0; 16]));
    case("another nonce", &other_nonce, &relay, open, NOW, "BadSignature");
    for (name, byte, bit) in [("R", 0, 1), ("s", 32, 1), ("s's top bit", 63, 0x80)] {
        let flipped = with(&|proof| {
            let mut bytes = *proof.signature.as_bytes();
            bytes[byte] ^= bit;
            proof.signature = Signature::from_bytes(bytes);
        });
        let name = format!("a bit flipped in the signature's {name}");
        case(&name, &flipped, &relay, open, NOW, "BadSignature");
    }
    let zero = with(&|proof| proof.signature = Signature::from_bytes([0; 64]));
    case("a signature of zeros", &zero, &relay, open, NOW, "BadSignature");
    let small_order = with(&|proof| proof.signature = SMALL_ORDER_R);
    case("R of small order", &small_order, &relay, open, NOW, "BadSignature");
    let malleable = with(&|proof| proof.signature = plus_order(&proof.signature));
    case("s not reduced", &malleable, &relay, open, NOW, "BadSignature");
}

fn audiences(area: &mut Area) {
    let long = [["a".repeat(63).as_str(); 3].join("."), ".b".repeat(27), ".bbb.org".into()].concat();
    assert_eq!(long.len(), 253);
    let good = [
        "localhost",
        "relay.example.org",
        "xn--bcher-kva.example",
        "a-1.b2",
        "127.0.0.1",
        "::1",
        "2001:db8::7",
        "::ffff:192.0.2.1",
        long.as_str(),
    ];
    for text in good {
        let name: Audience = text.parse().unwrap();
        let fields = || Fields::new().text("text", name.as_str());
        area.good(&format!("name: {text}"), "parse_audience", fields(), fields());
    }
    let (too_long, label) = (format!("a.{long}"), "a".repeat(64));
    let bad = [
        ("", "Length"),
        (too_long.as_str(), "Length"),
        ("Relay.example.org", "Malformed"),
        ("relay.example.org.", "Malformed"),
        (".example.org", "Malformed"),
        ("a..b", "Malformed"),
        ("-a.example", "Malformed"),
        ("a-.example", "Malformed"),
        ("a_b.example", "Malformed"),
        ("a b", "Malformed"),
        ("bücher.example", "Malformed"),
        (label.as_str(), "Malformed"),
        ("relay.example.org:443", "Malformed"),
        ("[::1]", "Malformed"),
        ("::01", "Malformed"),
        ("0:0:0:0:0:0:0:1", "Malformed"),
        ("2001:DB8::7", "Malformed"),
        ("fe80::1%eth0", "Malformed"),
        ("1.2.3", "Malformed"),
        ("1.2.3.256", "Malformed"),
        ("01.2.3.4", "Malformed"),
        ("https://relay.example.org", "Malformed"),
    ];
    for (text, error) in bad {
        let input = Fields::new().text("text", text);
        area.bad(&format!("no name: {text:?}"), "parse_audience", input, error, text.parse::<Audience>());
    }
}

fn open_proof(person: &Person) -> Proof {
    let nonce = Nonce::generate(&mut Drbg::new("nonce"));
    Proof::sign(&person.identity, &audience("relay.example.org"), Operation::OpenMailbox, NOW, nonce)
}

fn check(
    proof: &Proof,
    relays: &[&str],
    operation: Operation,
    now: UnixTime,
) -> Result<sealpost_core::Address, sealpost_core::ProofError> {
    let accepted: Vec<_> = relays.iter().map(|relay| audience(relay)).collect();
    proof.verify(&accepted, operation, now, TOLERANCE_SECS)
}

fn input_of(proof: &Proof, relays: &[&str], operation: Operation, now: UnixTime) -> Fields {
    Fields::new()
        .texts("accepted", relays)
        .number("operation", operation.code().into())
        .number("now", now.0)
        .number("tolerance_secs", TOLERANCE_SECS)
        .text("audience", proof.audience.as_str())
        .hex("public_key", proof.public_key.as_bytes())
        .number("time", proof.time.0)
        .hex("nonce", proof.nonce.as_bytes())
        .hex("signature", proof.signature.as_bytes())
}

fn signed_bytes(person: &Person, relay: &str, operation: Operation, nonce: Nonce) -> Vec<u8> {
    let key: IdentityPublicKey = person.identity.public();
    [
        b"sealpost/v1/proof".as_slice(),
        &[relay.len() as u8],
        relay.as_bytes(),
        key.address().as_bytes(),
        &[operation.code()],
        &NOW.0.to_be_bytes(),
        nonce.as_bytes(),
    ]
    .concat()
}

/// A signature by alice's key over the proof that the bad cases start from, with the identity point for R and s = k·a: the
/// equation holds, but only strict verification refuses it. Computed once, as this crate
/// cannot make it.
const SMALL_ORDER_R: Signature = Signature::from_bytes([
    1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x3e, 0x39,
    0x92, 0x25, 0x6d, 0x1e, 0x42, 0x69, 0xf8, 0xd3, 0x65, 0x23, 0x96, 0xf2, 0xf3, 0x2c, 0xde, 0x88, 0x71, 0x85, 0xf8,
    0xe5, 0x86, 0x14, 0x8e, 0x1a, 0x3d, 0x52, 0x81, 0x66, 0x09,
]);

/// The same signature with the group's order added to s: valid by the equation, refused by RFC 8032.
fn plus_order(signature: &Signature) -> Signature {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = *signature.as_bytes();
    let mut carry = 0;
    for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    Signature::from_bytes(bytes)
}
