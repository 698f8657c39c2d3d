//! HPKE (RFC 9180) as the rest of this crate sees it: one-shot, bytes in and bytes out.
//!
//! Both suites use HKDF-SHA256 (KDF 0x0001) and ChaCha20Poly1305 (AEAD 0x0003). The KEMs are DHKEM(X25519, HKDF-SHA256)
//! (0x0020) and X-Wing (0x647a, draft-connolly-cfrg-xwing-kem).

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::Kem;
use hpke::{Deserializable as _, OpModeR, OpModeS, Serializable as _};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub(crate) use hpke::kem::{X25519HkdfSha256 as X25519, XWing};

pub(crate) const TAG_LEN: usize = 16;
pub(crate) const X25519_KEY_LEN: usize = 32;
pub(crate) const X25519_ENC_LEN: usize = 32;
pub(crate) const X_WING_SEED_LEN: usize = 32;
pub(crate) const X_WING_PUBLIC_LEN: usize = 1_216;
pub(crate) const X_WING_ENC_LEN: usize = 1_120;

/// A public key that nothing can be sealed to: malformed, or of small order.
#[derive(Debug)]
pub(crate) struct UnusableKey;

/// An encapsulated key and what was sealed under it.
pub(crate) struct Sealed {
    pub(crate) enc: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
}

/// Seals to a public key in base mode. `plaintext` is asked for once the encapsulated key is known, so that it may
/// depend on it.
pub(crate) fn seal<K: Kem>(
    recipient: &[u8],
    info: &[u8],
    aad: &[u8],
    rng: &mut impl CryptoRng,
    plaintext: impl FnOnce(&[u8], &mut dyn CryptoRng) -> Result<Zeroizing<Vec<u8>>, UnusableKey>,
) -> Result<Sealed, UnusableKey> {
    let recipient = K::PublicKey::from_bytes(recipient).map_err(|_| UnusableKey)?;
    let (enc, mut context) = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeS::Base,
        &recipient,
        info,
        rng,
    )
    .map_err(|_| UnusableKey)?;
    let enc = enc.to_bytes().to_vec();
    let plaintext = plaintext(&enc, rng)?;
    let ciphertext = context.seal(&plaintext, aad).map_err(|_| UnusableKey)?;
    Ok(Sealed { enc, ciphertext })
}

/// Opens what [`seal`] sealed; `None` if it was not sealed to this key with this `info` and `aad`.
pub(crate) fn open<K: Kem>(
    secret: &[u8],
    enc: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let secret = K::PrivateKey::from_bytes(secret).ok()?;
    let enc = K::EncappedKey::from_bytes(enc).ok()?;
    let plaintext = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, K>(
        &OpModeR::Base,
        &secret,
        &enc,
        info,
        ciphertext,
        aad,
    );
    plaintext.ok().map(Zeroizing::new)
}

/// Authenticates `aad` to the recipient in auth mode: an empty plaintext, so that only the tag remains.
pub(crate) fn authenticate(
    sender_secret: &[u8],
    recipient: &[u8],
    info: &[u8],
    aad: &[u8],
    rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Sealed, UnusableKey> {
    let secret = private_key(sender_secret).ok_or(UnusableKey)?;
    let public = X25519::sk_to_pk(&secret);
    let recipient = public_key(recipient).ok_or(UnusableKey)?;
    let mut rng = rng;
    let (enc, ciphertext) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeS::Auth((secret, public)),
            &recipient,
            info,
            &[],
            aad,
            &mut rng,
        )
        .map_err(|_| UnusableKey)?;
    Ok(Sealed {
        enc: enc.to_bytes().to_vec(),
        ciphertext,
    })
}

/// Whether the holder of the sender's key, or of the recipient's, authenticated `aad`.
pub(crate) fn is_authentic(
    recipient_secret: &[u8],
    sender: &[u8],
    enc: &[u8],
    info: &[u8],
    aad: &[u8],
    tag: &[u8],
) -> bool {
    let open = || {
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeR::Auth(public_key(sender)?),
            &private_key(recipient_secret)?,
            &<X25519 as Kem>::EncappedKey::from_bytes(enc).ok()?,
            info,
            tag,
            aad,
        )
        .ok()
    };
    open().is_some_and(|plaintext| plaintext.is_empty())
}

/// The X25519 public key of a secret one.
pub(crate) fn x25519_public(secret: &[u8; X25519_KEY_LEN]) -> [u8; X25519_KEY_LEN] {
    public_bytes::<X25519, X25519_KEY_LEN>(secret)
}

/// The X-Wing public key of a seed.
pub(crate) fn x_wing_public(seed: &[u8; X_WING_SEED_LEN]) -> [u8; X_WING_PUBLIC_LEN] {
    public_bytes::<XWing, X_WING_PUBLIC_LEN>(seed)
}

/// Whether these are the bytes of an X-Wing public key: ML-KEM's coefficients must be reduced (FIPS 203 §7.2).
pub(crate) fn is_x_wing_public(bytes: &[u8; X_WING_PUBLIC_LEN]) -> bool {
    <XWing as Kem>::PublicKey::from_bytes(bytes).is_ok()
}

fn public_bytes<K: Kem, const N: usize>(secret: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    // Any 32 bytes are a secret key of both KEMs, and N is the length of the KEM's public keys.
    if let Ok(secret) = K::PrivateKey::from_bytes(secret) {
        K::sk_to_pk(&secret).write_exact(&mut bytes);
    }
    bytes
}

fn private_key(bytes: &[u8]) -> Option<<X25519 as Kem>::PrivateKey> {
    <X25519 as Kem>::PrivateKey::from_bytes(bytes).ok()
}

fn public_key(bytes: &[u8]) -> Option<<X25519 as Kem>::PublicKey> {
    <X25519 as Kem>::PublicKey::from_bytes(bytes).ok()
}
