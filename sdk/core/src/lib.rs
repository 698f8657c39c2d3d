//! The pure half of Sealpost: addresses, proofs, delivery keys, cards, invites, vouchers and sealed envelopes.
//!
//! Nothing here does I/O, reads a clock or holds a random number generator: time and randomness are arguments. Bytes from
//! outside are parsed once, into a type or a typed error, and no input makes this crate panic. `docs/protocol.md`
//! specifies every byte; `sdk/vectors` holds the test vectors that every implementation shares.
//!
//! # What may be printed
//! Addresses, keys, cards, invites and messages have a `Debug` that shows only the type's name, and no `Display`: text
//! forms come from methods whose names say so (`to_text`, `to_link`). No error text holds an address, a key or an exact
//! size. [`Audience`] and [`RelayHost`] name a relay, which is public, and [`Sequence`] is a bare counter: they can be
//! printed.
//!
//! # What sealing gives
//! Confidentiality and the sender's identity for one envelope, deniably; see [`seal`]. It is not a ratchet: whoever
//! steals a sealing key can read everything that was sealed to it. Forward secrecy for each message is the work of the
//! app's own ratchet inside the envelope.

#[macro_use]
mod redact;
#[macro_use]
mod fixed_bytes;

mod address;
mod audience;
mod card;
mod delivery_key;
mod frame;
mod identity;
mod invite;
mod kem;
mod message;
mod message_id;
pub mod padding;
mod proof;
mod qr;
mod reader;
mod relay_host;
pub mod seal;
mod sealing_keys;
mod sequence;
mod size_class;
mod text;
mod time;
mod voucher;

pub use address::{Address, AddressError};
pub use audience::{Audience, AudienceError};
pub use card::{CARD_LEN, CLOCK_SKEW_SECS, Card, CardError, CardId};
pub use delivery_key::{DeliveryKey, DeliveryKeyError, DeliveryKeyHash};
pub use fixed_bytes::LengthError;
pub use frame::FrameError;
pub use identity::{BadSignature, IdentityKey, IdentityKeyError, IdentityPublicKey, Signature};
pub use invite::{Invite, InviteError};
pub use message::{Introduction, MAX_TEXT_LEN, Message};
pub use message_id::MessageId;
pub use proof::{Nonce, Operation, Proof, ProofError};
pub use qr::QrError;
/// The random number generator traits that this crate's functions take.
pub use rand_core;
pub use relay_host::{DEFAULT_PORT, RelayHost, RelayHostError};
pub use seal::{OpenError, SealError, SealedBody, SenderKeys, Suite, Unverified};
pub use sealing_keys::{SEALING_KEYS_LEN, SEALING_PUBLIC_KEYS_LEN, SealingKeyError, SealingKeys, SealingPublicKeys};
pub use sequence::Sequence;
pub use size_class::{SIZE_CLASSES, smallest_class};
pub use time::{Hour, UnixTime};
pub use voucher::{VOUCHER_LEN, Voucher, VoucherError, VoucherId};
