//! `sealpost inspect`: everything that the operator's store holds on a mailbox, as a person can read it.

use std::path::PathBuf;

use clap::Args;
use sealpost_client::Card;
use sealpost_core::Address;
use serde_json::{Value, json};

use super::block_on;
use super::output::{Failure, say, say_json};
use super::text::{abbreviate, counted, grouped, hex, hour, size};
use crate::clock::Clock;
use crate::config::{Config, Settings, StoreConfig, StoreSettings};
use crate::delivery::Hub;
use crate::server::{StartError, open_store};
use crate::store::embedded::OpenError;
use crate::store::{Inspection, QueuedEntry, Urgency};
use crate::telemetry::Telemetry;

/// Show everything that the relay's store holds on a mailbox.
///
/// For the operator: it reads the store itself, so nothing is left out. An embedded store can be read only while no relay
/// has it open.
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// The mailbox's address, sp1…
    address: String,
    /// How many of its envelopes to show
    #[arg(long, value_name = "N", default_value_t = 10)]
    entries: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The relay's configuration file
    #[arg(long, env = "SEALPOST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    store: StoreSettings,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let address: Address = self.address.parse().map_err(|error| {
            Failure::usage(format!("{:?} is no address: {error}", self.address))
                .remedy("copy it whole; the owner's `sealpost mailbox show` prints it")
        })?;
        let settings = Settings { store: self.store.clone(), ..Settings::default() };
        let config = Config::load(self.config.as_deref(), &settings)?;
        block_on(self.print(address, config.store))
    }

    async fn print(self, address: Address, store: StoreConfig) -> Result<(), Failure> {
        let place = match &store {
            // Opening would make one.
            StoreConfig::Embedded { directory, .. } if !directory.join(DATABASE).exists() => {
                return Err(Failure::usage(format!("there is no store in {}", directory.display()))
                    .remedy("name the relay's with --store embedded:DIRECTORY or redis://HOST, or its --config"));
            }
            StoreConfig::Embedded { directory, .. } => format!("the embedded store in {}", directory.display()),
            StoreConfig::Redis(_) => "Redis".to_owned(),
        };
        let opened = open_store(&store, Clock::system(), Hub::new(), Telemetry::default()).await;
        let store = opened.map_err(|error| match error {
            StartError::Embedded(OpenError::InUse { path }) => Failure::new(format!(
                "{} is open: a relay is running on it",
                path.display()
            ))
            .remedy(
                "stop that relay first; a store in Redis can be inspected at any time, and owners have `mailbox show`",
            ),
            error => error.into(),
        })?;
        let held = store.inspect(address, self.entries).await.map_err(|error| {
            Failure::new(error.to_string())
                .remedy("check that the store runs and that --store names it, then try again")
        })?;
        let Some(held) = held else {
            return Err(Failure::new(format!("{place} holds no mailbox at this address"))
                .remedy("check the address and --store; mailboxes whose owners do not come are reclaimed"));
        };
        if self.json {
            say_json(&as_json(&address, &held));
        } else {
            say(format!("All that {place} holds on the mailbox:\n"));
            print(&address, &held);
        }
        Ok(())
    }
}

/// As the embedded store calls it.
const DATABASE: &str = "sealpost.redb";

