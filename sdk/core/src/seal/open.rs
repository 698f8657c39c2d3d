//! Opening an envelope, in two steps: the content cannot be reached before its sender is verified.

use crate::kem::{TAG_LEN, X25519Secret};
use crate::reader::Reader;
use crate::{Address, Card, CardError, CardId, Introduction, Message, SealingKeys, UnixTime};

use super::auth::{Authentication, Parties, Transcript};
use super::body::{body_hash, open_body};
use super::header::{HEADER_PLAINTEXT_LEN, Header, open_header};
use super::{OpenError, Suite};

/// An opened envelope whose sender is not verified yet: who it claims to be from, but not what it says.
pub struct Unverified {
    parties: Parties,
    transcript: Transcript,
    auth: Authentication,
    /// Of the recipient's keys, the one that verifies the sender.
    key: X25519Secret,
    message: Message,
}

/// Opens an envelope sealed to the mailbox at `recipient`, trying each of its keys in turn.
///
/// # Errors
/// By the first check that failed: [`OpenError::Length`], [`OpenError::UnknownSuite`], [`OpenError::NotForThisKey`],
/// [`OpenError::CommitmentMismatch`], [`OpenError::BodyCorrupted`], [`OpenError::Padding`], [`OpenError::Frame`], or
/// [`OpenError::CardMismatch`] for an introduction of somebody else than the sender.
pub fn open(envelope: &[u8], recipient: &Address, keys: &[SealingKeys]) -> Result<Unverified, OpenError> {
    let mut reader = Reader::new(envelope);
    let suite = Suite::from_code(reader.u8().ok_or(OpenError::Length)?);
    let suite = suite.ok_or(OpenError::UnknownSuite)?;
    // Even an empty frame has a byte of padding.
    let body_len = envelope.len().checked_sub(suite.header_len()).ok_or(OpenError::Length)?;
    if envelope.len() <= suite.overhead() {
        return Err(OpenError::Length);
    }
    let enc = reader.bytes(suite.enc_len()).ok_or(OpenError::Length)?;
    let ciphertext = reader.bytes(HEADER_PLAINTEXT_LEN + TAG_LEN).ok_or(OpenError::Length)?;
    let body = reader.bytes(body_len).ok_or(OpenError::Length)?;

    let hash = body_hash(body);
    let open_with = |keys| open_header(suite, recipient, keys, enc, ciphertext, &hash).map(|header| (header, keys));
    let (header, keys) = keys.iter().find_map(open_with).ok_or(OpenError::NotForThisKey)?;
    let Header { content_key, sender, sender_card, auth } = header;
    let message = open_body(suite, &content_key, body)?;
    if message.introduction.as_ref().is_some_and(|it| it.card.address() != sender) {
        return Err(OpenError::CardMismatch);
    }
    let parties = Parties { recipient: *recipient, sender, sender_card };
    let transcript = Transcript::new(suite, &parties, enc, body, &hash);
    Ok(Unverified { parties, transcript, auth, key: keys.x25519().clone(), message })
}

impl Unverified {
    /// The address that the envelope claims to be from.
    pub fn sender(&self) -> Address {
        self.parties.sender
    }

    /// Which of that address's cards it was sealed with: the one that [`Unverified::verify`] needs.
    pub fn sender_card_id(&self) -> CardId {
        self.parties.sender_card
    }

    /// The sender's card and invite, if the envelope brought them: for a recipient who does not know the sender. The
    /// card is signed by the claimed sender, but that the envelope is theirs is only known after [`Unverified::verify`].
    pub fn introduction(&self) -> Option<&Introduction> {
        self.message.introduction.as_ref()
    }

    /// Verifies the sender with their card, and gives the message.
    ///
    /// # Errors
    /// By the first check that failed: [`OpenError::CardMismatch`], [`OpenError::UnknownCard`],
    /// [`OpenError::CardExpired`], [`OpenError::CardNotYetValid`], [`OpenError::SenderForged`].
    pub fn verify(self, card: &Card, now: UnixTime) -> Result<Message, OpenError> {
        if card.address() != self.parties.sender {
            return Err(OpenError::CardMismatch);
        }
        if card.id() != self.parties.sender_card {
            return Err(OpenError::UnknownCard);
        }
        card.check(&self.parties.sender, now).map_err(|error| match error {
            CardError::Expired => OpenError::CardExpired,
            CardError::NotYetValid => OpenError::CardNotYetValid,
            _ => OpenError::CardMismatch,
        })?;
        let sender = card.sealing_keys().x25519();
        if self.transcript.is_authentic(&self.auth, &self.key, sender) {
            Ok(self.message)
        } else {
            Err(OpenError::SenderForged)
        }
    }
}

redacted_debug!(Unverified);
