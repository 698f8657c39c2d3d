//! `sealpost receive`: shows and saves what came, then acknowledges it.

mod letter;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use sealpost_client::{
    Address, ConnectionState, Contact, Error, Event, FileDedup, Inbox, MemoryContacts, Origin, Problem, ReceiveOptions,
    Received, StreamOptions, Undecipherable,
};
use serde_json::json;
use tokio::sync::watch;

use super::block_on;
use super::client::{Client, ConnectionFlags, now};
use super::contact::fetch;
use super::contacts::{Book, Person};
use super::output::{Failure, note, say_json};
use super::refusal;
use super::serve::stop_signal;
use super::text::counted;
use letter::Letter;

/// Receive what waits in your mailbox.
///
/// Shows each message, saves files, and only then lets the relay forget it, so that nothing is lost. Ends when everything
/// that waited was shown; with --follow it stays connected.
#[derive(Debug, Args)]
pub(super) struct Receive {
    /// Stay connected, and show messages as they come
    #[arg(long)]
    follow: bool,
    /// Save files here [default: the profile's directory "files"]
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    /// End after so many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Let the relay forget envelopes that cannot be opened, too
    #[arg(long)]
    discard: bool,
    /// Print one JSON object for each message
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// What goes on while messages come.
struct Reader {
    flags: Receive,
    client: Client,
    book: Book,
    book_of: Option<SystemTime>,
    cards: Arc<MemoryContacts>,
    caught_up: bool,
    shown: u64,
    kept: u64,
    /// Whose card was fetched anew, so that it is tried once.
    refreshed: HashSet<Address>,
}

/// What is not acknowledged is for the next run.
const NEVER: Duration = Duration::from_secs(86_400);

impl Receive {
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(self.receive())
    }

    async fn receive(self) -> Result<(), Failure> {
        let mut client = self.connection.open().await?;
        let dedup = Arc::new(client.profile.dedup()?);
        client.keep_card().await?;
        let mut reader = Reader {
            flags: self,
            book: Book::default(),
            book_of: None,
            cards: Arc::default(),
            client,
            caught_up: false,
            shown: 0,
            kept: 0,
            refreshed: HashSet::new(),
        };
        // Again after a card was fetched: the envelope that needs it comes once more.
        while reader.read(&dedup).await?.is_continue() {}
        reader.finish()
    }
}

impl Reader {
    /// Reads one stream to its end, or until it has to be opened anew.
    async fn read(&mut self, dedup: &Arc<FileDedup>) -> Result<ControlFlow<()>, Failure> {
        self.reload_book()?;
        let stream = StreamOptions::default().redeliver_after(NEVER);
        let mut options = ReceiveOptions::default().contacts(self.cards.clone()).stream(stream);
        options.dedup = dedup.clone();
        let mut inbox = self.client.relay.receive([self.client.device.clone()], options);
        let mut state = inbox.state();
        let result = self.watch(&mut inbox, &mut state).await;
        // The last acknowledgements go out here.
        inbox.close().await;
        result
    }

