//! Envelopes that must not open, each for one reason.

use sealpost_core::seal::open;
use sealpost_core::{Card, OpenError, SealingKeys, Suite, UnixTime};

use super::cases::Area;
use super::drbg::Drbg;
use super::forge::{Draft, Transcript, dissect, overhead};
use super::message::{field, frame, plain};
use super::people::{DAY, NOW, Person, card};
use super::seal::{hello, input_of, smallest};

const OP: &str = "open_envelope";
type Alteration = fn(&mut Transcript);

const HEADER_CIPHERTEXT_LEN: usize = 136;

pub(crate) fn add_to(area: &mut Area, suite: Suite) {
    cut_off(area, suite);
    changed_on_the_way(area, suite);
    not_for_us(area, suite);
    malicious_senders(area, suite);
    forged_senders(area, suite);
    wrong_cards(area, suite);
}

/// Bob opens an envelope and verifies it with alice's card.
fn case(area: &mut Area, name: &str, envelope: &[u8], error: &str) {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    opened_by(
        area,
        name,
        envelope,
        &bob,
        &[&bob.keys],
        &alice.card,
        NOW,
        error,
    );
}

#[allow(clippy::too_many_arguments, reason = "a case has that many parts")]
fn opened_by(
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
    area.bad(
        name,
        OP,
        input_of(envelope, to, keys, card, now),
        error,
        actual,
    );
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
    case(
        area,
        "cut off after one byte of the body",
        &good[..overhead(suite) + 1],
        "NotForThisKey",
    );
    case(
        area,
        "the last byte missing",
        &good[..good.len() - 1],
        "NotForThisKey",
    );
    case(
        area,
        "a byte too many",
        &[good.as_slice(), &[0]].concat(),
        "NotForThisKey",
    );
}

