//! `sealpost contact …`: whom the profile knows.

use clap::{Args, Subcommand};
use sealpost_client::{Address, Contact as Known, Invite};
use serde_json::json;

use super::block_on;
use super::client::{Client, ConnectionFlags};
use super::contacts::{Book, Person};
use super::output::{Failure, say, say_json};
use super::profile::ProfileFlags;
use super::refusal;
use super::text::{printable_line, short};

/// Add, list or remove contacts.
#[derive(Debug, Args)]
pub(super) struct Contact {
    #[command(subcommand)]
    command: ContactCommand,
}

#[derive(Debug, Subcommand)]
enum ContactCommand {
    Add(Add),
    List(List),
    Remove(Remove),
}

/// Give somebody a name: from their invite, or after they wrote to you.
#[derive(Debug, Args)]
struct Add {
    /// What you call them
    name: String,
    /// Their invite (sealpost://…), or the address (sp1…) of somebody who has introduced themselves
    #[arg(value_name = "LINK|ADDRESS")]
    from: String,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// List contacts, and strangers who have introduced themselves.
#[derive(Debug, Args)]
struct List {
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    profile: ProfileFlags,
}

/// Forget a contact. Messages from them cannot be verified any more.
#[derive(Debug, Args)]
struct Remove {
    /// Whom
    name: String,
    #[command(flatten)]
    profile: ProfileFlags,
}

impl Contact {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            ContactCommand::Add(command) => block_on(command.run()),
            ContactCommand::List(command) => command.run(),
            ContactCommand::Remove(command) => command.run(),
        }
    }
}

impl Add {
    async fn run(self) -> Result<(), Failure> {
        let name = printable_line(self.name.trim());
        if name.is_empty() || name != self.name || name.contains("://") || name == "-" {
            return Err(Failure::usage(format!("{:?} cannot be a contact's name", self.name))
                .remedy("use a word or a few, such as alice"));
        }
        let profile = self.connection.profile.find()?;
        let person = if self.from.starts_with("sp1") {
            let address: Address = self.from.parse().map_err(|error| {
                Failure::usage(format!("{:?} is no address: {error}", self.from)).remedy("copy it whole")
            })?;
            let mut book = Book::load(&profile)?;
            book.with_address(&address).next().cloned().ok_or_else(|| {
                Failure::usage("nobody with this address has introduced themselves")
                    .remedy("`sealpost contact list` shows who has; else ask for their invite")
            })?
        } else {
            let invite = parse_invite(&self.from)?;
            Person::new(fetch(&self.connection.open().await?, &invite).await?)
        };
        let address = person.contact.address;
        Book::change(&profile, |book| book.name(&name, person))?;
        say(format!("{name} is {}. Write: sealpost send {name:?} TEXT", short(&address)));
        Ok(())
    }
}

/// Reads a link as a user gave it.
pub(super) fn parse_invite(link: &str) -> Result<Invite, Failure> {
    link.trim().parse().map_err(|error| {
        Failure::usage(format!("this is no invite: {error}"))
            .remedy("copy the whole link, sealpost://HOST/sp1…#KEY, in quotes")
    })
}

/// Fetches the card that belongs to an invite.
pub(super) async fn fetch(client: &Client, invite: &Invite) -> Result<Known, Failure> {
    let relay = client.relay_of(&invite.relay)?;
    relay.accept(invite).await.map_err(|error| refusal::failure(&error, &format!("https://{}", invite.relay)))
}

impl List {
    fn run(self) -> Result<(), Failure> {
        let book = Book::load(&self.profile.find()?)?;
        let named = book.people.iter().map(|(name, person)| (Some(name.as_str()), person));
        let all: Vec<_> = named.chain(book.strangers.iter().map(|person| (None, person))).collect();
        for (name, Person { contact, .. }) in &all {
            let (address, relay) = (contact.address.to_text(), contact.relay.to_string());
            if self.json {
                say_json(&json!({ "name": name, "address": address, "relay": relay }));
            } else {
                say(format!("{:<20} {address} at {relay}", name.unwrap_or("(no name yet)")));
            }
        }
        if all.is_empty() && !self.json {
            say("No contacts yet. Add one: sealpost contact add NAME LINK");
        }
        Ok(())
    }
}

impl Remove {
    fn run(self) -> Result<(), Failure> {
        Book::change(&self.profile.find()?, |book| match book.people.remove(&self.name) {
            Some(_) => Ok(()),
            None => Err(unknown(&self.name)),
        })?;
        say(format!("{} is forgotten.", self.name));
        Ok(())
    }
}

/// There is no such contact.
pub(super) fn unknown(name: &str) -> Failure {
    Failure::usage(format!("there is no contact {name:?}"))
        .remedy("`sealpost contact list` lists them; `sealpost contact add NAME LINK` adds one")
}