fn print(address: &Address, held: &Inspection) {
    let about = &held.description;
    say(format!("  address          {}", address.to_text()));
    for grant in &about.grants {
        let ends = grant.expires.map_or_else(|| "without end".to_owned(), |ends| format!("until {}", hour(ends)));
        say(format!("  delivery key     SHA-256 {}, {ends}", abbreviate(&hex(grant.key.as_bytes()), 16, 4)));
    }
    say(format!("  card             {}", card(&about.card)));
    say(format!("  accepted ever    {}", grouped(about.last.get())));
    let waiting = match about.queued_messages {
        0 => "nothing".to_owned(),
        messages => format!("{} in {}", size(about.queued_bytes), counted(messages, "envelope")),
    };
    say(format!("  waiting          {waiting}"));
    say(format!("  opened           {} (its generation)", counted(about.generation.0, "time")));
    say(format!("  last seen        {}", hour(about.last_seen)));
    say(format!("  reclaimed        {}, unless its owner comes", hour(about.reclaimed)));
    let kept = &held.kept;
    if let Some(mark) = kept.expiry_mark {
        say(format!("  expiry looks at  {}", hour(mark)));
    }
    say(format!("  incarnation      {}, random bytes of this mailbox", hex(&kept.incarnation.0)));
    if let Some(session) = &kept.session {
        say(format!("  session          {}, a hash of the last opening's random bytes", hex(session)));
    }
    if !held.entries.is_empty() {
        say(format!("\n  {HEAD}"));
    }
    for entry in &held.entries {
        say(format!("  {}", row(entry)));
    }
    let left = about.queued_messages.saturating_sub(held.entries.len() as u64);
    if left > 0 {
        say(format!("  … and {} more: --entries N shows more", grouped(left)));
    }
    say(format!("\n{ABSENT}"));
}

/// What is not there, for it is what the relay is for.
pub(super) const ABSENT: &str = "\
Not here, and nowhere at the relay: who sent an envelope, from which address of the network, what it\n\
says, its exact length, the minute it came, whose mailbox this is.";

/// Above the envelopes.
pub(super) const HEAD: &str = "envelope  accepted in the hour  size      message id        begins with";

/// An envelope as one line.
pub(super) fn row(QueuedEntry { sequence, entry }: &QueuedEntry) -> String {
    let urgent = if entry.urgency == Urgency::High { "  urgent" } else { "" };
    let bytes = entry.envelope.bytes();
    let head = hex(bytes.get(..12).unwrap_or(bytes));
    let id = abbreviate(&hex(entry.message_id.as_bytes()), 8, 4);
    let size = size(entry.envelope.size() as u64);
    format!("{:>8}  {:<20}  {size:<8}  {id:<16}  {head}…{urgent}", sequence.get(), hour(entry.accepted))
}

fn card(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "none".to_owned();
    }
    match Card::parse(bytes) {
        Ok(card) => {
            format!("public keys, issued {}, expires {}", hour(card.issued().hour()), hour(card.expires().hour()))
        }
        Err(error) => format!("{}, unreadable: {error}", counted(bytes.len() as u64, "byte")),
    }
}

fn as_json(address: &Address, held: &Inspection) -> Value {
    let about = &held.description;
    let card = Card::parse(&about.card).ok();
    let grants = about
        .grants
        .iter()
        .map(|grant| json!({ "hash": hex(grant.key.as_bytes()), "expires_hour": grant.expires.map(|hour| hour.0) }));
    let entries = held.entries.iter().map(|QueuedEntry { sequence, entry }| {
        json!({
            "sequence": sequence.get(),
            "accepted_hour": entry.accepted.0,
            "bytes": entry.envelope.size(),
            "message_id": hex(entry.message_id.as_bytes()),
            "urgency": format!("{:?}", entry.urgency).to_lowercase(),
            "envelope": hex(entry.envelope.bytes()),
        })
    });
    json!({
        "address": address.to_text(),
        "delivery_keys": grants.collect::<Vec<_>>(),
        "card": card.map(|card| json!({
            "issued_hour": card.issued().hour().0,
            "expires_hour": card.expires().hour().0,
        })),
        "last_sequence": about.last.get(),
        "queued_messages": about.queued_messages,
        "queued_bytes": about.queued_bytes,
        "generation": about.generation.0,
        "last_seen_hour": about.last_seen.0,
        "reclaimed_hour": about.reclaimed.0,
        "expiry_mark_hour": held.kept.expiry_mark.map(|hour| hour.0),
        "incarnation": hex(&held.kept.incarnation.0),
        "session": held.kept.session.map(|session| hex(&session)),
        "entries": entries.collect::<Vec<_>>(),
    })
}
