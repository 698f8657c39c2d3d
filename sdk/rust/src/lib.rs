//! Client of the Sealpost relay: sends and receives end-to-end encrypted messages that the relay can neither read nor
//! attribute to a sender.
//!
//! # Concepts
//! - [`Relay`]: a handle to one relay. Sending is anonymous, on a connection of its own.
//! - [`Device`]: the secret state of a mailbox's owner. Store it; everything else can be made again.
//! - [`Contact`]: somebody to write to, made from an [`Invite`] by [`Relay::accept`], or from the [`Introduction`] that a
//!   stranger's message carries.
//! - [`Relay::send`] for one message at a time, [`Sender`] for many.
//! - [`Inbox`]: a stream of messages that keeps itself alive. Handle a message, then [`Received::acknowledge`] it:
//!   until then it comes again.
//!
//! # Exactly once
//! The relay delivers at least once; a [`Dedup`] makes that once. The order is: the handler has succeeded, the message's
//! id is recorded, the relay is told. With a [`FileDedup`] nothing is lost or shown twice over restarts, except that a
//! crash after the handler has succeeded and before the id is recorded shows one message again. An app that keeps its
//! messages in a database closes that gap, too: it implements [`Dedup`] over the table that the handler writes to.
//!
//! Every failure is an [`Error`] that knows its [`Reason`] and whether trying again can help.
//!
//! # Example
//! ```no_run
//! use sealpost_client::{Device, Error, Event, Invite, ReceiveOptions, Relay, RelayOptions, SendOptions};
//!
//! # async fn example(invite: Invite) -> Result<(), Error> {
//! let relay = Relay::connect(RelayOptions::from_url("https://relay.example.org")?)?;
//! let device = Device::new();
//! relay.create_mailbox(&device, None).await?;
//!
//! let friend = relay.accept(&invite).await?;
//! let options = SendOptions::default().introduce(true);
//! relay.send(&device, &friend, "Hello!", &options).await?;
//!
//! let mut inbox = relay.receive([device], ReceiveOptions::default());
//! while let Some(event) = inbox.next().await {
//!     if let Event::Message(received) = event {
//!         // … store or show received.message, then:
//!         received.acknowledge().await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod backoff;
mod clock;
mod contact;
mod dedup;
mod device;
mod device_file;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod link;
mod mailbox;
mod message;
mod options;
mod proofs;
mod receive;
mod relay;
mod retry;
mod sealed;
mod send;
mod sender;
mod tls;

/// The parts below [`Relay`], for tools that speak the contract themselves, such as a load test. They follow the contract
/// and tonic, so they may change in any release; apps need none of them.
pub mod low_level {
    pub use crate::link::Dialer;
    pub use crate::proofs::Prover;
    pub use sealpost_core::Operation;
    pub use sealpost_proto::v1;
    pub use tonic::transport::Channel;
}

pub use contact::{Contact, Contacts, MemoryContacts};
pub use dedup::{Dedup, DedupFileError, FileDedup, MemoryDedup, MessageKey};
pub use device::{CARD_LIFETIME_SECS, DeliveryGrant, Device, DeviceError, KEPT_SEALING_KEYS, MAX_DELIVERY_KEYS};
pub use error::{Error, Refused};
pub use mailbox::MailboxDescription;
pub use message::{Draft, SendOptions, Urgency};
pub use options::{OptionsError, RelayOptions, Timeouts, Trust};
pub use receive::{
    ConnectionState, Delivery, Event, Inbox, Origin, Problem, RawEvent, RawInbox, ReceiveOptions, Received,
    StreamOptions, Undecipherable,
};
pub use relay::Relay;
pub use sealed::Sealed;
pub use sender::{Pending, Sender, SenderOptions};

pub use sealpost_core::{
    Address, Audience, Card, CardError, DeliveryKey, Hour, IdentityKey, Introduction, Invite, Message, MessageId,
    OpenError, RelayHost, SealError, Sequence, Suite, UnixTime, Voucher,
};
pub use sealpost_proto::Reason;
