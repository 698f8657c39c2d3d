//! Who plays: a device with its profile and connections of its own.

use std::sync::Arc;

use sealpost_client::{
    Address, Contact, Device, Draft, Event, FileDedup, Inbox, MemoryContacts, Origin, ReceiveOptions, Received, Relay,
    RelayOptions, SendOptions,
};

use super::super::client::now;
use super::super::output::Failure;
use super::super::profile::Profile;
use super::super::refusal;
use super::in_time;

/// One of the two.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) device: Device,
    pub(super) relay: Relay,
    cards: Arc<MemoryContacts>,
    seen: Arc<FileDedup>,
}

impl Person {
    /// Makes keys and a mailbox.
    pub(super) async fn appear(
        name: &'static str,
        home: &std::path::Path,
        options: &RelayOptions,
    ) -> Result<Self, Failure> {
        let profile = Profile::at(home, name);
        let device = Device::new();
        profile.save_device(&device)?;
        let seen = Arc::new(profile.dedup()?);
        let relay = Relay::connect(options.clone()).map_err(|error| refused(&error))?;
        relay.create_mailbox(&device, None).await.map_err(|error| refused(&error))?;
        Ok(Self { name, device, relay, cards: Arc::default(), seen })
    }

    pub(super) fn address(&self) -> Address {
        self.device.address()
    }

    pub(super) fn know(&self, contact: &Contact) {
        self.cards.add(contact);
    }

    pub(super) async fn send(&self, to: &Contact, draft: Draft, introduce: bool) -> Result<(), Failure> {
        let options = SendOptions::default().introduce(introduce);
        let sent = self.relay.send(&self.device, to, draft, &options).await;
        sent.map(drop).map_err(|error| refused(&error))
    }

    /// Comes online.
    pub(super) fn receive(&self) -> Inbox {
        let mut options = ReceiveOptions::default().contacts(self.cards.clone());
        options.dedup = self.seen.clone();
        self.relay.receive([self.device.clone()], options)
    }
}

/// Waits until everything that had waited is there.
pub(super) async fn caught_up(inbox: &mut Inbox) -> Result<(), Failure> {
    match in_time("opening a mailbox", inbox.next()).await? {
        Some(Event::CaughtUp(_)) => Ok(()),
        other => Err(surprise(other)),
    }
}

/// The next message, which must be from `sender`; with the contact that it introduced, if it did.
pub(super) async fn next_from(inbox: &mut Inbox, sender: &Person) -> Result<(Box<Received>, Option<Contact>), Failure> {
    let received = match in_time("a message", inbox.next()).await? {
        Some(Event::Message(received)) => received,
        other => return Err(surprise(other)),
    };
    let (from, contact) = match &received.from {
        Origin::Contact(address) => (*address, None),
        Origin::Stranger(introduction) => {
            let contact = Contact::from_introduction(introduction, now()).map_err(|error| refused(&error.into()))?;
            (contact.address, Some(contact))
        }
        _ => return Err(Failure::new("a message is from an unknown kind of sender")),
    };
    if from != sender.address() {
        return Err(Failure::new(format!("a message is not from {}", sender.name)));
    }
    Ok((received, contact))
}

fn surprise(event: Option<Event>) -> Failure {
    match event {
        None => Failure::new("the stream ended before everything had come"),
        Some(event) => Failure::new(format!("something else came than was sent: {event:?}")),
    }
}

pub(super) fn refused(error: &sealpost_client::Error) -> Failure {
    refusal::failure(error, "of the demo")
}
