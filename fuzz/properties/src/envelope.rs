//! Sealed envelopes: none opens but as it was sealed.

use std::sync::LazyLock;

use sealpost_core::seal::{open, seal};
use sealpost_core::{Message, MessageId, OpenError, SIZE_CLASSES, Suite};

use crate::drbg::Drbg;
use crate::people::{NOW, Person};

/// Those of the test vectors, so that their envelopes open.
static ALICE: LazyLock<Person> = LazyLock::new(|| Person::new("alice"));
static BOB: LazyLock<Person> = LazyLock::new(|| Person::new("bob"));
static SEALED: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| [Suite::XWing, Suite::X25519].map(sealed));

/// An envelope as it came; and one of alice's with changes: two bytes for the place, one for the change.
pub(crate) fn envelope(bytes: &[u8]) {
    // What comes from nobody may open and even verify: it is in the corpus. But it is read like any message.
    if let Ok(message) = receive(bytes) {
        assert!(message.to_frame().is_ok_and(|frame| frame.len() < bytes.len()));
    }
    let Some((suite, changes)) = bytes.split_first() else { return };
    let good = &SEALED[usize::from(suite & 1)];
    let mut changed = good.clone();
    for [high, low, change] in changes.as_chunks().0 {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % changed.len();
        changed[at] ^= change;
    }
    assert_eq!(receive(&changed).is_ok(), changed == *good);
}

/// Bob opens it and verifies it as alice's.
fn receive(envelope: &[u8]) -> Result<Message, OpenError> {
    open(envelope, &BOB.address(), std::slice::from_ref(&BOB.keys))?.verify(&ALICE.card, NOW)
}

fn sealed(suite: Suite) -> Vec<u8> {
    let rng = &mut Drbg::new("fuzz");
    let message = Message {
        id: MessageId::generate(rng),
        sent_at: NOW,
        content_type: "text/plain".to_owned(),
        name: String::new(),
        body: b"Hello".to_vec(),
        introduction: None,
    };
    seal(suite, &ALICE.sender(), &BOB.card, &message, &SIZE_CLASSES, rng).expect("it can be sealed")
}
