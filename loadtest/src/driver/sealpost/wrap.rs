//! Letters in envelopes: as they are, padded to the envelope's size, or really sealed.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sealpost_client::{Contact, Device, Draft, RelayHost, SendOptions, Suite, UnixTime};
use sealpost_core::seal;

use super::lines::Relays;
use super::mailboxes::{Mailboxes, Secret};
use crate::board::{Board, Posted};
use crate::letter::SMALLEST;
use crate::problem::{During as _, Problem};
use crate::scenario::Load;

/// How letters get into envelopes, and out of them.
pub(super) struct Wrap {
    envelope_bytes: usize,
    sealing: Option<Sealing>,
}

struct Sealing {
    mailboxes: Arc<Mailboxes>,
    sender: Device,
    recipients: Vec<Contact>,
    host: RelayHost,
    options: SendOptions,
    /// When cards are checked: the run's beginning will do.
    now: UnixTime,
}

/// Bytes of a letter that is sealed: short, so that it fits into the smallest envelope.
const SEALED_LETTER: usize = 2 * SMALLEST;

impl Wrap {
    pub(super) fn new(relays: &Relays, mailboxes: &Arc<Mailboxes>, load: &Load) -> Result<Self, Problem> {
        let sealing = if load.sealed { Some(Sealing::new(relays, mailboxes, load)?) } else { None };
        Ok(Self { envelope_bytes: load.payload_bytes, sealing })
    }

    /// The envelope of a message. `buffer` is kept between calls, to allocate less.
    ///
    /// # Errors
    /// Where it cannot be sealed.
    pub(super) fn wrap(&self, board: &Board, posted: &Posted, buffer: &mut BytesMut) -> Result<Bytes, Problem> {
        let Some(sealing) = &self.sealing else {
            buffer.resize(self.envelope_bytes, 0);
            board.write(posted, buffer);
            return Ok(buffer.split().freeze());
        };
        let mut letter = vec![0; SEALED_LETTER];
        board.write(posted, &mut letter);
        sealing.seal(posted, letter)
    }

    /// Gives what came to a mailbox to the board.
    pub(super) fn unwrap(&self, board: &Board, mailbox: u32, envelope: &[u8]) {
        match &self.sealing {
            None => board.deliver(mailbox, envelope),
            Some(sealing) => match sealing.open(mailbox, envelope) {
                Some(letter) => board.deliver(mailbox, &letter),
                None => board.corrupted(),
            },
        }
    }
}

impl Sealing {
    fn new(relays: &Relays, mailboxes: &Arc<Mailboxes>, load: &Load) -> Result<Self, Problem> {
        let host = relays.host().clone();
        let now = UnixTime(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).during("asking the clock")?.as_secs(),
        );
        let recipients = (0..mailboxes.len()).filter_map(|number| match &mailboxes.get(number)?.identity {
            Secret::Device(device) => Some(Contact::new(&device.invite(&host)?, device.card().clone(), now)),
            Secret::Identity(_) => None,
        });
        let recipients: Result<Vec<Contact>, _> = recipients.collect();
        let recipients = recipients.during("knowing the recipients' keys")?;
        // X-Wing's own bytes are more than the smallest envelope.
        let suite = if load.payload_bytes > 1024 { Suite::XWing } else { Suite::X25519 };
        let options = SendOptions::default().suite(suite).sizes([load.payload_bytes]);
        Ok(Self { mailboxes: mailboxes.clone(), sender: Device::new(), recipients, host, options, now })
    }

    fn seal(&self, posted: &Posted, letter: Vec<u8>) -> Result<Bytes, Problem> {
        let recipient = usize::try_from(posted.mailbox()).ok().and_then(|number| self.recipients.get(number));
        let recipient = recipient.ok_or_else(|| Problem::new("there is no such mailbox"))?;
        let draft = Draft::new("application/octet-stream", letter);
        let sealed = self.sender.seal(recipient, draft, &self.options, &self.host, &mut rand::rng());
        Ok(sealed.during("sealing a message")?.envelope().clone())
    }

    fn open(&self, mailbox: u32, envelope: &[u8]) -> Option<Vec<u8>> {
        let Secret::Device(device) = &self.mailboxes.get(usize::try_from(mailbox).ok()?)?.identity else { return None };
        let opened = seal::open(envelope, &device.address(), device.sealing_keys()).ok()?;
        Some(opened.verify(self.sender.card(), self.now).ok()?.body)
    }
}

impl std::fmt::Debug for Wrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "envelopes of {} bytes", self.envelope_bytes)
    }
}
