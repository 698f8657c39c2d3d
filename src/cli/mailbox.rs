//! `sealpost mailbox …`: the profile's mailbox at the relay.

use clap::{Args, Subcommand};
use sealpost_client::{Device, MailboxDescription, Voucher};
use serde_json::json;

use super::block_on;
use super::client::ConnectionFlags;
use super::output::{Failure, say, say_json};
use super::text::{counted, grouped, hour, size};

/// Make, show or delete your mailbox.
#[derive(Debug, Args)]
pub(super) struct Mailbox {
    #[command(subcommand)]
    command: MailboxCommand,
}

#[derive(Debug, Subcommand)]
enum MailboxCommand {
    Create(Create),
    Show(Show),
    Delete(Delete),
}

/// Make your mailbox at a relay.
///
/// Makes the profile's keys too, if it has none. The relay is remembered: later commands need no --relay and no --ca.
#[derive(Debug, Args)]
struct Create {
    /// A voucher of the relay's operator, for a relay that asks for one
    #[arg(long, value_name = "TEXT")]
    voucher: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// Show all that the relay holds on your mailbox.
#[derive(Debug, Args)]
struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

/// Delete your mailbox and all that waits in it.
///
/// It cannot be undone. Your keys and contacts stay in the profile: `mailbox create` makes an empty mailbox at the same
/// address.
#[derive(Debug, Args)]
struct Delete {
    /// Really
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

impl Mailbox {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            MailboxCommand::Create(command) => block_on(command.run()),
            MailboxCommand::Show(command) => block_on(command.run()),
            MailboxCommand::Delete(command) => block_on(command.run()),
        }
    }
}

impl Create {
    async fn run(self) -> Result<(), Failure> {
        let voucher = self.voucher.as_deref().map(parse_voucher).transpose()?;
        let profile = self.connection.profile.find()?;
        let device = profile.device()?;
        let is_new = device.is_none();
        let client = self.connection.open_as(profile, device.unwrap_or_default()).await?;
        if is_new {
            // Before the relay knows of it: a mailbox without its keys is nobody's.
            client.profile.save_device(&client.device)?;
        }
        let created = client.relay.create_mailbox(&client.device, voucher.as_ref()).await;
        created.map_err(|error| client.failure(&error))?;
        client.profile.save_relay(&client.home)?;
        let address = client.device.address().to_text();
        if self.json {
            say_json(&json!({ "address": address, "relay": client.home.url, "profile": client.profile.name() }));
        } else {
            say(format!("Mailbox {address}\nat {}.", client.home.url));
            say("Next: `sealpost invite` prints what somebody needs to write to you.");
        }
        Ok(())
    }
}

/// As `sealpost voucher issue` printed it.
pub(super) fn parse_voucher(text: &str) -> Result<Voucher, Failure> {
    Voucher::from_text(text.trim())
        .map_err(|error| Failure::usage(error.to_string()).remedy("copy it whole: 114 letters, digits, '-' and '_'"))
}

impl Show {
    async fn run(self) -> Result<(), Failure> {
        let client = self.connection.open().await?;
        let held = client.relay.describe_mailbox(&client.device).await.map_err(|error| client.failure(&error))?;
        if self.json {
            say_json(&json!({
                "address": client.device.address().to_text(),
                "relay": client.home.url,
                "delivery_keys": held.delivery_keys.iter().map(|ends| json!({ "expires_hour": ends.map(|hour| hour.0) }))
                    .collect::<Vec<_>>(),
                "has_card": held.has_card,
                "last_sequence": held.last_sequence,
                "queued_messages": held.queued_messages,
                "queued_bytes": held.queued_bytes,
                "generation": held.generation,
                "last_seen_hour": held.last_seen.0,
                "reclaimed_hour": held.reclaimed.0,
            }));
        } else {
            show(&client.device, &client.home.url, &held);
        }
        Ok(())
    }
}

fn show(device: &Device, relay: &str, held: &MailboxDescription) {
    say(format!("All that {relay} holds on this mailbox:\n"));
    say(format!("  address         {}", device.address().to_text()));
    let keys: Vec<String> = held
        .delivery_keys
        .iter()
        .map(|ends| ends.map_or_else(|| "one without end".to_owned(), |ends| format!("one until {}", hour(ends))))
        .collect();
    let keys = if keys.is_empty() { "none: nobody can write".to_owned() } else { keys.join(", ") };
    say(format!("  delivery keys   {keys} (their hashes)"));
    say(format!("  card            {}", if held.has_card { "your public keys" } else { "none" }));
    let waiting = format!("{} in {}", size(held.queued_bytes), counted(held.queued_messages, "envelope"));
    say(format!("  waiting         {}", if held.queued_messages == 0 { "nothing" } else { &waiting }));
    say(format!("  accepted ever   {}", grouped(held.last_sequence)));
    say(format!("  opened          {}", counted(held.generation, "time")));
    say(format!("  last seen       {}, to the hour", hour(held.last_seen)));
    say(format!("  reclaimed       {}, unless you come", hour(held.reclaimed)));
}

impl Delete {
    async fn run(self) -> Result<(), Failure> {
        if !self.yes {
            return Err(Failure::usage("this deletes the mailbox and all that waits in it, for good")
                .remedy("add --yes if you mean it"));
        }
        let client = self.connection.open().await?;
        client.relay.delete_mailbox(&client.device).await.map_err(|error| client.failure(&error))?;
        say(format!(
            "Deleted from {}. Your keys and contacts are still in profile {:?}.",
            client.home.url,
            client.profile.name()
        ));
        Ok(())
    }
}
