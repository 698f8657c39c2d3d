//! `sealpost check-relay`: whether a relay does what it is there for.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sealpost_client::{
    ConnectionState, Contact, Device, Draft, Error, Event, Inbox, MemoryContacts, OptionsError, Origin, Reason,
    ReceiveOptions, Relay, RelayOptions, SendOptions, Timeouts, Voucher,
};
use serde_json::json;

use super::block_on;
use super::client::{authorities, no_relay, unencrypted};
use super::mailbox::parse_voucher;
use super::output::{Failure, say_json};
use super::refusal;
use super::teller::{Teller, rounded_ms};
use super::text::short;

/// Check a relay by real messages.
///
/// Two throw-away devices make a mailbox each. One writes to the other, sealed, while it is away and while it is connected;
/// the other reads both texts, verifies whom they are from, and acknowledges them. Then both mailboxes are deleted. Exits
/// with 0 only if all of that went well.
#[derive(Debug, Args)]
pub(super) struct CheckRelay {
    /// The relay as its users name it, as in https://relay.example.org
    #[arg(value_name = "URL", env = "SEALPOST_RELAY")]
    relay: String,
    /// Where to connect to instead, as in localhost:8443: one relay of several, or past a load balancer. Certificate and
    /// proofs are still those of URL
    #[arg(long, value_name = "HOST:PORT")]
    connect_to: Option<String>,
    /// The authority of the relay's certificate, a PEM file [default: the system's]
    #[arg(long, env = "SEALPOST_CA", value_name = "FILE", conflicts_with = "plaintext")]
    ca: Option<PathBuf>,
    /// With http://…: go without encryption to another machine, too
    #[arg(long)]
    plaintext: bool,
    /// A voucher, for a relay that asks for one: twice, for two mailboxes
    #[arg(
        long = "voucher",
        env = "SEALPOST_VOUCHERS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "TEXT"
    )]
    vouchers: Vec<String>,
    /// How long each step may take, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print one JSON object at the end, and nothing else
    #[arg(long)]
    json: bool,
}

/// The relay, and who asks it.
struct Check {
    url: String,
    limit: Duration,
    relay: Relay,
    writer: Device,
    reader: Device,
    /// Whose mailboxes are to be deleted.
    made: Vec<Device>,
    teller: Teller,
}

impl CheckRelay {
    pub(super) fn run(self) -> Result<(), Failure> {
        let options = self.options()?;
        let vouchers: Result<Vec<Voucher>, Failure> = self.vouchers.iter().map(|text| parse_voucher(text)).collect();
        let vouchers = match &vouchers?[..] {
            [] => [None, None],
            [first, second] => [Some(first.clone()), Some(second.clone())],
            _ => return Err(for_each(Failure::usage("two mailboxes are made, so there are two vouchers or none"))),
        };
        block_on(self.check(options, vouchers))
    }

    async fn check(self, options: RelayOptions, vouchers: [Option<Voucher>; 2]) -> Result<(), Failure> {
        let relay = Relay::connect(options).map_err(|error| refusal::failure(&error, &self.relay))?;
        let (writer, reader, made) = (Device::new(), Device::new(), Vec::new());
        let limit = Duration::from_secs(self.timeout);
        let teller = Teller::new(!self.json);
        let mut check = Check { url: self.relay, limit, relay, writer, reader, made, teller };
        let outcome = check.round_trip(vouchers).await;
        // Also after a failure, which is what is told then.
        let deleted = check.delete().await;
        outcome.and(deleted)?;
        check.teller.step("Both mailboxes are deleted.");
        let total = check.teller.total();
        let verdict = check.teller.good(&format!("{} works.", check.url));
        check.teller.line(&format!("{verdict} It took {:.2} s.", total.as_secs_f64()));
        if self.json {
            let steps = check.teller.steps();
            say_json(&json!({ "ok": true, "relay": check.url, "steps": steps, "total_ms": rounded_ms(total) }));
        }
        Ok(())
    }

    fn options(&self) -> Result<RelayOptions, Failure> {
        let url = &self.relay;
        let options = match RelayOptions::from_url(url) {
            Err(OptionsError::Plaintext) if self.plaintext => RelayOptions::plaintext(url),
            Err(OptionsError::Plaintext) => return Err(unencrypted(url)),
            options => options,
        };
        let limit = Duration::from_secs(self.timeout);
        let timeouts = Timeouts::default().operation(limit).answer(limit).connect(limit);
        let mut options = options.map_err(|error| no_relay(url, error))?.timeouts(timeouts);
        if let Some(ca) = &self.ca {
            options = options.trust(authorities(ca)?);
        }
        options.connect_to.clone_from(&self.connect_to);
        Ok(options)
    }
}

