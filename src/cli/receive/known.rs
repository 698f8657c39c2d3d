//! Whom the profile knows, while messages come and other commands change it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use sealpost_client::{Address, Contact, Introduction, MemoryContacts};

use super::super::client::{Client, now};
use super::super::contact::fetch;
use super::super::contacts::{Book, Person};
use super::super::output::Failure;
use super::super::profile::Profile;

/// The contacts, as they are stored, and their cards, as an inbox asks for them.
pub(super) struct Known {
    profile: Profile,
    book: Book,
    as_of: Option<SystemTime>,
    cards: Arc<MemoryContacts>,
    /// Whose card was fetched anew, so that it is tried once.
    refreshed: HashSet<Address>,
}

impl Known {
    pub(super) fn load(profile: &Profile) -> Result<Self, Failure> {
        let mut known = Self {
            profile: profile.clone(),
            book: Book::default(),
            as_of: None,
            cards: Arc::default(),
            refreshed: HashSet::new(),
        };
        known.reload()?;
        Ok(known)
    }

    /// Takes over what was stored meanwhile.
    pub(super) fn reload(&mut self) -> Result<(), Failure> {
        let modified = Book::modified(&self.profile);
        if modified != self.as_of {
            self.book = Book::load(&self.profile)?;
            self.book.tell(&self.cards);
            self.as_of = modified;
        }
        Ok(())
    }

    pub(super) fn cards(&self) -> Arc<MemoryContacts> {
        self.cards.clone()
    }

    pub(super) fn name_of(&self, address: &Address) -> Option<&str> {
        self.book.name_of(address)
    }

    /// Keeps what a stranger said of themselves: their next message comes without it.
    pub(super) fn meet(&mut self, introduction: &Introduction) -> Result<Address, Failure> {
        let contact = Contact::from_introduction(introduction, now())
            .map_err(|error| Failure::new(format!("the sender's card cannot be used: {error}")))?;
        let address = contact.address;
        Book::change(&self.profile, |book| {
            if book.with_address(&address).next().is_none() {
                book.strangers.push(Person::new(contact));
            }
            Ok(())
        })?;
        self.reload()?;
        Ok(address)
    }

    /// Fetches the card of somebody who is known, once; true if there was a newer one.
    pub(super) async fn refresh(&mut self, client: &Client, sender: &Address) -> Result<bool, Failure> {
        let known = self.book.with_address(sender).next().map(|person| person.contact.clone());
        let Some(known) = known.filter(|_| self.refreshed.insert(*sender)) else { return Ok(false) };
        match fetch(client, &known.invite()).await {
            Ok(newer) if newer.card() != known.card() => {
                Book::change(&self.profile, |book| {
                    book.with_address(sender).for_each(|person| person.learn(newer.clone()));
                    Ok(())
                })?;
                self.reload()?;
                Ok(true)
            }
            // The user is told that the envelope cannot be opened, which is what matters.
            Ok(_) | Err(_) => Ok(false),
        }
    }
}
