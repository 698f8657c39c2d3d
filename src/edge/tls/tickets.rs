//! Session tickets (RFC 8446 §4.6.1; for TLS 1.2 RFC 5077) under keys that relays share, so that a session of one relay is
//! resumed at any other.
//!
//! A ticket is what RFC 5077 §4 recommends, with an AEAD in place of a cipher and a MAC:
//!
//! ```text
//! name of the key (16) ‖ nonce (24) ‖ XChaCha20-Poly1305(key, nonce, state, associated data: name) (state + 16)
//! name, key = HKDF-SHA-256(a key of the file, "sealpost/v1/ticket-key-name"), HKDF-SHA-256(…, "sealpost/v1/ticket-key")
//! ```
//!
//! - The nonce is random: relays that share a key cannot count together, and 192 bits do not repeat. The 96 bits of the
//!   ciphers of TLS would, after some billions of tickets.
//! - The name says which key to take, and that a ticket is not worth a try. It follows from the key, so relays agree on
//!   it without being told. It is the same in all tickets, so it tells clients apart for nobody.
//! - The state is rustls's: the name that was asked for, the cipher, the secret to resume with. No relay keeps anything.
//! - A ticket has no time in it: it ends with its key, which is what bounds the harm of a key that is lost. Who has one
//!   can pose as the relay to clients that resume. With TLS 1.3 it opens no recorded traffic, for a fresh key exchange
//!   goes into each resumption (`psk_dhe_ke`), and early data is never taken. With TLS 1.2 it does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use hkdf::Hkdf;
use rustls::server::ProducesTickets;
use sha2::Sha256;

use super::TlsError;
use super::source::Source;

/// The keys of a file, in its order: the first seals, all open.
pub(super) struct TicketKeys(Vec<TicketKey>);

/// Makes tickets with whatever keys there are at the moment.
pub(super) struct SharedTickets(pub(super) Arc<ArcSwap<TicketKeys>>);

struct TicketKey {
    name: [u8; NAME_LEN],
    cipher: XChaCha20Poly1305,
}

const NAME_LEN: usize = 16;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// More than rustls has to remember of a client: a name of at most 255 bytes and a secret.
const MAX_STATE: usize = 512;
const MAX_TICKET: usize = NAME_LEN + NONCE_LEN + MAX_STATE + TAG_LEN;
const MIN_KEY_BYTES: usize = 32;
/// So that a look at each is nothing.
const MAX_KEYS: usize = 16;
/// Clients are told to forget a ticket after six hours, as with keys of one process.
const LIFETIME_SECS: u32 = 6 * 60 * 60;

/// Keys from a file that may change.
pub(super) fn source(path: PathBuf) -> Result<Source<TicketKeys>, TlsError> {
    Source::open(vec![path.clone()], move |contents| {
        TicketKeys::parse(&path, contents.first().map_or(&[], Vec::as_slice))
    })
}

impl TicketKeys {
    /// A key in each line, in hex or base64; empty lines and those that begin with `#` are none.
    fn parse(path: &Path, file: &[u8]) -> Result<Self, TlsError> {
        let unusable = |why: String| TlsError::content(path, "ticket keys", why);
        let text = str::from_utf8(file).map_err(|_| unusable("it is no text".to_owned()))?;
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = decode(line).filter(|key| key.len() >= MIN_KEY_BYTES).and_then(|key| TicketKey::derive(&key));
            let wrong = || {
                unusable(format!(
                    "line {number} is no key of {MIN_KEY_BYTES} bytes or more in hex or base64, as `openssl rand -hex 32` prints one"
                ))
            };
            keys.push(key.ok_or_else(wrong)?);
        }
        if keys.is_empty() || keys.len() > MAX_KEYS {
            return Err(unusable(format!("it holds {} keys, and from 1 to {MAX_KEYS} are meant", keys.len())));
        }
        Ok(Self(keys))
    }

    fn seal(&self, state: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.first().filter(|_| state.len() <= MAX_STATE)?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let sealed = key.cipher.encrypt(&nonce.into(), Payload { msg: state, aad: &key.name }).ok()?;
        Some([key.name.as_slice(), &nonce, &sealed].concat())
    }

    fn open(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let key = self.0.iter().find(|key| key.name == *name)?;
        key.cipher.decrypt(&(*nonce).into(), Payload { msg: sealed, aad: name }).ok()
    }
}

