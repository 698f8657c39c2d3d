//! Sealing: from a message to an envelope that only its recipient can open, and back.
//!
//! ```text
//! envelope = suite ‖ enc ‖ header ciphertext ‖ commitment ‖ body ciphertext ‖ tag
//!            └───── header, one for each recipient ┘ └──── body, the same for all ────┘
//! ```
//!
//! - The **body** is the padded message under a fresh content key (ChaCha20-Poly1305, RFC 8439) with a commitment to
//!   that key, so that one ciphertext opens one way only.
//! - The **header** is HPKE base mode (RFC 9180) to the recipient's sealing key. It holds the content key, the sender's
//!   address and the sender's authentication.
//! - The **authentication** is HPKE auth mode between the X25519 keys of the two cards, over everything else. The
//!   recipient knows who sent the message and could have made it: it proves nothing to a third person.
//!
//! # What it does not give
//! No forward secrecy for each message: whoever steals a sealing key reads all that was sealed to it, until the device
//! has rotated the key and erased the old one. Per-message forward secrecy is the work of the app's ratchet inside the
//! envelope. Whoever steals a recipient's X25519 key can also forge messages *to* that recipient (key compromise
//! impersonation, RFC 9180 §9.1.1), and the authentication does not withstand a quantum computer, though with X-Wing the
//! content does.

mod auth;
mod body;
mod error;
mod header;
mod open;
mod suite;

pub use body::{SealedBody, max_body_len, seal_body};
pub use error::{OpenError, SealError};
pub use header::{SenderKeys, seal_header};
pub use open::{Unverified, open};
pub use suite::Suite;

use rand_core::CryptoRng;

use crate::{Card, Message};

/// Seals a message for one recipient into the smallest of `classes` (bytes, see [`crate::SIZE_CLASSES`]) that holds it.
///
/// The recipient's card is to have been checked ([`Card::check`]) against the address of the contact.
///
/// # Errors
/// [`SealError::TooLarge`] with the largest body that would fit, [`SealError::Text`] for a content type or name of more
/// than 255 bytes, [`SealError::Introduction`] for one that is not the sender's, and [`SealError::UnusableKey`] if
/// nothing can be sealed to the recipient's card.
pub fn seal(
    suite: Suite,
    sender: &SenderKeys<'_>,
    recipient: &Card,
    message: &Message,
    classes: &[usize],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let body = seal_body(suite, message, classes, rng)?;
    let mut envelope = seal_header(sender, recipient, &body, rng)?;
    envelope.extend_from_slice(body.as_bytes());
    Ok(envelope)
}
