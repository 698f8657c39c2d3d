//! Properties of every format: what is written is read back, arbitrary bytes never panic, and a changed envelope never
//! opens and verifies.
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

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use sealpost_core::padding::{pad, unpad};
use sealpost_core::seal::{max_body_len, open, seal, seal_body, seal_header};
use sealpost_core::*;

use drbg::Drbg;
use people::{NOW, Person, audience};

static ALICE: LazyLock<Person> = LazyLock::new(|| Person::new("alice"));
static BOB: LazyLock<Person> = LazyLock::new(|| Person::new("bob"));
static CAROL: LazyLock<Person> = LazyLock::new(|| Person::new("carol"));

fn suites() -> impl Strategy<Value = Suite> {
    prop_oneof![Just(Suite::XWing), Just(Suite::X25519)]
}

prop_compose! {
    fn messages()(
        id in any::<[u8; 16]>(),
        sent_at in any::<u64>(),
        content_type in "[ -~]{0,40}",
        name in "\\PC{0,60}",
        body in vec(any::<u8>(), 0..3_000),
        introduced in any::<bool>(),
    ) -> Message {
        let introduction = introduced
            .then(|| Introduction { invite: ALICE.invite(), card: ALICE.card.clone() });
        Message { id: MessageId::from_bytes(id), sent_at: UnixTime(sent_at), content_type, name, body, introduction }
    }
}

prop_compose! {
    fn relays()(
        host in prop_oneof![
            "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]([a-z0-9-]{0,9}[a-z0-9])?){0,3}"
                .prop_filter("numbers are no names", |host| host.parse::<Audience>().is_ok()),
            any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
            any::<std::net::Ipv6Addr>().prop_map(|ip| ip.to_string()),
        ],
        port in 1..=u16::MAX,
    ) -> RelayHost {
        RelayHost::new(host.parse().unwrap(), port)
    }
}

