//! The bytes of a message: what is padded and encrypted as an envelope's body.
//!
//! `version ‖ id ‖ sent_at`, then fields of `type ‖ length ‖ value`. Known types ascend and come once at most; unknown
//! types with the high bit set are skipped, so that later versions can add what earlier ones may ignore.

use thiserror::Error;

use crate::reader::Reader;
use crate::{CARD_LEN, Card, CardError, Introduction, Invite, InviteError, MAX_TEXT_LEN, Message, MessageId, UnixTime};

const VERSION: u8 = 0x01;
const CONTENT_TYPE: u8 = 0x01;
const NAME: u8 = 0x02;
const BODY: u8 = 0x03;
const INVITE: u8 = 0x04;
const CARD: u8 = 0x05;
/// Version, id, time.
const HEAD_LEN: usize = 1 + MessageId::LEN + 8;
/// Type, length.
const FIELD_HEAD_LEN: usize = 1 + 4;
/// Set in the types that a reader may skip without knowing them.
const SKIPPABLE: u8 = 0x80;

/// Why a frame is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// It ends in the middle of a field.
    #[error("the frame is cut off")]
    Truncated,
    /// A version that this code does not know.
    #[error("the frame has an unknown version")]
    Version,
    /// A field of an unknown type that may not be skipped.
    #[error("the frame has a field of an unknown type")]
    UnknownField,
    /// Known fields that do not ascend, or come twice.
    #[error("the frame's fields are out of order")]
    Order,
    /// The content type or the body is missing, or an introduction has only one of its halves.
    #[error("the frame lacks a field")]
    MissingField,
    /// The content type or name is not UTF-8 of at most 255 bytes, or a name is there but empty.
    #[error("a text of the frame is malformed")]
    Text,
    /// The introduction's invite is no invite.
    #[error("the introduction's invite is malformed: {0}")]
    Invite(#[from] InviteError),
    /// The introduction's card is no card.
    #[error("the introduction's card is malformed: {0}")]
    Card(#[from] CardError),
    /// The introduction's invite and card belong to different addresses.
    #[error("the introduction's invite and card belong to different addresses")]
    Introduction,
}

/// Writes a message's frame. Its texts must have been checked to be short enough.
pub(crate) fn encode(message: &Message) -> Vec<u8> {
    // Exactly as much as is needed: growing would leave copies of the plaintext behind.
    let mut out = Vec::with_capacity(len_without_body(message) + message.body.len());
    out.push(VERSION);
    out.extend_from_slice(message.id.as_bytes());
    out.extend_from_slice(&message.sent_at.as_secs().to_be_bytes());
    write_field(&mut out, CONTENT_TYPE, message.content_type.as_bytes());
    if !message.name.is_empty() {
        write_field(&mut out, NAME, message.name.as_bytes());
    }
    write_field(&mut out, BODY, &message.body);
    if let Some(Introduction { invite, card }) = &message.introduction {
        write_field(&mut out, INVITE, invite.to_link().as_bytes());
        write_field(&mut out, CARD, &card.to_bytes());
    }
    out
}

/// How long the frame of a message is in bytes, apart from its body.
pub(crate) fn len_without_body(message: &Message) -> usize {
    let field = |len: usize| FIELD_HEAD_LEN + len;
    let name = if message.name.is_empty() { 0 } else { field(message.name.len()) };
    let introduction = message
        .introduction
        .as_ref()
        .map_or(0, |introduction| field(introduction.invite.to_link().len()) + field(CARD_LEN));
    HEAD_LEN + field(message.content_type.len()) + name + field(0) + introduction
}

/// Reads a message's frame.
pub(crate) fn decode(bytes: &[u8]) -> Result<Message, FrameError> {
    let mut reader = Reader::new(bytes);
    if reader.u8().ok_or(FrameError::Truncated)? != VERSION {
        return Err(FrameError::Version);
    }
    let id = MessageId::from_bytes(*reader.array().ok_or(FrameError::Truncated)?);
    let sent_at = UnixTime(reader.u64().ok_or(FrameError::Truncated)?);
    let fields = Fields::read(&mut reader)?;
    Ok(Message {
        id,
        sent_at,
        content_type: text(fields.content_type.ok_or(FrameError::MissingField)?)?,
        name: fields.name.map(non_empty_text).transpose()?.unwrap_or_default(),
        body: fields.body.ok_or(FrameError::MissingField)?.to_vec(),
        introduction: introduction(fields.invite, fields.card)?,
    })
}

#[derive(Default)]
struct Fields<'a> {
    content_type: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    body: Option<&'a [u8]>,
    invite: Option<&'a [u8]>,
    card: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, FrameError> {
        let mut fields = Self::default();
        let mut last = 0;
        while let Some(kind) = reader.u8() {
            let len = reader.u32().ok_or(FrameError::Truncated)?;
            let len = usize::try_from(len).map_err(|_| FrameError::Truncated)?;
            let value = reader.bytes(len).ok_or(FrameError::Truncated)?;
            let slot = match kind {
                CONTENT_TYPE => &mut fields.content_type,
                NAME => &mut fields.name,
                BODY => &mut fields.body,
                INVITE => &mut fields.invite,
                CARD => &mut fields.card,
                kind if kind & SKIPPABLE != 0 => continue,
                _ => return Err(FrameError::UnknownField),
            };
            if kind <= last {
                return Err(FrameError::Order);
            }
            last = kind;
            *slot = Some(value);
        }
        Ok(fields)
    }
}

fn text(bytes: &[u8]) -> Result<String, FrameError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= MAX_TEXT_LEN => Ok(text.to_owned()),
        _ => Err(FrameError::Text),
    }
}

fn non_empty_text(bytes: &[u8]) -> Result<String, FrameError> {
    if bytes.is_empty() { Err(FrameError::Text) } else { text(bytes) }
}

fn introduction(invite: Option<&[u8]>, card: Option<&[u8]>) -> Result<Option<Introduction>, FrameError> {
    let (invite, card) = match (invite, card) {
        (None, None) => return Ok(None),
        (Some(invite), Some(card)) => (invite, card),
        _ => return Err(FrameError::MissingField),
    };
    let invite: Invite = std::str::from_utf8(invite).map_err(|_| InviteError::Scheme)?.parse()?;
    let card = Card::parse(card)?;
    if invite.address != card.address() {
        return Err(FrameError::Introduction);
    }
    Ok(Some(Introduction { invite, card }))
}

fn write_field(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    out.push(kind);
    // A value longer than this fits no envelope: sealing refuses the frame for its length.
    out.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(value);
}
