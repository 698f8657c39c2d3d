//! What one person gives another so that they can write.

use std::str::FromStr;

use thiserror::Error;

use crate::{Address, AddressError, DeliveryKey, DeliveryKeyError, QrError, RelayHost, RelayHostError, qr};

const SCHEME: &str = "sealpost://";

/// A relay, an address at it, and a key to deliver there: all that a sender needs. It holds a secret, so its link and
/// QR code go to the invited person only.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Where the mailbox is.
    pub relay: RelayHost,
    /// Whose mailbox it is.
    pub address: Address,
    /// What lets one send to it.
    pub delivery_key: DeliveryKey,
}

/// A text that is no invite, by the part that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InviteError {
    /// It does not begin with `sealpost://`.
    #[error("an invite begins with sealpost://")]
    Scheme,
    /// No `/` and address after the host.
    #[error("the invite has no address")]
    MissingAddress,
    /// No `#` and delivery key after the address.
    #[error("the invite has no delivery key")]
    MissingKey,
    /// The host or port is malformed.
    #[error("the invite's relay is malformed: {0}")]
    Relay(#[from] RelayHostError),
    /// The address is malformed.
    #[error("the invite's address is malformed: {0}")]
    Address(#[from] AddressError),
    /// The delivery key is malformed.
    #[error("the invite's delivery key is malformed: {0}")]
    DeliveryKey(#[from] DeliveryKeyError),
}

impl Invite {
    /// The link `sealpost://host[:port]/sp1…#key`. The key stands in the fragment, which browsers send to no server.
    pub fn to_link(&self) -> String {
        let Self { relay, address, delivery_key } = self;
        format!("{SCHEME}{relay}/{}#{}", address.to_text(), delivery_key.to_text())
    }

    /// The link as a QR code for a terminal: lines of half blocks, light modules drawn, for light text on a dark ground.
    ///
    /// # Errors
    /// [`QrError`] if the link is too long for any QR code, which no valid relay name makes it.
    pub fn to_qr(&self) -> Result<String, QrError> {
        qr::half_blocks(&self.to_link())
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix(SCHEME).ok_or(InviteError::Scheme)?;
        let (relay, rest) = rest.split_once('/').ok_or(InviteError::MissingAddress)?;
        let (address, key) = rest.split_once('#').ok_or(InviteError::MissingKey)?;
        Ok(Self { relay: relay.parse()?, address: address.parse()?, delivery_key: DeliveryKey::from_text(key)? })
    }
}

redacted_debug!(Invite);