impl Check {
    async fn round_trip(&mut self, vouchers: [Option<Voucher>; 2]) -> Result<(), Failure> {
        for (device, voucher) in [self.writer.clone(), self.reader.clone()].into_iter().zip(vouchers) {
            self.relay.create_mailbox(&device, voucher.as_ref()).await.map_err(|error| self.failure(&error))?;
            self.made.push(device);
        }
        let (writer, reader) = (short(&self.writer.address()), short(&self.reader.address()));
        self.teller.step(format!("Two devices make a mailbox each, {writer} and {reader}."));

        let known = MemoryContacts::new();
        known.add(&self.meet(&self.writer).await?);
        let to = self.meet(&self.reader).await?;
        self.teller.step("Each fetches the other's card and checks it.");

        self.write(&to, "written while you were away").await?;
        self.teller.step("The first writes to the second, who is away: the relay has stored a sealed text.");
        let mut inbox = self.relay.receive([self.reader.clone()], ReceiveOptions::default().contacts(known));
        self.read(&mut inbox, "written while you were away").await?;
        match self.next(&mut inbox).await? {
            Some(Event::CaughtUp(_)) => {}
            other => return Err(self.surprise(other, &inbox)),
        }
        self.teller.step("The second connects, reads it, and verifies whom it is from.");
        self.write(&to, "written while you were here").await?;
        self.read(&mut inbox, "written while you were here").await?;
        self.teller.step("The first writes again. The second, who is connected, reads it.");
        inbox.close().await;
        self.until_empty().await?;
        self.teller.step("The second has acknowledged both: the relay holds nothing more for it.");
        Ok(())
    }

    /// What the other one knows of a device.
    async fn meet(&self, device: &Device) -> Result<Contact, Failure> {
        let invite =
            device.invite(self.relay.host()).ok_or_else(|| Failure::new("a new device has no delivery key"))?;
        self.relay.accept(&invite).await.map_err(|error| self.failure(&error))
    }

    async fn write(&self, to: &Contact, text: &str) -> Result<(), Failure> {
        let sent = self.relay.send(&self.writer, to, Draft::text(text), &SendOptions::default()).await;
        sent.map(drop).map_err(|error| self.failure(&error))
    }

    async fn read(&self, inbox: &mut Inbox, text: &str) -> Result<(), Failure> {
        match self.next(inbox).await? {
            Some(Event::Message(received))
                if received.from == Origin::Contact(self.writer.address())
                    && received.message.body == text.as_bytes() =>
            {
                received.acknowledge().await.map_err(|error| self.failure(&error))
            }
            other => Err(self.surprise(other, inbox)),
        }
    }

    async fn next(&self, inbox: &mut Inbox) -> Result<Option<Event>, Failure> {
        let next = tokio::time::timeout(self.limit, inbox.next()).await;
        next.map_err(|_| match &*inbox.state().borrow() {
            ConnectionState::Retrying { error, .. } => self.failure(error),
            _ => self.failure(&Error::TimedOut),
        })
    }

    /// Relays write acknowledgements together, a little later.
    async fn until_empty(&self) -> Result<(), Failure> {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        let wait = async {
            loop {
                look.tick().await;
                let held = self.relay.describe_mailbox(&self.reader).await.map_err(|error| self.failure(&error))?;
                if held.queued_messages == 0 {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(self.limit, wait).await.unwrap_or_else(|_| {
            Err(Failure::new(format!("what was acknowledged is still at {}", self.url))
                .remedy("does its store take changes? Its log says why not; --timeout SECS waits longer"))
        })
    }

    async fn delete(&self) -> Result<(), Failure> {
        for device in &self.made {
            self.relay.delete_mailbox(device).await.map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }

    fn surprise(&self, event: Option<Event>, inbox: &Inbox) -> Failure {
        match (event, &*inbox.state().borrow()) {
            (None, ConnectionState::Closed { error: Some(error) }) => self.failure(error),
            (None, _) => Failure::new("the stream ended before everything had come").remedy("try again in a moment"),
            (Some(event), _) => Failure::new(format!("something else came than was sent: {event:?}"))
                .remedy("this is a fault: please report it"),
        }
    }

    fn failure(&self, error: &Error) -> Failure {
        let failure = refusal::failure(error, &self.url);
        if error.reason() == Some(Reason::VoucherRequired) { for_each(failure) } else { failure }
    }
}

fn for_each(failure: Failure) -> Failure {
    failure.remedy("ask the operator for two, one for each mailbox: --voucher TEXT --voucher TEXT")
}
