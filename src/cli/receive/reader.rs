//! What goes on while messages come.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sealpost_client::{
    ConnectionState, Error, Event, FileDedup, Inbox, Origin, Problem, ReceiveOptions, Received, StreamOptions,
    Undecipherable,
};
use serde_json::json;
use tokio::sync::watch;

use super::Receive;
use super::known::Known;
use super::letter::Letter;
use crate::cli::client::Client;
use crate::cli::output::{Failure, note, say_json};
use crate::cli::refusal;
use crate::cli::serve::stop_signal;
use crate::cli::text::counted;

/// Reads a mailbox, shows what is in it, and counts.
pub(super) struct Reader {
    flags: Receive,
    client: Client,
    known: Known,
    caught_up: bool,
    shown: u64,
    kept: u64,
}

/// What is not acknowledged is for the next run.
const NEVER: Duration = Duration::from_secs(86_400);

impl Reader {
    pub(super) fn new(flags: Receive, client: Client) -> Result<Self, Failure> {
        let known = Known::load(&client.profile)?;
        Ok(Self { flags, client, known, caught_up: false, shown: 0, kept: 0 })
    }

    /// Reads one stream to its end, or until it has to be opened anew.
    pub(super) async fn read(&mut self, dedup: &Arc<FileDedup>) -> Result<ControlFlow<()>, Failure> {
        self.known.reload()?;
        let stream = StreamOptions::default().redeliver_after(NEVER);
        let mut options = ReceiveOptions::default().contacts(self.known.cards()).stream(stream);
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
        self.known.reload()?;
        let (sender, is_stranger) = match &received.from {
            Origin::Stranger(introduction) => (self.known.meet(introduction)?, true),
            Origin::Contact(address) => (*address, false),
            _ => return Err(Failure::new("the message is from a kind of sender that this version does not know")),
        };
        let name = self.known.name_of(&sender);
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
            && self.known.refresh(&self.client, &sender).await?
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

    /// Says what is left to say.
    pub(super) fn finish(self) -> Result<(), Failure> {
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
