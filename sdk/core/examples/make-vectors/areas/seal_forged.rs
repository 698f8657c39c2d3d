//! Envelopes that open but whose sender must not be believed: forged, replayed, or with a card that does not hold.

use sealpost_core::{Card, SealingKeys, Suite, UnixTime};

use super::cases::Area;
use super::drbg::Drbg;
use super::forge::{Draft, Transcript, dissect};
use super::people::{DAY, NOW, Person, card};
use super::seal::{hello, smallest};
use super::seal_bad::{case, hello_frame, opened_by};

type Alteration = fn(&mut Transcript);

pub(crate) fn add_to(area: &mut Area, suite: Suite) {
    forged_senders(area, suite);
    wrong_cards(area, suite);
}

fn forged_senders(area: &mut Area, suite: Suite) {
    let (alice, bob, mallory) = (Person::new("alice"), Person::new("bob"), Person::new("mallory"));
    let draft = || Draft::new(suite, &alice, &bob, &hello_frame(), smallest(suite));
    let mut secret = [0; 32];
    secret.copy_from_slice(&mallory.keys.as_bytes()[..32]);
    let forged = Draft { sender_secret: secret, ..draft() };
    case(area, "forged with another key", &forged.seal(), "SenderForged");
    case(area, "no authentication", &Draft { auth: Some(vec![0; 48]), ..draft() }.seal(), "SenderForged");
    case(area, "random authentication", &Draft { auth: Some(vec![9; 48]), ..draft() }.seal(), "SenderForged");

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
        let forged = Draft { alter_transcript, ..draft() };
        case(area, &format!("authenticated for another {name}"), &forged.seal(), "SenderForged");
    }
    let honest = dissect(&hello(suite), &bob);
    let auth = honest.header_plaintext[72..].to_vec();
    let replayed = Draft { auth: Some(auth.clone()), ..draft() };
    case(area, "the authentication of another envelope", &replayed.seal(), "SenderForged");

    // Bob passes alice's words on to carol as if alice had written to her.
    let carol = Person::new("carol");
    let mut passed_on = Draft::new(suite, &alice, &carol, &hello_frame(), smallest(suite));
    passed_on.content_key = honest.content_key;
    passed_on.padded = honest.padded;
    passed_on.auth = Some(auth);
    let envelope = passed_on.seal();
    let error = "SenderForged";
    opened_by(area, "passed on by a recipient", &envelope, &carol, &[&carol.keys], &alice.card, NOW, error);
}

fn wrong_cards(area: &mut Area, suite: Suite) {
    let (alice, bob) = (Person::new("alice"), Person::new("bob"));
    let mut verified = |name: &str, envelope: &[u8], card: &Card, now: UnixTime, error: &str| {
        opened_by(area, name, envelope, &bob, &[&bob.keys], card, now, error);
    };
    let good = hello(suite);
    verified("somebody else's card", &good, &Person::new("carol").card, NOW, "CardMismatch");
    let newer = Person::with_card("alice", NOW.0, NOW.0 + 60 * DAY).card;
    verified("a newer card of the sender's", &good, &newer, NOW, "UnknownCard");
    let keys = SealingKeys::generate(&mut Drbg::new("rotated"));
    let rotated = card(&alice.identity, &keys, NOW.0, NOW.0 + DAY);
    verified("a card of the sender's with other keys", &good, &rotated, NOW, "UnknownCard");
    verified("the card expired", &good, &alice.card, alice.card.expires(), "CardExpired");
    let early = UnixTime(alice.card.issued().0 - DAY - 1);
    verified("the card from the future", &good, &alice.card, early, "CardNotYetValid");

    // An expired card is refused even though the sender is genuine, and before the forged one is found out.
    let old = Person::with_card("alice", NOW.0 - 2 * DAY, NOW.0);
    let draft = || Draft::new(suite, &old, &bob, &hello_frame(), smallest(suite));
    verified("sealed with an expired card", &draft().seal(), &old.card, NOW, "CardExpired");
    let forged = Draft { auth: Some(vec![0; 48]), ..draft() };
    verified("forged with an expired card", &forged.seal(), &old.card, NOW, "CardExpired");
}