impl TicketKey {
    fn derive(secret: &[u8]) -> Option<Self> {
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        let (mut name, mut key) = ([0; NAME_LEN], [0; 32]);
        hkdf.expand(b"sealpost/v1/ticket-key-name", &mut name).ok()?;
        hkdf.expand(b"sealpost/v1/ticket-key", &mut key).ok()?;
        Some(Self { name, cipher: XChaCha20Poly1305::new(&key.into()) })
    }
}

/// Hex if it can be that: of 32 random bytes in base64, one in 10²² looks like it.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect();
    }
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME_SECS
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.load().seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.load().open(cipher)
    }
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedTickets")
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn keys(of: &[u8]) -> TicketKeys {
        TicketKeys(of.iter().map(|byte| TicketKey::derive(&[*byte; MIN_KEY_BYTES]).unwrap()).collect())
    }

    fn parse(text: &str) -> Result<TicketKeys, String> {
        TicketKeys::parse(Path::new("keys"), text.as_bytes()).map_err(|error| error.to_string())
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_by_whoever_has_the_key(state in vec(any::<u8>(), 0..=MAX_STATE)) {
            let ticket = keys(&[1, 2]).seal(&state).unwrap();
            prop_assert!(ticket.len() <= MAX_TICKET);
            // After a rotation the key is not the first any more.
            prop_assert_eq!(keys(&[3, 1]).open(&ticket), Some(state));
            // That of another file is none, and neither is the second one's: only the first seals.
            prop_assert_eq!(keys(&[2, 4]).open(&ticket), None);
        }

        #[test]
        fn what_is_cut_or_changed_is_refused(state in vec(any::<u8>(), 0..=MAX_STATE), at: prop::sample::Index, with in 1..=u8::MAX) {
            let keys = keys(&[1]);
            let ticket = keys.seal(&state).unwrap();
            let at = at.index(ticket.len());
            prop_assert_eq!(keys.open(&ticket[..at]), None);
            let mut changed = ticket;
            changed[at] ^= with;
            prop_assert_eq!(keys.open(&changed), None);
        }

        #[test]
        fn anything_may_come(ticket in vec(any::<u8>(), 0..2 * MAX_TICKET)) {
            let keys = keys(&[1]);
            prop_assert_eq!(keys.open(&ticket), None);
            // With a name that there is.
            prop_assert_eq!(keys.open(&[keys.0[0].name.as_slice(), &ticket].concat()), None);
        }

        #[test]
        fn any_file_may_be_read(file in vec(any::<u8>(), 0..200)) {
            let _ = TicketKeys::parse(Path::new("keys"), &file);
        }
    }

    #[test]
    fn a_state_and_a_ticket_have_a_longest_size() {
        let keys = keys(&[1]);
        assert_eq!(keys.seal(&[0; MAX_STATE + 1]), None);
        let longest = keys.seal(&[0; MAX_STATE]).unwrap();
        assert_eq!(longest.len(), MAX_TICKET);
        assert_eq!(keys.open(&[longest, vec![0]].concat()), None);
    }

    #[test]
    fn no_two_tickets_are_alike() {
        let keys = keys(&[1]);
        assert_ne!(keys.seal(b"state"), keys.seal(b"state"));
    }

    #[test]
    fn a_file_holds_keys_in_hex_or_base64() {
        let secret: Vec<u8> = (0..33).collect();
        let hex: String = secret.iter().map(|byte| format!("{byte:02X}")).collect();
        let (padded, bare) = (STANDARD.encode(&secret[..32]), STANDARD_NO_PAD.encode(&secret[..32]));
        let text = format!("# of today\r\n{hex}\r\n\r\n  {padded}\n{bare}\n");
        let keys = parse(&text).unwrap().0;
        let names: Vec<_> = keys.iter().map(|key| key.name).collect();
        let [long, short] = [&secret[..], &secret[..32]].map(|secret| TicketKey::derive(secret).unwrap().name);
        assert_eq!(names, [long, short, short]);
    }

    #[test]
    fn a_file_that_is_no_good_is_refused_without_showing_it() {
        let hex = "ab".repeat(MIN_KEY_BYTES);
        for (text, why) in [
            (String::new(), "it holds 0 keys"),
            (format!("{hex}\n{}", "cd".repeat(MIN_KEY_BYTES - 1)), "line 2 is no key"),
            (format!("{hex}\nsesame, open!"), "line 2 is no key"),
            (format!("{hex}\n").repeat(MAX_KEYS + 1), "it holds 17 keys"),
        ] {
            let error = parse(&text).err().unwrap();
            assert!(error.contains(why) && error.contains("keys holds no"), "{error}");
            assert!(!error.contains("abab") && !error.contains("cdcd") && !error.contains("sesame"), "{error}");
        }
    }
}
