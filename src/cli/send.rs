//! `sealpost send`: seals a text or a file for somebody.

use std::collections::VecDeque;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures_util::FutureExt as _;
use sealpost_client::{Contact, Draft, Error, Pending, Relay, Sealed, SendOptions, SenderOptions, Suite, Urgency};
use serde_json::json;

use super::block_on;
use super::client::{Client, ConnectionFlags, now};
use super::contact::{fetch, parse_invite, unknown};
use super::contacts::Book;
use super::content;
use super::output::{Failure, Progress, say, say_json};
use super::refusal;
use super::text::{counted, hex, size};

/// Send a text or a file.
///
/// It is sealed on this machine: the relay learns neither what it says nor that you sent it. The first message to a
/// contact carries your card, so that they can verify and answer you.
#[derive(Debug, Args)]
pub(super) struct Send {
    /// A contact's name, or an invite link
    to: String,
    /// The text; - reads it from standard input
    #[arg(required_unless_present = "file")]
    text: Option<String>,
    /// Send this file
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    file: Option<PathBuf>,
    /// What it is sealed with
    #[arg(long, value_enum, default_value_t)]
    suite: SuiteFlag,
    /// Wake the recipient's device at once
    #[arg(long)]
    urgent: bool,
    /// Only if the recipient is connected now: never stored
    #[arg(long)]
    ephemeral: bool,
    /// Send so many numbered texts, "TEXT 1" and on, over one stream: for trying things out
    #[arg(long, value_name = "N", conflicts_with = "file", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    count: Option<u64>,
    /// Print one JSON object for each message
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum SuiteFlag {
    /// ML-KEM-768 with X25519: safe from quantum computers too
    #[default]
    XWing,
    /// X25519 alone: the smallest envelopes
    X25519,
}

/// Somebody to send to.
struct To {
    contact: Contact,
    /// As the user calls them.
    name: String,
    /// Whether they know our card.
    introduced: bool,
}

impl Send {
    pub(super) fn run(self) -> Result<(), Failure> {
        let draft = self.draft()?;
        block_on(self.send(draft))
    }

    async fn send(self, draft: Draft) -> Result<(), Failure> {
        let mut client = self.connection.open().await?;
        client.keep_card().await?;
        let to = find(&client, &self.to).await?;
        let relay = client.relay_of(&to.contact.relay)?;
        let options = self.options().introduce(!to.introduced);
        let first = match self.count {
            None => draft.clone(),
            Some(_) => numbered(&draft, 1),
        };
        let sealed = seal(&client, &to, first, &options)?;
        relay.deliver(&sealed).await.map_err(|error| refused(&error, &to))?;
        if !to.introduced && !self.ephemeral {
            let address = to.contact.address;
            Book::change(&client.profile, |book| {
                book.with_address(&address).for_each(|person| person.introduced = true);
                Ok(())
            })?;
        }
        match self.count {
            None => self.tell(&to, &sealed),
            Some(count) => {
                let options = options.introduce(false);
                self.tell_json(&to, &sealed);
                self.send_more(&client, &relay, &to, &draft, &options, count).await?;
            }
        }
        Ok(())
    }

    /// The second message and those after it.
    async fn send_more(
        &self,
        client: &Client,
        relay: &Relay,
        to: &To,
        draft: &Draft,
        options: &SendOptions,
        count: u64,
    ) -> Result<(), Failure> {
        let sender = relay.sender(SenderOptions::default().deadline(self.connection.timeout()));
        let mut progress = Progress::new("sent", count);
        let mut under_way: VecDeque<(Sealed, Pending)> = VecDeque::new();
        let mut stored = 1;
        let mut done = |sealed: &Sealed, result: Result<(), Error>| {
            result.map_err(|error| {
                let failure = refused(&error, to);
                failure.before(format!("after {}: ", counted(stored, "message")))
            })?;
            stored += 1;
            progress.at(stored);
            self.tell_json(to, sealed);
            Ok::<_, Failure>(())
        };
        for number in 2..=count {
            let sealed = seal(client, to, numbered(draft, number), options)?;
            let pending = sender.submit(sealed.clone()).await.map_err(|error| refused(&error, to))?;
            under_way.push_back((sealed, pending));
            while let Some((sealed, pending)) = under_way.front_mut()
                && let Some(result) = pending.now_or_never()
            {
                done(sealed, result)?;
                under_way.pop_front();
            }
        }
        for (sealed, pending) in under_way {
            done(&sealed, pending.await)?;
        }
        drop(progress);
        if !self.json {
            say(format!("Sent {} to {}.", counted(count, "message"), to.name));
        }
        Ok(())
    }

    fn draft(&self) -> Result<Draft, Failure> {
        match (&self.file, self.text.as_deref()) {
            (Some(path), _) => content::file(path),
            (None, Some("-")) => content::standard_input(),
            (None, text) => Ok(Draft::text(text.unwrap_or_default())),
        }
    }

    fn options(&self) -> SendOptions {
        let suite = match self.suite {
            SuiteFlag::XWing => Suite::XWing,
            SuiteFlag::X25519 => Suite::X25519,
        };
        let urgency = if self.urgent { Urgency::High } else { Urgency::Normal };
        SendOptions::default().suite(suite).urgency(urgency).ephemeral(self.ephemeral)
    }

    fn tell(&self, to: &To, sealed: &Sealed) {
        if self.json {
            self.tell_json(to, sealed);
        } else if self.ephemeral {
            say(format!("Passed on to {}, if connected now: nothing was stored.", to.name));
        } else {
            let envelope = size(sealed.envelope().len() as u64);
            say(format!("Sent to {}: the relay has stored an envelope of {envelope}.", to.name));
        }
    }

    fn tell_json(&self, to: &To, sealed: &Sealed) {
        if self.json {
            say_json(&json!({
                "to": to.contact.address.to_text(),
                "id": hex(sealed.message_id().as_bytes()),
                "time": now().as_secs(),
                "envelope_bytes": sealed.envelope().len(),
                "stored": !self.ephemeral,
            }));
        }
    }
}

/// Whom the user means, with a card that holds.
async fn find(client: &Client, to: &str) -> Result<To, Failure> {
    if to.contains("://") {
        let contact = fetch(client, &parse_invite(to)?).await?;
        let name = Book::load(&client.profile)?.name_of(&contact.address).unwrap_or("them").to_owned();
        return Ok(To { contact, name, introduced: false });
    }
    let mut book = Book::load(&client.profile)?;
    let person = book.people.remove(to).ok_or_else(|| unknown(to))?;
    let mut contact = person.contact;
    if contact.card().check(&contact.address, now()).is_err() {
        contact = fetch(client, &contact.invite()).await?;
        Book::change(&client.profile, |book| {
            book.with_address(&contact.address).for_each(|person| person.learn(contact.clone()));
            Ok(())
        })?;
    }
    Ok(To { contact, name: to.to_owned(), introduced: person.introduced })
}

fn seal(client: &Client, to: &To, draft: Draft, options: &SendOptions) -> Result<Sealed, Failure> {
    let own_relay = client.relay.host();
    let sealed = client.device.seal(&to.contact, draft, options, own_relay, &mut rand::rng());
    sealed.map_err(|error| refused(&error.into(), to))
}

fn refused(error: &Error, to: &To) -> Failure {
    refusal::failure(error, &format!("https://{}", to.contact.relay))
}

fn numbered(draft: &Draft, number: u64) -> Draft {
    let mut draft = draft.clone();
    draft.body.extend_from_slice(format!(" {number}").as_bytes());
    draft
}
