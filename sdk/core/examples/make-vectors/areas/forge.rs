//! Sealing written a second time, straight from docs/protocol.md: it can also do what the crate never does, such as
//! forge a sender, and it takes envelopes apart for the intermediate values.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _};
use hkdf::Hkdf;
use hpke::kem::{Kem, X25519HkdfSha256, XWing};
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use sealpost_core::Suite;
use sha2::{Digest, Sha256};

use super::drbg::Drbg;
use super::people::Person;

type Aead = hpke::aead::ChaCha20Poly1305;
type Kdf = hpke::kdf::HkdfSha256;

/// An envelope about to be made by somebody who may not play by the rules.
pub(crate) struct Draft {
    pub(crate) suite: Suite,
    /// As it is named in the header's info.
    pub(crate) recipient: [u8; 32],
    /// X25519, then X-Wing.
    pub(crate) recipient_keys: Vec<u8>,
    pub(crate) sender: [u8; 32],
    pub(crate) sender_card: [u8; 8],
    pub(crate) sender_secret: [u8; 32],
    pub(crate) content_key: [u8; 32],
    /// What is encrypted as the body: frame and padding.
    pub(crate) padded: Vec<u8>,
    /// Changes the finished body before anything is bound to it.
    pub(crate) alter_body: fn(&mut Vec<u8>),
    /// Changes what the sender authenticates.
    pub(crate) alter_transcript: fn(&mut Transcript),
    /// Instead of an authentication of its own.
    pub(crate) auth: Option<Vec<u8>>,
}

/// The fields of the transcript.
pub(crate) struct Transcript {
    pub(crate) suite: u8,
    pub(crate) recipient: [u8; 32],
    pub(crate) sender: [u8; 32],
    pub(crate) sender_card: [u8; 8],
    pub(crate) enc_hash: [u8; 32],
    pub(crate) commitment: [u8; 32],
    pub(crate) body_hash: [u8; 32],
}

/// An envelope taken apart.
pub(crate) struct Parts {
    pub(crate) header_plaintext: Vec<u8>,
    pub(crate) content_key: [u8; 32],
    pub(crate) body_key: [u8; 32],
    pub(crate) commitment: [u8; 32],
    pub(crate) body_hash: [u8; 32],
    pub(crate) enc_hash: [u8; 32],
    pub(crate) transcript: Vec<u8>,
    pub(crate) padded: Vec<u8>,
}

impl Draft {
    /// What an honest sender would make of this frame, in an envelope of `class` bytes.
    pub(crate) fn new(suite: Suite, sender: &Person, recipient: &Person, frame: &[u8], class: usize) -> Self {
        let mut padded = [frame, &[0x80]].concat();
        padded.resize(class - overhead(suite), 0);
        let mut sender_secret = [0; 32];
        sender_secret.copy_from_slice(&sender.keys.as_bytes()[..32]);
        Self {
            suite,
            recipient: *recipient.address().as_bytes(),
            recipient_keys: recipient.keys.public().to_bytes(),
            sender: *sender.address().as_bytes(),
            sender_card: *sender.card.id().as_bytes(),
            sender_secret,
            content_key: *b"a content key of thirty-two byte",
            padded,
            alter_body: |_| {},
            alter_transcript: |_| {},
            auth: None,
        }
    }

    pub(crate) fn seal(self) -> Vec<u8> {
        match self.suite {
            Suite::XWing => self.seal_with::<XWing>(&self.recipient_keys[32..]),
            Suite::X25519 => self.seal_with::<X25519HkdfSha256>(&self.recipient_keys[..32]),
        }
    }

    fn seal_with<K: Kem>(&self, key: &[u8]) -> Vec<u8> {
        let mut rng = Drbg::new("draft");
        let body = self.body();
        let body_hash = Sha256::digest(&body);
        let info = header_info(self.suite, &self.recipient);
        let key = K::PublicKey::from_bytes(key).unwrap();
        let (enc, mut context) =
            hpke::setup_sender_with_rng::<Aead, Kdf, K>(&OpModeS::Base, &key, &info, &mut rng).unwrap();
        let enc = enc.to_bytes();
        let auth = self.auth.clone().unwrap_or_else(|| self.authenticate(&enc, &body, &mut rng));
        let plaintext = [&self.content_key[..], &self.sender, &self.sender_card, &auth].concat();
        let header = context.seal(&plaintext, &body_hash).unwrap();
        [&[self.suite as u8], enc.as_slice(), &header, &body].concat()
    }

    fn body(&self) -> Vec<u8> {
        let (key, commitment) = body_keys(self.suite, &self.content_key);
        let mut ciphertext = self.padded.clone();
        let tag = ChaCha20Poly1305::new(&key.into())
            .encrypt_inout_detached(&[0; 12].into(), &[], InOutBuf::from(&mut ciphertext[..]))
            .unwrap();
        let mut body = [&commitment[..], &ciphertext, &tag].concat();
        (self.alter_body)(&mut body);
        body
    }

