//! Sending one message at a time.

use sealpost_core::MessageId;

use crate::retry::Retry;
use crate::{Contact, Device, Draft, Error, Relay, Sealed, SendOptions};

impl Relay {
    /// Seals a message and sends it, with retries. The message's id is the one that the recipient sees.
    ///
    /// To be able to go on after a restart, seal first ([`Device::seal`]), store the parts of the result, and
    /// [`Relay::deliver`] it; after the restart, the same as [`Sealed::opaque`] and [`Sealed::resumed`].
    ///
    /// # Errors
    /// [`Error::OtherRelay`] for a contact at another relay, [`Error::Card`] for one whose card has expired (refresh
    /// it), [`Error::Seal`], and those of [`Relay::deliver`].
    pub async fn send(
        &self,
        device: &Device,
        contact: &Contact,
        draft: impl Into<Draft>,
        options: &SendOptions,
    ) -> Result<MessageId, Error> {
        let sealed = self.seal(device, contact, draft, options)?;
        self.deliver(&sealed).await?;
        Ok(sealed.message_id())
    }

    /// Seals a message for a contact at this relay; introductions name this relay for answers.
    ///
    /// # Errors
    /// [`Error::OtherRelay`], [`Error::Card`] or [`Error::Seal`].
    pub fn seal(
        &self,
        device: &Device,
        contact: &Contact,
        draft: impl Into<Draft>,
        options: &SendOptions,
    ) -> Result<Sealed, Error> {
        if contact.relay != self.inner.host {
            return Err(Error::OtherRelay);
        }
        contact.card().check(&contact.address, crate::clock::now())?;
        Ok(device.seal(contact, draft, options, &self.inner.host, &mut rand::rng())?)
    }

    /// Sends sealed bytes, with retries until the operation's time is over. Success means that the relay has stored
    /// them; after any error that is retryable they may be stored nevertheless, and may be delivered again later
    /// without arriving twice.
    ///
    /// # Errors
    /// The last try's: mostly reasons `DELIVERY_REFUSED`, `MAILBOX_FULL`, `ENVELOPE_SIZE`, or [`Error::Unreachable`].
    pub async fn deliver(&self, sealed: &Sealed) -> Result<(), Error> {
        let mut retry = Retry::new(self.inner.timeouts.operation);
        loop {
            let request = sealed.request();
            match self.anonymously(async |mut service| service.send(request).await).await {
                Ok(_) => return Ok(()),
                Err(error) => retry.pause(error).await?,
            }
        }
    }
}
