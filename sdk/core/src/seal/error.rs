//! Every way in which sealing and opening can fail.

use thiserror::Error;

use crate::FrameError;

/// Why a message cannot be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// It fits none of the size classes.
    #[error("the message is too large for an envelope")]
    TooLarge {
        /// The longest body in bytes that fits with the message's other fields; 0 also if not even an empty one does.
        max_body: usize,
    },
    /// The content type or the name is longer than 255 bytes.
    #[error("the content type or name is too long")]
    Text,
    /// The introduction is not the sender's own: its invite or card belongs to another address.
    #[error("the introduction is not the sender's")]
    Introduction,
    /// The sender's sealing keys are not those of the sender's card.
    #[error("the sealing keys do not match the sender's card")]
    KeyMismatch,
    /// The recipient's card holds a key that nothing can be sealed to.
    #[error("the recipient's sealing key is unusable")]
    UnusableKey,
}

/// Why an envelope cannot be opened or its sender not be verified.
///
/// None is cured by trying again with the same keys and cards; [`OpenError::UnknownCard`], [`OpenError::CardExpired`]
/// and [`OpenError::CardNotYetValid`] may be by another card of the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Too short to be an envelope of its suite.
    #[error("the envelope's length is not plausible")]
    Length,
    /// A suite that this code does not know.
    #[error("the envelope's suite is unknown")]
    UnknownSuite,
    /// The header opens with none of the keys: sealed to another, or changed on its way, header or body.
    #[error("the envelope was not sealed to this key")]
    NotForThisKey,
    /// The body does not commit to the content key in the header.
    #[error("the envelope's key commitment does not match")]
    CommitmentMismatch,
    /// The body does not decrypt under its own key.
    #[error("the envelope's body is corrupted")]
    BodyCorrupted,
    /// The body's padding is malformed.
    #[error("the envelope's padding is malformed")]
    Padding,
    /// The message inside is malformed.
    #[error("the message inside is malformed: {0}")]
    Frame(#[from] FrameError),
    /// The sender that the header names did not authenticate this envelope.
    #[error("the sender is forged")]
    SenderForged,
    /// The card, or the introduction's, belongs to another address than the sender's.
    #[error("the card is not the sender's")]
    CardMismatch,
    /// The card is the sender's, but not the one the envelope was sealed with: fetch it again.
    #[error("the envelope was sealed with another card of the sender")]
    UnknownCard,
    /// The sender's card is expired.
    #[error("the sender's card is expired")]
    CardExpired,
    /// The sender's card is issued more than a day ahead.
    #[error("the sender's card is not valid yet")]
    CardNotYetValid,
}