    fn authenticate(&self, enc: &[u8], body: &[u8], rng: &mut Drbg) -> Vec<u8> {
        let mut transcript = Transcript {
            suite: self.suite as u8,
            recipient: self.recipient,
            sender: self.sender,
            sender_card: self.sender_card,
            enc_hash: Sha256::digest(enc).into(),
            commitment: body[..32].try_into().unwrap(),
            body_hash: Sha256::digest(body).into(),
        };
        (self.alter_transcript)(&mut transcript);
        let secret = <X25519HkdfSha256 as Kem>::PrivateKey::from_bytes(&self.sender_secret).unwrap();
        let public = X25519HkdfSha256::sk_to_pk(&secret);
        let to = <X25519HkdfSha256 as Kem>::PublicKey::from_bytes(&self.recipient_keys[..32]);
        let (enc, tag) = hpke::single_shot_seal_with_rng::<Aead, Kdf, X25519HkdfSha256>(
            &OpModeS::Auth((secret, public)),
            &to.unwrap(),
            b"sealpost/v1/auth",
            &[],
            &transcript.to_bytes(),
            rng,
        )
        .unwrap();
        [enc.to_bytes().as_slice(), &tag].concat()
    }
}

impl Transcript {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [
            b"sealpost/v1/transcript".as_slice(),
            &[self.suite],
            &self.recipient,
            &self.sender,
            &self.sender_card,
            &self.enc_hash,
            &self.commitment,
            &self.body_hash,
        ]
        .concat()
    }
}

/// Takes an honest envelope apart with its recipient's keys.
pub(crate) fn dissect(envelope: &[u8], recipient: &Person) -> Parts {
    let suite = Suite::from_code(envelope[0]).unwrap();
    let secret = recipient.keys.as_bytes();
    match suite {
        Suite::XWing => dissect_with::<XWing>(suite, envelope, recipient, &secret[32..]),
        Suite::X25519 => dissect_with::<X25519HkdfSha256>(suite, envelope, recipient, &secret[..32]),
    }
}

fn dissect_with<K: Kem>(suite: Suite, envelope: &[u8], recipient: &Person, secret: &[u8]) -> Parts {
    let (enc, rest) = envelope[1..].split_at(overhead(suite) - 1 - 136 - 48);
    let (header, body) = rest.split_at(136);
    let address = *recipient.address().as_bytes();
    let body_hash: [u8; 32] = Sha256::digest(body).into();
    let header_plaintext = hpke::single_shot_open::<Aead, Kdf, K>(
        &OpModeR::Base,
        &K::PrivateKey::from_bytes(secret).unwrap(),
        &K::EncappedKey::from_bytes(enc).unwrap(),
        &header_info(suite, &address),
        header,
        &body_hash,
    )
    .unwrap();
    let content_key = header_plaintext[..32].try_into().unwrap();
    let (body_key, commitment) = body_keys(suite, &content_key);
    assert_eq!(commitment, body[..32]);
    let mut padded = body[32..body.len() - 16].to_vec();
    let tag: [u8; 16] = body[body.len() - 16..].try_into().unwrap();
    ChaCha20Poly1305::new(&body_key.into())
        .decrypt_inout_detached(&[0; 12].into(), &[], InOutBuf::from(&mut padded[..]), &tag.into())
        .unwrap();
    let transcript = Transcript {
        suite: suite as u8,
        recipient: address,
        sender: header_plaintext[32..64].try_into().unwrap(),
        sender_card: header_plaintext[64..72].try_into().unwrap(),
        enc_hash: Sha256::digest(enc).into(),
        commitment,
        body_hash,
    };
    Parts {
        content_key,
        body_key,
        commitment,
        body_hash,
        enc_hash: transcript.enc_hash,
        transcript: transcript.to_bytes(),
        padded,
        header_plaintext,
    }
}

/// Bytes of an envelope that are not its padded frame.
pub(crate) fn overhead(suite: Suite) -> usize {
    match suite {
        Suite::XWing => 1 + 1_120 + 136 + 32 + 16,
        Suite::X25519 => 1 + 32 + 136 + 32 + 16,
    }
}

fn header_info(suite: Suite, recipient: &[u8; 32]) -> Vec<u8> {
    [b"sealpost/v1/header".as_slice(), &[suite as u8], recipient].concat()
}

fn body_keys(suite: Suite, content_key: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    let hkdf = Hkdf::<Sha256>::new(None, content_key);
    let expand = |tag: &[u8]| {
        let mut out = [0; 32];
        hkdf.expand(&[tag, &[suite as u8]].concat(), &mut out).unwrap();
        out
    };
    (expand(b"sealpost/v1/body-key"), expand(b"sealpost/v1/body-commitment"))
}
