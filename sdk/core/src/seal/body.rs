//! The body: the padded message under a fresh content key that it commits to. The same bytes for any number of
//! recipients.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _, Tag};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::kem::TAG_LEN;
use crate::{Address, Message, frame, padding, smallest_class};

use super::{OpenError, SealError, Suite};

pub(super) const CONTENT_KEY_LEN: usize = 32;
pub(super) const COMMITMENT_LEN: usize = 32;
const KEY_INFO: &[u8] = b"sealpost/v1/body-key";
const COMMITMENT_INFO: &[u8] = b"sealpost/v1/body-commitment";
/// Each content key encrypts one body, so its nonce may be constant.
const NONCE: [u8; 12] = [0; 12];

/// A sealed body, ready for any number of headers of its suite. Its content key is erased on drop.
pub struct SealedBody {
    suite: Suite,
    content_key: ContentKey,
    bytes: Vec<u8>,
    hash: [u8; 32],
    introduces: Option<Address>,
}

/// The key of one body.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct ContentKey(pub(super) [u8; CONTENT_KEY_LEN]);

/// What HKDF makes of a content key.
struct BodyKeys {
    key: Zeroizing<[u8; 32]>,
    commitment: [u8; COMMITMENT_LEN],
}

/// Seals a message's body so that it and a header of its suite together fill the smallest of `classes` that holds them.
///
/// # Errors
/// [`SealError::TooLarge`], [`SealError::Text`], or [`SealError::Introduction`] if its invite and card belong to different
/// addresses.
pub fn seal_body(
    suite: Suite,
    message: &Message,
    classes: &[usize],
    rng: &mut impl CryptoRng,
) -> Result<SealedBody, SealError> {
    let frame = Zeroizing::new(message.to_frame()?);
    let too_large = || SealError::TooLarge { max_body: max_body_len(suite, classes, message) };
    // One byte more for the padding, which is never empty.
    let class = smallest_class(suite.overhead() + frame.len() + 1, classes).ok_or_else(too_large)?;
    let padded_len = class - suite.overhead();

    let mut content_key = ContentKey([0; CONTENT_KEY_LEN]);
    rng.fill_bytes(&mut content_key.0);
    let bytes = encrypt(suite, &content_key, &frame, padded_len).ok_or_else(too_large)?;
    let hash = body_hash(&bytes);
    Ok(SealedBody {
        suite,
        content_key,
        bytes,
        hash,
        introduces: message.introduction.as_ref().map(|it| it.card.address()),
    })
}

/// The longest body in bytes that fits the largest of `classes` together with the other fields of `message`, whose own
/// body does not count; 0 if not even an empty one fits.
pub fn max_body_len(suite: Suite, classes: &[usize], message: &Message) -> usize {
    let largest = classes.iter().copied().max().unwrap_or_default();
    let rest = frame::len_without_body(message);
    largest.saturating_sub(suite.overhead() + rest + 1)
}

impl SealedBody {
    /// The suite of its headers.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The bytes that follow the header in every recipient's envelope.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn content_key(&self) -> &ContentKey {
        &self.content_key
    }

    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Whom the message inside introduces, which can only be its sender.
    pub(super) fn introduces(&self) -> Option<Address> {
        self.introduces
    }
}

/// Decrypts a body with the content key from its header.
pub(super) fn open_body(suite: Suite, content_key: &ContentKey, body: &[u8]) -> Result<Message, OpenError> {
    let keys = BodyKeys::derive(suite, content_key).ok_or(OpenError::BodyCorrupted)?;
    let (commitment, ciphertext) = body.split_first_chunk::<COMMITMENT_LEN>().ok_or(OpenError::Length)?;
    if !bool::from(keys.commitment.ct_eq(commitment)) {
        return Err(OpenError::CommitmentMismatch);
    }
    let (ciphertext, tag) = ciphertext.split_last_chunk::<TAG_LEN>().ok_or(OpenError::Length)?;
    let mut padded = Zeroizing::new(ciphertext.to_vec());
    ChaCha20Poly1305::new(&(*keys.key).into())
        .decrypt_inout_detached(&NONCE.into(), &[], InOutBuf::from(padded.as_mut_slice()), &Tag::from(*tag))
        .map_err(|_| OpenError::BodyCorrupted)?;
    let frame = padding::unpad(&padded).map_err(|_| OpenError::Padding)?;
    Ok(Message::from_frame(frame)?)
}

pub(super) fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// `commitment ‖ ciphertext ‖ tag`; `None` if the frame and its padding do not fit.
fn encrypt(suite: Suite, content_key: &ContentKey, frame: &[u8], padded_len: usize) -> Option<Vec<u8>> {
    let keys = BodyKeys::derive(suite, content_key)?;
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_len));
    padded.extend_from_slice(frame);
    padding::pad(&mut padded, padded_len).ok()?;
    let tag = ChaCha20Poly1305::new(&(*keys.key).into())
        .encrypt_inout_detached(&NONCE.into(), &[], InOutBuf::from(padded.as_mut_slice()))
        .ok()?;
    Some([keys.commitment.as_slice(), &padded, &tag].concat())
}

impl BodyKeys {
    fn derive(suite: Suite, content_key: &ContentKey) -> Option<Self> {
        let hkdf = Hkdf::<Sha256>::new(None, &content_key.0);
        let mut keys = Self { key: Zeroizing::new([0; 32]), commitment: [0; COMMITMENT_LEN] };
        hkdf.expand_multi_info(&[KEY_INFO, &[suite.code()]], keys.key.as_mut_slice()).ok()?;
        hkdf.expand_multi_info(&[COMMITMENT_INFO, &[suite.code()]], &mut keys.commitment).ok()?;
        Some(keys)
    }
}

redacted_debug!(SealedBody);
