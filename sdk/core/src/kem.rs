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

/// An X-Wing seed with its expanded public key, which costs as much to make as half of an opening. Erased on drop.
pub(crate) type XWingSecret = <XWing as Kem>::PrivateKey;
/// A clamped X25519 scalar. Erased on drop.
pub(crate) type X25519Secret = <X25519 as Kem>::PrivateKey;

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
    let (enc, mut context) =
        hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeS::Base, &recipient, info, rng)
            .map_err(|_| UnusableKey)?;
    let enc = enc.to_bytes().to_vec();
    let plaintext = plaintext(&enc, rng)?;
    let ciphertext = context.seal(&plaintext, aad).map_err(|_| UnusableKey)?;
    Ok(Sealed { enc, ciphertext })
}

/// Opens what [`seal`] sealed; `None` if it was not sealed to this key with this `info` and `aad`.
pub(crate) fn open<K: Kem>(
    secret: &K::PrivateKey,
    enc: &[u8],
    info: &[u8],
    aad: &[u8],
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let enc = K::EncappedKey::from_bytes(enc).ok()?;
    let plaintext =
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, K>(&OpModeR::Base, secret, &enc, info, ciphertext, aad);
    plaintext.ok().map(Zeroizing::new)
}

/// Authenticates `aad` to the recipient in auth mode: an empty plaintext, so that only the tag remains.
pub(crate) fn authenticate(
    sender: (&X25519Secret, &[u8; X25519_KEY_LEN]),
    recipient: &[u8; X25519_KEY_LEN],
    info: &[u8],
    aad: &[u8],
    mut rng: &mut (impl CryptoRng + ?Sized),
) -> Result<Sealed, UnusableKey> {
    let (secret, public) = sender;
    let mode = OpModeS::Auth((secret.clone(), x25519_key(public)?));
    let (enc, ciphertext) = hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &mode,
        &x25519_key(recipient)?,
        info,
        &[],
        aad,
        &mut rng,
    )
    .map_err(|_| UnusableKey)?;
    Ok(Sealed { enc: enc.to_bytes().to_vec(), ciphertext })
}

/// Whether the holder of the sender's key, or of the recipient's, authenticated `aad`.
pub(crate) fn is_authentic(
    recipient: &X25519Secret,
    sender: &[u8; X25519_KEY_LEN],
    enc: &[u8; X25519_ENC_LEN],
    info: &[u8],
    aad: &[u8],
    tag: &[u8; TAG_LEN],
) -> bool {
    let (Ok(sender), Ok(enc)) = (x25519_key(sender), <X25519 as Kem>::EncappedKey::from_bytes(enc)) else {
        return false;
    };
    hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519>(
        &OpModeR::Auth(sender),
        recipient,
        &enc,
        info,
        tag,
        aad,
    )
    .is_ok()
}

/// The secret key of these bytes.
pub(crate) fn secret<K: Kem>(bytes: &[u8; 32]) -> K::PrivateKey {
    // Any 32 bytes are a secret key of both KEMs, so the second way is never taken.
    K::PrivateKey::from_bytes(bytes).unwrap_or_else(|_| K::derive_keypair(bytes).0)
}

/// The public key of a secret one, written to a buffer of exactly its length.
pub(crate) fn public<K: Kem, const N: usize>(secret: &K::PrivateKey) -> [u8; N] {
    let mut bytes = [0; N];
    K::sk_to_pk(secret).write_exact(&mut bytes);
    bytes
}

/// Whether these are the bytes of an X-Wing public key: ML-KEM's coefficients must be reduced (FIPS 203 §7.2).
pub(crate) fn is_x_wing_public(bytes: &[u8; X_WING_PUBLIC_LEN]) -> bool {
    <XWing as Kem>::PublicKey::from_bytes(bytes).is_ok()
}

fn x25519_key(bytes: &[u8; X25519_KEY_LEN]) -> Result<<X25519 as Kem>::PublicKey, UnusableKey> {
    <X25519 as Kem>::PublicKey::from_bytes(bytes).map_err(|_| UnusableKey)
}
