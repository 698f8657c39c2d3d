//! A profile's contacts, in `contacts.json`.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::time::SystemTime;

use sealpost_client::{Address, Contact, MemoryContacts};
use serde::{Deserialize, Serialize};

use super::output::Failure;
use super::profile::{Profile, read, unwritable};

/// Whom a profile knows.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Book {
    /// Those with a name.
    pub(super) people: BTreeMap<String, Person>,
    /// Those who wrote and introduced themselves, and were given no name yet.
    #[serde(default)]
    pub(super) strangers: Vec<Person>,
}

/// Somebody.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    /// How to write to them, and their newest card.
    pub(super) contact: Contact,
    /// With their earlier cards, for messages that were on their way.
    #[serde(default)]
    earlier: Vec<Contact>,
    /// Whether they were sent the device's card.
    #[serde(default)]
    pub(super) introduced: bool,
}

const FILE: &str = "contacts.json";
const KEPT: usize = 3;

impl Book {
    pub(super) fn load(profile: &Profile) -> Result<Self, Failure> {
        let Some(json) = read(&profile.path(FILE))? else { return Ok(Self::default()) };
        serde_json::from_str(&json).map_err(|error| {
            Failure::new(format!("{} cannot be read: {error}", profile.path(FILE).display()))
                .remedy("restore it from a backup, or move it away to begin without contacts")
        })
    }

    /// Changes what is stored; other processes that do the same wait meanwhile.
    pub(super) fn change<T>(
        profile: &Profile,
        change: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let _lock = lock(profile)?;
        let mut book = Self::load(profile)?;
        let result = change(&mut book)?;
        let json = serde_json::to_string_pretty(&book).map_err(|error| Failure::new(error.to_string()))?;
        profile.write(FILE, json.as_bytes())?;
        Ok(result)
    }

    /// When it was stored.
    pub(super) fn modified(profile: &Profile) -> Option<SystemTime> {
        profile.path(FILE).metadata().and_then(|metadata| metadata.modified()).ok()
    }

    /// The cards of all, for an inbox.
    pub(super) fn tell(&self, cards: &MemoryContacts) {
        for person in self.people.values().chain(&self.strangers) {
            person.earlier.iter().for_each(|contact| cards.add(contact));
            cards.add(&person.contact);
        }
    }

    /// The name of the contact with this address.
    pub(super) fn name_of(&self, address: &Address) -> Option<&str> {
        let mut named = self.people.iter().filter(|(_, person)| person.contact.address == *address);
        named.next().map(|(name, _)| name.as_str())
    }

    /// Everybody with this address: one, or none; or one under several names.
    pub(super) fn with_address(&mut self, address: &Address) -> impl Iterator<Item = &mut Person> {
        self.people.values_mut().chain(&mut self.strangers).filter(|person| person.contact.address == *address)
    }

    /// Gives somebody a name, and takes them out of the strangers.
    pub(super) fn name(&mut self, name: &str, person: Person) -> Result<(), Failure> {
        let address = person.contact.address;
        match self.people.get_mut(name) {
            Some(other) if other.contact.address != address => {
                return Err(Failure::usage(format!("there is a contact {name:?} already, with another address"))
                    .remedy("choose another name, or remove the old one: sealpost contact remove NAME"));
            }
            Some(known) => known.learn(person.contact),
            None => drop(self.people.insert(name.to_owned(), person)),
        }
        self.strangers.retain(|stranger| stranger.contact.address != address);
        Ok(())
    }
}

impl Person {
    pub(super) fn new(contact: Contact) -> Self {
        Self { contact, earlier: Vec::new(), introduced: false }
    }

    /// Takes a contact whose card may be newer.
    pub(super) fn learn(&mut self, contact: Contact) {
        if contact.card() != self.contact.card() {
            self.earlier.insert(0, std::mem::replace(&mut self.contact, contact));
            self.earlier.truncate(KEPT);
        }
    }
}

fn lock(profile: &Profile) -> Result<File, Failure> {
    profile.make()?;
    let path = profile.path("contacts.lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    lock.and_then(|file| file.lock().map(|()| file)).map_err(|error| unwritable(&path, &error))
}
