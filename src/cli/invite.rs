//! `sealpost invite`: what somebody needs to write to you.

use clap::Args;
use sealpost_client::{Device, Hour, Invite as InviteText};
use serde_json::json;

use super::block_on;
use super::client::{Client, ConnectionFlags, now};
use super::output::{Failure, note, say, say_json};
use super::text::hour;

/// Print an invite: what somebody needs to write to you, as a link and as a QR code.
///
/// Whoever has it can write to you, so give it to the person only. With --new-key it holds a key of its own, that ends
/// when you want without touching the others.
#[derive(Debug, Args)]
pub(super) struct Invite {
    /// Make a delivery key for this invite alone
    #[arg(long)]
    new_key: bool,
    /// The hours after which this invite ends; makes a key for it
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..))]
    expires: Option<u32>,
    /// Print the link alone
    #[arg(long, conflicts_with = "json")]
    link: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionFlags,
}

impl Invite {
    pub(super) fn run(self) -> Result<(), Failure> {
        block_on(self.print())
    }

    async fn print(self) -> Result<(), Failure> {
        let mut client = self.connection.open().await?;
        let (invite, expires) = if self.new_key || self.expires.is_some() {
            let expires = self.expires.map(|hours| now().hour().saturating_add(hours));
            (with_new_key(&mut client, expires).await?, expires)
        } else {
            existing(&client)?
        };
        let link = invite.to_link();
        if self.json {
            say_json(&json!({ "link": link, "expires_hour": expires.map(|hour| hour.0) }));
        } else if self.link {
            say(link);
        } else {
            let code = invite.to_qr().map_err(|error| Failure::new(error.to_string()))?;
            say(format!("{code}\n{link}\n"));
            if let Some(expires) = expires {
                say(format!("It ends at {}.", hour(expires)));
            }
            note("Whoever has this can write to you: give it to the person only.");
        }
        Ok(())
    }
}

/// With the newest key that holds, rather one that does not end.
fn existing(client: &Client) -> Result<(InviteText, Option<Hour>), Failure> {
    let this_hour = now().hour();
    let good = || client.device.delivery_keys().iter().filter(|grant| grant.expires.is_none_or(|end| end > this_hour));
    let grant = good().find(|grant| grant.expires.is_none()).or_else(|| good().next());
    let grant = grant.ok_or_else(|| Failure::new("all delivery keys have ended").remedy("make one: add --new-key"))?;
    let (relay, address) = (client.relay.host().clone(), client.device.address());
    Ok((InviteText { relay, address, delivery_key: grant.key.clone() }, grant.expires))
}

async fn with_new_key(client: &mut Client, expires: Option<Hour>) -> Result<InviteText, Failure> {
    forget_ended(&mut client.device);
    let key = client.device.add_delivery_key(&mut rand::rng(), expires).map_err(|error| {
        Failure::new(error.to_string()).remedy("give one of the existing invites: leave out --new-key and --expires")
    })?;
    // An invite that the relay does not know would be of no use to anybody, so the relay first.
    client.relay.update_mailbox(&client.device).await.map_err(|error| client.failure(&error))?;
    client.profile.save_device(&client.device)?;
    Ok(InviteText { relay: client.relay.host().clone(), address: client.device.address(), delivery_key: key })
}

fn forget_ended(device: &mut Device) {
    let this_hour = now().hour();
    let ended = |end: Option<Hour>| end.is_some_and(|end| end <= this_hour);
    let keys: Vec<_> =
        device.delivery_keys().iter().filter(|grant| ended(grant.expires)).map(|grant| grant.key.clone()).collect();
    for key in keys {
        device.remove_delivery_key(&key);
    }
}