fn changed_on_the_way(area: &mut Area, suite: Suite) {
    let good = hello(suite);
    let with = |at: usize, byte: u8| {
        let mut envelope = good.clone();
        envelope[at] = byte;
        envelope
    };
    for code in [0x00, 0x03, 0x80, 0xff] {
        case(
            area,
            &format!("suite 0x{code:02x}"),
            &with(0, code),
            "UnknownSuite",
        );
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
    let draft = Draft::new(
        suite,
        &Person::new("alice"),
        &Person::new("bob"),
        &hello_frame(),
        good.len(),
    );
    let other = draft.seal();
    let mixed = [&good[..header_end], &other[header_end..]].concat();
    case(
        area,
        "the body of another envelope",
        &mixed,
        "NotForThisKey",
    );
}

fn not_for_us(area: &mut Area, suite: Suite) {
    let good = hello(suite);
    let (alice, bob, carol) = (
        Person::new("alice"),
        Person::new("bob"),
        Person::new("carol"),
    );
    let mut opened = |name: &str, to: &Person, keys: &[&SealingKeys]| {
        opened_by(
            area,
            name,
            &good,
            to,
            keys,
            &alice.card,
            NOW,
            "NotForThisKey",
        );
    };
    opened("the wrong recipient", &carol, &[&carol.keys]);
    opened("the right key, another address", &carol, &[&bob.keys]);
    opened("the right address, another key", &bob, &[&carol.keys]);
    opened("no keys", &bob, &[]);
}

fn malicious_senders(area: &mut Area, suite: Suite) {
    let (alice, bob, carol) = (
        Person::new("alice"),
        Person::new("bob"),
        Person::new("carol"),
    );
    let class = smallest(suite);
    let draft = |frame: &[u8]| Draft::new(suite, &alice, &bob, frame, class);
    let hello = || draft(&hello_frame());

    let other = Draft {
        alter_body: |body| body[0] ^= 1,
        ..hello()
    };
    case(
        area,
        "another commitment, validly sealed",
        &other.seal(),
        "CommitmentMismatch",
    );
    let other = Draft {
        alter_body: |body| body[..32].fill(0),
        ..hello()
    };
    case(
        area,
        "a commitment of zeros, validly sealed",
        &other.seal(),
        "CommitmentMismatch",
    );
    let other = Draft {
        alter_body: |body| body[32] ^= 1,
        ..hello()
    };
    case(
        area,
        "a corrupted body, validly sealed",
        &other.seal(),
        "BodyCorrupted",
    );
    let other = Draft {
        alter_body: |body| *body.last_mut().unwrap() ^= 1,
        ..hello()
    };
    case(
        area,
        "a corrupted body tag, validly sealed",
        &other.seal(),
        "BodyCorrupted",
    );

    let zeros = Draft {
        padded: vec![0; class - overhead(suite)],
        ..hello()
    };
    case(area, "a body of zeros", &zeros.seal(), "Padding");
    let mut padded = hello().padded;
    *padded.last_mut().unwrap() = 1;
    case(
        area,
        "padding without a mark",
        &Draft { padded, ..hello() }.seal(),
        "Padding",
    );

    case(
        area,
        "an empty frame",
        &draft(b"").seal(),
        "Frame.Truncated",
    );
    case(
        area,
        "a frame of version 2",
        &draft(&[2; 25]).seal(),
        "Frame.Version",
    );
    let unknown = frame(&[field(1, b""), field(3, b""), field(6, b"")]);
    case(
        area,
        "a frame with an unknown field",
        &draft(&unknown).seal(),
        "Frame.UnknownField",
    );
    let introduction = |who: &Person, card: &Card| {
        let invite = who.invite().to_link();
        frame(&[
            field(1, b""),
            field(3, b""),
            field(4, invite.as_bytes()),
            field(5, &card.to_bytes()),
        ])
    };
    let someone = Draft::new(
        suite,
        &alice,
        &bob,
        &introduction(&carol, &carol.card),
        4_096,
    );
    case(
        area,
        "somebody else's introduction",
        &someone.seal(),
        "CardMismatch",
    );
    let mixed = Draft::new(
        suite,
        &alice,
        &bob,
        &introduction(&carol, &alice.card),
        4_096,
    );
    case(
        area,
        "an introduction of two people",
        &mixed.seal(),
        "Frame.Introduction",
    );
}

fn forged_senders(area: &mut Area, suite: Suite) {
    let (alice, bob, mallory) = (
        Person::new("alice"),
        Person::new("bob"),
        Person::new("mallory"),
    );
    let draft = || Draft::new(suite, &alice, &bob, &hello_frame(), smallest(suite));
    let mut secret = [0; 32];
    secret.copy_from_slice(&mallory.keys.as_bytes()[..32]);
    let forged = Draft {
        sender_secret: secret,
        ..draft()
    };
    case(
        area,
        "forged with another key",
        &forged.seal(),
        "SenderForged",
    );
    case(
        area,
        "no authentication",
        &Draft {
            auth: Some(vec![0; 48]),
            ..draft()
        }
        .seal(),
        "SenderForged",
    );
    case(
        area,
        "random authentication",
        &Draft {
            auth: Some(vec![9; 48]),
            ..draft()
        }
        .seal(),
        "SenderForged",
    );

    let alterations: [(&str, Alteration); 7] = [
        ("suite", |it| it.suite ^= 3),
        ("recipient", |it| it.recipient[0] ^= 1),
        ("sender", |it| it.sender[0] ^= 1),
        ("sender's card", |it| it.sender_card[0] ^= 1),
        ("encapsulated key", |it| it.enc_hash[0] ^= 1),
        ("commitment", |it| it.commitment[0] ^= 1),
        ("body", |it| it.body_hash[0] ^= 1),
    ];
    for (name, alter_transcript) in alterations {
        let forged = Draft {
            alter_transcript,
            ..draft()
        };
        case(
            area,
            &format!("authenticated for another {name}"),
            &forged.seal(),
            "SenderForged",
        );
    }
    let honest = dissect(&hello(suite), &bob);
    let auth = honest.header_plaintext[72..].to_vec();
    let replayed = Draft {
        auth: Some(auth.clone()),
        ..draft()
    };
    case(
        area,
        "the authentication of another envelope",
        &replayed.seal(),
        "SenderForged",
    );

    // Bob passes alice's words on to carol as if alice had written to her.
    let carol = Person::new("carol");
    let mut passed_on = Draft::new(suite, &alice, &carol, &hello_frame(), smallest(suite));
    passed_on.content_key = honest.content_key;
    passed_on.padded = honest.padded;
    passed_on.auth = Some(auth);
    let envelope = passed_on.seal();
    let error = "SenderForged";
    opened_by(
        area,
        "passed on by a recipient",
        &envelope,
        &carol,
        &[&carol.keys],
        &alice.card,
        NOW,
        error,
    );
}

fn wrong_cards(area: &mut Area, suite: Suite) {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let mut verified = |name: &str, envelope: &[u8], card: &Card, now: UnixTime, error: &str| {
        opened_by(area, name, envelope, &bob, &[&bob.keys], card, now, error);
    };
    let good = hello(suite);
    verified(
        "somebody else's card",
        &good,
        &Person::new("carol").card,
        NOW,
        "CardMismatch",
    );
    let newer = Person::with_card("alice", NOW.0, NOW.0 + 60 * DAY).card;
    verified(
        "a newer card of the sender's",
        &good,
        &newer,
        NOW,
        "UnknownCard",
    );
    let keys = SealingKeys::generate(&mut Drbg::new("rotated"));
    let rotated = card(&alice.identity, &keys, NOW.0, NOW.0 + DAY);
    verified(
        "a card of the sender's with other keys",
        &good,
        &rotated,
        NOW,
        "UnknownCard",
    );
    verified(
        "the card expired",
        &good,
        &alice.card,
        alice.card.expires(),
        "CardExpired",
    );
    let early = UnixTime(alice.card.issued().0 - DAY - 1);
    verified(
        "the card from the future",
        &good,
        &alice.card,
        early,
        "CardNotYetValid",
    );

    // An expired card is refused even though the sender is genuine, and before the forged one is found out.
    let old = Person::with_card("alice", NOW.0 - 2 * DAY, NOW.0);
    let draft = || Draft::new(suite, &old, &bob, &hello_frame(), smallest(suite));
    verified(
        "sealed with an expired card",
        &draft().seal(),
        &old.card,
        NOW,
        &expired(),
    );
    let forged = Draft {
        auth: Some(vec![0; 48]),
        ..draft()
    };
    verified(
        "forged with an expired card",
        &forged.seal(),
        &old.card,
        NOW,
        &expired(),
    );
}

fn expired() -> String {
    format!("{:?}", OpenError::CardExpired)
}

fn hello_frame() -> Vec<u8> {
    plain(b"Hello").to_frame().unwrap()
}