/// Bob opens an envelope and verifies it as alice's.
fn receive(envelope: &[u8]) -> Result<Message, OpenError> {
    let keys = [CAROL.keys.clone(), BOB.keys.clone()];
    open(envelope, &BOB.address(), &keys)?.verify(&ALICE.card, NOW)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sealed_message_is_received(suite in suites(), message in messages(), seed in any::<u64>()) {
        let rng = &mut Drbg::new(seed.to_be_bytes());
        let envelope = seal(suite, &ALICE.sender(), &BOB.card, &message, &SIZE_CLASSES, rng).unwrap();
        prop_assert!(SIZE_CLASSES.contains(&envelope.len()));
        prop_assert!(receive(&envelope) == Ok(message));
    }

    #[test]
    fn one_body_serves_many(suite in suites(), message in messages(), seed in any::<u64>()) {
        let rng = &mut Drbg::new(seed.to_be_bytes());
        let body = seal_body(suite, &message, &SIZE_CLASSES, rng).unwrap();
        for to in [&BOB, &CAROL] {
            let header = seal_header(&ALICE.sender(), &to.card, &body, rng).unwrap();
            prop_assert_eq!(header.len(), suite.header_len());
            let envelope = [&header, body.as_bytes()].concat();
            let opened = open(&envelope, &to.address(), std::slice::from_ref(&to.keys)).unwrap();
            prop_assert!(opened.sender() == ALICE.address());
            prop_assert!(opened.verify(&ALICE.card, NOW) == Ok(message.clone()));
        }
    }

    #[test]
    fn the_longest_body_fits_and_one_more_byte_does_not(suite in suites(), mut message in messages(), class in 4_000..9_000_usize) {
        let rng = &mut Drbg::new("longest");
        let max_body = max_body_len(suite, &[class], &message);
        message.body = vec![7; max_body];
        let envelope = seal(suite, &ALICE.sender(), &BOB.card, &message, &[class], rng).unwrap();
        prop_assert_eq!(envelope.len(), class);
        message.body.push(7);
        let refused = seal(suite, &ALICE.sender(), &BOB.card, &message, &[class], rng);
        prop_assert_eq!(refused, Err(SealError::TooLarge { max_body }));
    }

    #[test]
    fn a_changed_envelope_is_never_received(suite in suites(), at in any::<prop::sample::Index>(), change in 1..=255_u8) {
        let rng = &mut Drbg::new("changed");
        let message = Message {
            id: MessageId::generate(rng), sent_at: NOW, content_type: "text/plain".into(), name: String::new(),
            body: b"Hello".to_vec(), introduction: None,
        };
        let mut envelope = seal(suite, &ALICE.sender(), &BOB.card, &message, &SIZE_CLASSES, rng).unwrap();
        prop_assert!(receive(&envelope) == Ok(message));
        let at = at.index(envelope.len());
        envelope[at] ^= change;
        prop_assert!(receive(&envelope).is_err());
    }

    #[test]
    fn a_frame_round_trips(message in messages()) {
        prop_assert!(Message::from_frame(&message.to_frame().unwrap()) == Ok(message));
    }

    #[test]
    fn a_card_round_trips_and_changes_are_noticed(issued in 0..u64::MAX, lifetime in 1..u64::MAX, at in 0..CARD_LEN, change in 1..=255_u8) {
        let (issued, expires) = (UnixTime(issued), UnixTime(issued.saturating_add(lifetime)));
        let card = Card::sign(&ALICE.identity, &ALICE.keys.public(), issued, expires).unwrap();
        let mut bytes = card.to_bytes();
        prop_assert_eq!(bytes.len(), CARD_LEN);
        prop_assert!(Card::parse(&bytes) == Ok(card));
        bytes[at] ^= change;
        prop_assert!(Card::parse(&bytes).is_err());
    }

    #[test]
    fn a_proof_holds_within_the_tolerance_only(time in any::<u64>(), now in any::<u64>(), tolerance in any::<u64>(), nonce in any::<[u8; 16]>()) {
        let relay = audience("relay.example.org");
        let proof = Proof::sign(&ALICE.identity, &relay, Operation::OpenMailbox, UnixTime(time), Nonce::from_bytes(nonce));
        let accepted = [relay];
        let verified = proof.verify(&accepted, Operation::OpenMailbox, UnixTime(now), tolerance);
        prop_assert_eq!(verified.is_ok(), time.abs_diff(now) <= tolerance);
        prop_assert!(proof.verify(&accepted, Operation::OpenMailbox, UnixTime(time), 0) == Ok(ALICE.address()));
    }

    #[test]
    fn a_voucher_round_trips_and_changes_are_noticed(id in any::<[u8; 16]>(), expires in 1..u32::MAX, at in 1..VOUCHER_LEN, change in 1..=255_u8) {
        let relay = [audience("relay.example.org")];
        let operators = [CAROL.identity.public()];
        let voucher = Voucher::issue(&CAROL.identity, &relay[0], VoucherId::from_bytes(id), Hour(expires));
        prop_assert!(Voucher::from_text(&voucher.to_text()).as_ref() == Ok(&voucher));
        prop_assert_eq!(voucher.verify(&operators, &relay, UnixTime(0)), Ok(()));
        let mut bytes = voucher.to_bytes();
        bytes[at] ^= change;
        let changed = Voucher::parse(&bytes).unwrap();
        prop_assert!(changed.verify(&operators, &relay, UnixTime(0)).is_err());
    }

    #[test]
    fn texts_round_trip(bytes in any::<[u8; 32]>()) {
        let address = Address::from_bytes(bytes);
        prop_assert!(address.to_text().parse() == Ok(address));
        let key = DeliveryKey::try_from(bytes.as_slice()).unwrap();
        prop_assert!(DeliveryKey::from_text(&key.to_text()) == Ok(key));
    }

    #[test]
    fn an_invite_round_trips(relay in relays(), address in any::<[u8; 32]>(), key in any::<[u8; 32]>()) {
        let invite = Invite {
            relay,
            address: Address::from_bytes(address),
            delivery_key: DeliveryKey::try_from(key.as_slice()).unwrap(),
        };
        prop_assert!(invite.to_link().parse() == Ok(invite.clone()));
        prop_assert!(invite.to_qr().is_ok());
    }

    #[test]
    fn padding_round_trips(data in vec(any::<u8>(), 0..100), room in 1..100_usize) {
        let mut padded = data.clone();
        pad(&mut padded, data.len() + room).unwrap();
        prop_assert_eq!(padded.len(), data.len() + room);
        prop_assert_eq!(unpad(&padded), Ok(data.as_slice()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..2_000)) {
        let _ = Card::parse(&bytes);
        let _ = Voucher::parse(&bytes);
        let _ = Message::from_frame(&bytes);
        let _ = unpad(&bytes);
        let _ = Address::try_from(bytes.as_slice());
        let _ = IdentityPublicKey::try_from(bytes.as_slice());
        let _ = SealingPublicKeys::try_from(bytes.as_slice());
        prop_assert!(receive(&bytes).is_err());
    }

    #[test]
    fn arbitrary_fields_never_panic(fields in vec((0..8_u8, vec(any::<u8>(), 0..20)), 0..6)) {
        let mut frame = vec![1; 25];
        for (kind, value) in fields {
            frame.push(kind);
            frame.extend_from_slice(&(value.len() as u32).to_be_bytes());
            frame.extend_from_slice(&value);
        }
        let _ = Message::from_frame(&frame);
    }

    #[test]
    fn arbitrary_texts_never_panic(text in "\\PC{0,80}", link in "sealpost://[a-z0-9.:\\[\\]]{0,20}/[a-z0-9]{0,70}#[A-Za-z0-9_-]{0,50}") {
        for text in [text, link] {
            let _ = text.parse::<Address>();
            let _ = text.parse::<Audience>();
            let _ = text.parse::<RelayHost>();
            let _ = text.parse::<Invite>();
            let _ = DeliveryKey::from_text(&text);
            let _ = Voucher::from_text(&text);
        }
    }
}
