//! The header: what one recipient needs to open the body and to know its sender.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::kem::{self, Sealed, TAG_LEN, UnusableKey, X25519_ENC_LEN, X25519_KEY_LEN};
use crate::reader::Reader;
use crate::{Address, Card, CardId, SealingKeys};

use super::auth::{Authentication, Parties, Transcript};
use super::body::{CONTENT_KEY_LEN, ContentKey, SealedBody};
use super::{SealError, Suite};

const INFO: &[u8] = b"sealpost/v1/header";

/// Content key, sender's address and card, authentication.
pub(super) const HEADER_PLAINTEXT_LEN: usize = CONTENT_KEY_LEN + Address::LEN + CardId::LEN + X25519_ENC_LEN + TAG_LEN;

/// The sender's card and the secret keys that belong to it.
#[derive(Clone, Copy)]
pub struct SenderKeys<'a> {
    card: &'a Card,
    keys: &'a SealingKeys,
}

/// What a header says once it is open.
pub(super) struct Header {
    pub(super) content_key: ContentKey,
    pub(super) sender: Address,
    pub(super) sender_card: CardId,
    pub(super) auth: Authentication,
}

/// Makes the header that opens `body` for one recipient. The recipient's envelope is the header followed by the body.
///
/// The recipient's card is to have been checked ([`Card::check`]) against the address of the contact.
///
/// # Errors
/// [`SealError::Introduction`] if the body introduces somebody else than the sender, and [`SealError::UnusableKey`] if
/// nothing can be sealed to the recipient's card.
pub fn seal_header(
    sender: &SenderKeys<'_>,
    recipient: &Card,
    body: &SealedBody,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let suite = body.suite();
    if body.introduces().is_some_and(|address| address != sender.address()) {
        return Err(SealError::Introduction);
    }
    let parties =
        Parties { recipient: recipient.address(), sender: sender.card.address(), sender_card: sender.card.id() };
    let to = recipient.sealing_keys();
    let plaintext = |enc: &[u8], rng: &mut dyn CryptoRng| {
        let transcript = Transcript::new(suite, &parties, enc, body.as_bytes(), body.hash());
        let from = (sender.keys.x25519(), sender.card.sealing_keys().x25519());
        let auth = transcript.authenticate(from, to.x25519(), rng)?;
        Ok(write(body.content_key(), &parties, &auth))
    };
    let info = info(suite, &parties.recipient);
    let sealed = match suite {
        Suite::XWing => kem::seal::<kem::XWing>(to.x_wing(), &info, body.hash(), rng, plaintext),
        Suite::X25519 => kem::seal::<kem::X25519>(to.x25519(), &info, body.hash(), rng, plaintext),
    };
    let Sealed { enc, ciphertext } = sealed?;
    Ok([&[suite.code()], enc.as_slice(), &ciphertext].concat())
}

/// Opens a header with one of the recipient's keys; `None` if it was not sealed to it.
pub(super) fn open_header(
    suite: Suite,
    recipient: &Address,
    keys: &SealingKeys,
    enc: &[u8],
    ciphertext: &[u8],
    body_hash: &[u8; 32],
) -> Option<Header> {
    let info = info(suite, recipient);
    let plaintext = match suite {
        Suite::XWing => kem::open::<kem::XWing>(keys.x_wing(), enc, &info, body_hash, ciphertext),
        Suite::X25519 => kem::open::<kem::X25519>(keys.x25519(), enc, &info, body_hash, ciphertext),
    };
    read(&plaintext?)
}

impl<'a> SenderKeys<'a> {
    /// Pairs a card with its secret keys.
    ///
    /// # Errors
    /// [`SealError::KeyMismatch`] if the keys are not the card's.
    pub fn new(card: &'a Card, keys: &'a SealingKeys) -> Result<Self, SealError> {
        if kem::public::<kem::X25519, X25519_KEY_LEN>(keys.x25519()) == *card.sealing_keys().x25519() {
            Ok(Self { card, keys })
        } else {
            Err(SealError::KeyMismatch)
        }
    }

    /// The sender's address.
    pub fn address(&self) -> Address {
        self.card.address()
    }

    /// The sender's card.
    pub fn card(&self) -> &'a Card {
        self.card
    }
}

impl From<UnusableKey> for SealError {
    fn from(_: UnusableKey) -> Self {
        Self::UnusableKey
    }
}

fn info(suite: Suite, recipient: &Address) -> Vec<u8> {
    [INFO, &[suite.code()], recipient.as_bytes()].concat()
}

fn write(content_key: &ContentKey, parties: &Parties, auth: &Authentication) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(HEADER_PLAINTEXT_LEN));
    out.extend_from_slice(&content_key.0);
    out.extend_from_slice(parties.sender.as_bytes());
    out.extend_from_slice(parties.sender_card.as_bytes());
    out.extend_from_slice(&auth.enc);
    out.extend_from_slice(&auth.tag);
    out
}

/// `None` only for a plaintext of another length, which the envelope's layout rules out.
fn read(plaintext: &[u8]) -> Option<Header> {
    let mut reader = Reader::new(plaintext);
    let header = Header {
        content_key: ContentKey(*reader.array()?),
        sender: Address::from_bytes(*reader.array()?),
        sender_card: CardId::from_bytes(*reader.array()?),
        auth: Authentication { enc: *reader.array()?, tag: *reader.array()? },
    };
    reader.is_empty().then_some(header)
}

redacted_debug!(SenderKeys<'a>);
