//! What an envelope says once it is open.

use crate::{Card, FrameError, Invite, MessageId, SealError, UnixTime, frame};

/// The longest content type and the longest name, in bytes.
pub const MAX_TEXT_LEN: usize = 255;

/// A message as its sender wrote it.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// By which the recipient recognises it when it arrives twice.
    pub id: MessageId,
    /// When it was sealed, by the sender's clock and on the sender's word.
    pub sent_at: UnixTime,
    /// What the body is, as a media type (RFC 6838) or whatever the app agreed on; at most 255 bytes of UTF-8.
    pub content_type: String,
    /// What the sender calls the body, such as a file's name; at most 255 bytes of UTF-8, may be empty. Never use it as
    /// a path.
    pub name: String,
    /// The content.
    pub body: Vec<u8>,
    /// How to verify and answer the sender, for a recipient who does not know them yet.
    pub introduction: Option<Introduction>,
}

/// A sender's card and the invite to answer with.
#[derive(Clone, PartialEq, Eq)]
pub struct Introduction {
    /// How to answer; its address is the card's.
    pub invite: Invite,
    /// The card to verify the message with.
    pub card: Card,
}

impl Message {
    /// The bytes that are padded and encrypted as an envelope's body.
    ///
    /// # Errors
    /// [`SealError::Text`] for a content type or name of more than 255 bytes, [`SealError::Introduction`] if the
    /// introduction's invite and card belong to different addresses.
    pub fn to_frame(&self) -> Result<Vec<u8>, SealError> {
        if self.content_type.len() > MAX_TEXT_LEN || self.name.len() > MAX_TEXT_LEN {
            return Err(SealError::Text);
        }
        match &self.introduction {
            Some(it) if it.invite.address != it.card.address() => Err(SealError::Introduction),
            _ => Ok(frame::encode(self)),
        }
    }

    /// Reads what [`Message::to_frame`] wrote.
    ///
    /// # Errors
    /// [`FrameError`] by the first thing that is wrong.
    pub fn from_frame(frame: &[u8]) -> Result<Self, FrameError> {
        frame::decode(frame)
    }
}

redacted_debug!(Message, Introduction);