    async fn watch(
        &mut self,
        inbox: &mut Inbox,
        state: &mut watch::Receiver<ConnectionState>,
    ) -> Result<ControlFlow<()>, Failure> {
        let stopped = stop_signal();
        tokio::pin!(stopped);
        loop {
            let event = tokio::select! {
                biased;
                result = &mut stopped => return result.map(ControlFlow::Break),
                Ok(()) = state.changed() => {
                    let now = state.borrow_and_update().clone();
                    self.connection(&now)?;
                    continue;
                }
                event = inbox.next() => event,
            };
            match event {
                None => return Err(self.ended(&state.borrow())),
                Some(Event::Message(received)) => {
                    self.show(*received).await?;
                    if self.flags.count == Some(self.shown) {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Some(Event::Undecipherable(envelope)) => {
                    if self.cannot_open(envelope).await?.is_continue() {
                        return Ok(ControlFlow::Continue(()));
                    }
                }
                Some(Event::CaughtUp(_)) if self.flags.follow => {
                    note("Everything that waited was shown; waiting for more (Ctrl-C ends).");
                }
                Some(Event::CaughtUp(_)) => {
                    self.caught_up = true;
                    return Ok(ControlFlow::Break(()));
                }
                Some(Event::MailboxClosed { reason, .. }) => return Err(refusal::ended(reason, &self.client.home.url)),
                Some(_) => {}
            }
        }
    }

    async fn show(&mut self, received: Received) -> Result<(), Failure> {
        self.reload_book()?;
        let (sender, is_stranger) = match &received.from {
            Origin::Stranger(introduction) => {
                // Stored before the message is acknowledged: the next one comes without an introduction.
                let contact = Contact::from_introduction(introduction, now())
                    .map_err(|error| self.client.failure(&error.into()))?;
                Book::change(&self.client.profile, |book| {
                    if book.with_address(&contact.address).next().is_none() {
                        book.strangers.push(Person::new(contact.clone()));
                    }
                    Ok(())
                })?;
                self.reload_book()?;
                (contact.address, true)
            }
            Origin::Contact(address) => (*address, false),
            _ => return Err(Failure::new("the message is from a kind of sender that this version does not know")),
        };
        let name = self.book.name_of(&sender);
        let letter = Letter::new(&received, &sender, name);
        let saved = match letter.is_file() {
            true => Some(letter.save(&self.directory())?),
            false => None,
        };
        if self.flags.json {
            letter.say_json(saved.as_deref())?;
        } else {
            letter.say(saved.as_deref())?;
            if is_stranger && name.is_none() {
                note(format!("  → give them a name: sealpost contact add NAME {}", sender.to_text()));
            }
        }
        self.shown += 1;
        received.acknowledge().await.map_err(|error| self.client.failure(&error))
    }

    /// `Continue`: the stream has to be opened anew.
    async fn cannot_open(&mut self, envelope: Undecipherable) -> Result<ControlFlow<()>, Failure> {
        if envelope.may_need_newer_card()
            && let Some(sender) = envelope.claimed_sender
            && self.refreshed.insert(sender)
            && self.refresh(&sender).await?
        {
            return Ok(ControlFlow::Continue(()));
        }
        let what = match envelope.problem {
            Problem::UnknownSender => "its sender is no contact and did not introduce themselves".to_owned(),
            problem => problem.to_string(),
        };
        let number = envelope.sequence.map_or_else(String::new, |number| format!(" {number}"));
        if self.flags.json {
            say_json(&json!({
                "event": "undecipherable",
                "sequence": envelope.sequence.map(sealpost_client::Sequence::get),
                "problem": what,
                "discarded": self.flags.discard,
            }));
        } else {
            note(format!("Envelope{number} cannot be opened: {what}."));
        }
        if self.flags.discard {
            envelope.acknowledge().map_err(|error| self.client.failure(&error))?;
        } else {
            self.kept += 1;
        }
        Ok(ControlFlow::Break(()))
    }

    /// Fetches a contact's card, which may be newer than ours.
    async fn refresh(&mut self, sender: &Address) -> Result<bool, Failure> {
        let Some(known) = self.book.with_address(sender).next().map(|person| person.contact.clone()) else {
            return Ok(false);
        };
        match fetch(&self.client, &known.invite()).await {
            Ok(newer) if newer.card() != known.card() => {
                Book::change(&self.client.profile, |book| {
                    book.with_address(sender).for_each(|person| person.learn(newer.clone()));
                    Ok(())
                })?;
                Ok(true)
            }
            // It is told that the envelope cannot be opened, which is what matters.
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// Takes over what other commands have changed meanwhile.
    fn reload_book(&mut self) -> Result<(), Failure> {
        let modified = Book::modified(&self.client.profile);
        if modified != self.book_of {
            self.book = Book::load(&self.client.profile)?;
            self.book.tell(&self.cards);
            self.book_of = modified;
        }
        Ok(())
    }

    fn directory(&self) -> PathBuf {
        self.flags.save.clone().unwrap_or_else(|| self.client.profile.path("files"))
    }

    fn connection(&self, state: &ConnectionState) -> Result<(), Failure> {
        match state {
            ConnectionState::Live if self.flags.follow => note(format!("Connected to {}.", self.client.home.url)),
            // Without --follow, and for what waiting does not cure, there is nothing to wait for.
            ConnectionState::Retrying { error, .. } if !self.flags.follow || matches!(error, Error::Untrusted(_)) => {
                return Err(self.client.failure(error));
            }
            ConnectionState::Retrying { after, error } => {
                note(format!("Not connected ({error}); trying again in {:.1} s.", after.as_secs_f64()));
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&self, state: &ConnectionState) -> Failure {
        match state {
            ConnectionState::Closed { error: Some(error) } => self.client.failure(error),
            _ => Failure::new("the stream has ended").remedy("try again"),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        if self.caught_up && self.shown + self.kept == 0 && !self.flags.json {
            note("Nothing waits.");
        }
        match self.kept {
            0 => Ok(()),
            kept => {
                Err(Failure::new(format!("{} could not be opened, and waits at the relay", counted(kept, "envelope")))
                    .remedy("add its sender as a contact and receive again, or be rid of it with --discard"))
            }
        }
    }
}
