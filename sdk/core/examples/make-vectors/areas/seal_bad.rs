//! Envelopes that must not open, each for one reason: cut off, changed on the way, for others, or made to mislead.

use sealpost_core::seal::open;
use sealpost_core::{Card, SealingKeys, Suite, UnixTime};

use super::cases::Area;
use super::forge::{Draft, overhead};
use super::message::{field, frame, plain};
use super::people::{NOW, Person};
use super::seal::{hello, input_of, smallest};

const OP: &str = "open_envelope";
const HEADER_CIPHERTEXT_LEN: usize = 136;

pub(crate) fn add_to(area: &mut Area, suite: Suite) {
    cut_off(area, suite);
    changed_on_the_way(area, suite);
    not_for_us(area, suite);
    malicious_senders(area, suite);
}

/// Bob opens an envelope and verifies it with alice's card.
pub(crate) fn case(area: &mut Area, name: &str, envelope: &[u8], error: &str) {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    opened_by(area, name, envelope, &bob, &[&bob.keys], &alice.card, NOW, error);
}

#[allow(clippy::too_many_arguments, reason = "a case has that many parts")]
pub(crate) fn opened_by(
    area: &mut Area,
    name: &str,
    envelope: &[u8],
    to: &Person,
    keys: &[&SealingKeys],
    card: &Card,
    now: UnixTime,
    error: &str,
) {
    let owned: Vec<_> = keys.iter().map(|keys| (*keys).clone()).collect();
    let actual = open(envelope, &to.address(), &owned).and_then(|it| it.verify(card, now));
    area.bad(name, OP, input_of(envelope, to, keys, card, now), error, actual);
}

fn cut_off(area: &mut Area, suite: Suite) {
    let good = hello(suite);
    let enc_end = overhead(suite) - HEADER_CIPHERTEXT_LEN - 48;
    let header_end = enc_end + HEADER_CIPHERTEXT_LEN;
    for (name, len) in [
        ("nothing", 0),
        ("the suite only", 1),
        ("cut off inside the encapsulated key", enc_end - 1),
        ("cut off after the encapsulated key", enc_end),
        ("cut off inside the header", header_end - 1),
        ("cut off after the header", header_end),
        ("cut off after the commitment", header_end + 32),
        ("no padded frame", overhead(suite)),
    ] {
        case(area, name, &good[..len], "Length");
    }
    case(area, "cut off after one byte of the body", &good[..overhead(suite) + 1], "NotForThisKey");
    case(area, "the last byte missing", &good[..good.len() - 1], "NotForThisKey");
    case(area, "a byte too many", &[good.as_slice(), &[0]].concat(), "NotForThisKey");
}

fn changed_on_the_way(area: &mut Area, suite: Suite) {
    let good = hello(suite);
    let with = |at: usize, byte: u8| {
        let mut envelope = good.clone();
        envelope[at] = byte;
        envelope
    };
    for code in [0x00, 0x03, 0x80, 0xff] {
        case(area, &format!("suite 0x{code:02x}"), &with(0, code), "UnknownSuite");
    }
    let other = match suite {
        Suite::XWing => Suite::X25519,
        Suite::X25519 => Suite::XWing,
    };
    // The other suite's byte before a large enough envelope.
    let large = [good.as_slice(), &[0; 1_024]].concat();
    let large = [&[other.code()], &large[1..]].concat();
    case(area, "the other suite's byte", &large, "NotForThisKey");

    let enc_end = overhead(suite) - HEADER_CIPHERTEXT_LEN - 48;
    let header_end = enc_end + HEADER_CIPHERTEXT_LEN;
    for (name, at) in [
        ("the encapsulated key's first byte", 1),
        ("the encapsulated key's last byte", enc_end - 1),
        ("the header", enc_end),
        ("the header's tag", header_end - 1),
        ("the commitment", header_end),
        ("the body", header_end + 32),
        ("the body's tag", good.len() - 1),
    ] {
        let name = format!("a bit flipped in {name}");
        case(area, &name, &with(at, good[at] ^ 1), "NotForThisKey");
    }
    // A valid header before another valid body.
    let draft = Draft::new(suite, &Person::new("alice"), &Person::new("bob"), &hello_frame(), good.len());
    let other = draft.seal();
    let mixed = [&good[..header_end], &other[header_end..]].concat();
    case(area, "the body of another envelope", &mixed, "NotForThisKey");
}

fn not_for_us(area: &mut Area, suite: Suite) {
    let good = hello(suite);
    let (alice, bob, carol) = (Person::new("alice"), Person::new("bob"), Person::new("carol"));
    let mut opened = |name: &str, to: &Person, keys: &[&SealingKeys]| {
        opened_by(area, name, &good, to, keys, &alice.card, NOW, "NotForThisKey");
    };
    opened("the wrong recipient", &carol, &[&carol.keys]);
    opened("the right key, another address", &carol, &[&bob.keys]);
    opened("the right address, another key", &bob, &[&carol.keys]);
    opened("no keys", &bob, &[]);
}

fn malicious_senders(area: &mut Area, suite: Suite) {
    let (alice, bob, carol) = (Person::new("alice"), Person::new("bob"), Person::new("carol"));
    let class = smallest(suite);
    let draft = |frame: &[u8]| Draft::new(suite, &alice, &bob, frame, class);
    let hello = || draft(&hello_frame());

    let other = Draft { alter_body: |body| body[0] ^= 1, ..hello() };
    case(area, "another commitment, validly sealed", &other.seal(), "CommitmentMismatch");
    let other = Draft { alter_body: |body| body[..32].fill(0), ..hello() };
    case(area, "a commitment of zeros, validly sealed", &other.seal(), "CommitmentMismatch");
    let other = Draft { alter_body: |body| body[32] ^= 1, ..hello() };
    case(area, "a corrupted body, validly sealed", &other.seal(), "BodyCorrupted");
    let other = Draft { alter_body: |body| *body.last_mut().unwrap() ^= 1, ..hello() };
    case(area, "a corrupted body tag, validly sealed", &other.seal(), "BodyCorrupted");

    let zeros = Draft { padded: vec![0; class - overhead(suite)], ..hello() };
    case(area, "a body of zeros", &zeros.seal(), "Padding");
    let mut padded = hello().padded;
    *padded.last_mut().unwrap() = 1;
    case(area, "padding without a mark", &Draft { padded, ..hello() }.seal(), "Padding");

    case(area, "an empty frame", &draft(b"").seal(), "Frame.Truncated");
    case(area, "a frame of version 2", &draft(&[2; 25]).seal(), "Frame.Version");
    let unknown = frame(&[field(1, b""), field(3, b""), field(6, b"")]);
    case(area, "a frame with an unknown field", &draft(&unknown).seal(), "Frame.UnknownField");
    let introduction = |who: &Person, card: &Card| {
        let invite = who.invite().to_link();
        frame(&[field(1, b""), field(3, b""), field(4, invite.as_bytes()), field(5, &card.to_bytes())])
    };
    let someone = Draft::new(suite, &alice, &bob, &introduction(&carol, &carol.card), 4_096);
    case(area, "somebody else's introduction", &someone.seal(), "CardMismatch");
    let mixed = Draft::new(suite, &alice, &bob, &introduction(&carol, &alice.card), 4_096);
    case(area, "an introduction of two people", &mixed.seal(), "Frame.Introduction");
}

pub(crate) fn hello_frame() -> Vec<u8> {
    plain(b"Hello").to_frame().unwrap()
}
