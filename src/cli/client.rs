//! What the client's commands share: which relay, whose device, and how to fail.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use sealpost_client::{Device, Error, OptionsError, Relay, RelayHost, RelayOptions, Timeouts, Trust, UnixTime};

use super::output::{Failure, note};
use super::profile::{HomeRelay, Profile, ProfileFlags};
use super::refusal;
use crate::file;

/// How to reach the relay, and whose profile to use.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectionFlags {
    /// The relay [default: the one of `mailbox create`, else https://localhost:8443]
    #[arg(long, env = "SEALPOST_RELAY", value_name = "URL")]
    relay: Option<String>,
    /// The authority of the relay's certificate, a PEM file [default: the system's; for a relay on this machine
    /// sealpost-data/tls/ca.pem, if there is one]
    #[arg(long, env = "SEALPOST_CA", value_name = "FILE", conflicts_with = "plaintext")]
    ca: Option<PathBuf>,
    /// Do not encrypt the connection, as http:// URLs mean: for this machine, or a mesh that encrypts
    #[arg(long)]
    plaintext: bool,
    /// How long to try, in seconds
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    #[command(flatten)]
    pub(super) profile: ProfileFlags,
}

/// A device at its relay.
pub(super) struct Client {
    pub(super) profile: Profile,
    pub(super) device: Device,
    pub(super) relay: Relay,
    pub(super) home: HomeRelay,
    timeouts: Timeouts,
    trust: Trust,
}

const DEFAULT: &str = "localhost:8443";
const DEVELOPMENT_CA: &str = "sealpost-data/tls/ca.pem";
/// A card is renewed when it holds for less than this: 30 days.
const RENEW_BEFORE_SECS: u64 = 30 * 86_400;

impl ConnectionFlags {
    /// How long to try.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The profile's device at its relay.
    pub(super) async fn open(&self) -> Result<Client, Failure> {
        let profile = self.profile.find()?;
        let device = profile.existing_device()?;
        self.open_as(profile, device).await
    }

    /// This device at its relay.
    // It spawns the tasks of its connections, so it has to be called by a task.
    #[expect(clippy::unused_async, reason = "the runtime must be there")]
    pub(super) async fn open_as(&self, profile: Profile, device: Device) -> Result<Client, Failure> {
        let home = self.home(profile.relay()?)?;
        let trust = trust(&home)?;
        let options = RelayOptions::from_url(&home.url).map_err(|error| no_relay(&home.url, error))?;
        let limit = self.timeout();
        let timeouts = Timeouts::default();
        let timeouts =
            timeouts.operation(limit).answer(limit.min(timeouts.answer)).connect(limit.min(timeouts.connect));
        let relay = Relay::connect(options.trust(trust.clone()).timeouts(timeouts))
            .map_err(|error| refusal::failure(&error, &home.url))?;
        Ok(Client { profile, device, relay, home, timeouts, trust })
    }

    /// What the flags say, over what the profile remembers.
    fn home(&self, remembered: Option<HomeRelay>) -> Result<HomeRelay, Failure> {
        let remembered = remembered.filter(|home| self.relay.as_ref().is_none_or(|relay| *relay == home.url));
        let url = match (&self.relay, &remembered) {
            (Some(url), _) => url.clone(),
            (None, Some(home)) => home.url.clone(),
            (None, None) if self.plaintext => format!("http://{DEFAULT}"),
            (None, None) => format!("https://{DEFAULT}"),
        };
        match url.split_once("://") {
            Some(("http", _)) if !self.plaintext && remembered.is_none() => {
                return Err(unencrypted(&url));
            }
            Some(("https", _)) if self.plaintext => {
                return Err(
                    Failure::usage(format!("--plaintext contradicts {url}")).remedy("write http://, or leave it out")
                );
            }
            _ => {}
        }
        let ca = match (&self.ca, remembered) {
            (Some(ca), _) => Some(absolute(ca)),
            (None, Some(home)) => home.ca,
            (None, None) => development_ca(&url),
        };
        Ok(HomeRelay { url, ca })
    }
}

impl Client {
    /// A failure of what was asked of the home relay.
    pub(super) fn failure(&self, error: &Error) -> Failure {
        refusal::failure(error, &self.home.url)
    }

    /// The relay that a contact is at: for another one than our own, over a connection of its own.
    pub(super) fn relay_of(&self, host: &RelayHost) -> Result<Relay, Failure> {
        if host == self.relay.host() {
            return Ok(self.relay.clone());
        }
        let both_local = is_loopback(host.host()) && is_loopback(self.relay.host().host());
        // Whoever named an authority or went without encryption on this machine means the relay beside it too.
        let trust = if both_local { self.trust.clone() } else { Trust::System };
        let options = RelayOptions::new(host.clone()).trust(trust).timeouts(self.timeouts);
        Relay::connect(options).map_err(|error| refusal::failure(&error, &format!("https://{host}")))
    }

    /// Renews the card before it expires.
    pub(super) async fn keep_card(&mut self) -> Result<(), Failure> {
        let now = now();
        if self.device.card().expires() > now.saturating_add(RENEW_BEFORE_SECS) {
            return Ok(());
        }
        self.device.renew_card(now);
        // The relay first: contacts look there for a card that they do not know.
        self.relay.update_mailbox(&self.device).await.map_err(|error| self.failure(&error))?;
        self.profile.save_device(&self.device)
    }
}

/// The time by this machine.
pub(super) fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// What is no relay's URL.
pub(super) fn no_relay(url: &str, error: OptionsError) -> Failure {
    Failure::usage(format!("{url:?} is no relay: {error}")).remedy("write it as in https://localhost:8443")
}

/// What goes without encryption, and nobody said that it shall.
pub(super) fn unencrypted(url: &str) -> Failure {
    Failure::usage(format!("{url} would be reached without encryption"))
        .remedy("write https://, or add --plaintext if you mean it")
}

fn trust(home: &HomeRelay) -> Result<Trust, Failure> {
    match &home.ca {
        _ if home.url.starts_with("http://") => Ok(Trust::Plaintext),
        None => Ok(Trust::System),
        Some(ca) => authorities(ca),
    }
}

/// Those in a PEM file.
pub(super) fn authorities(ca: &Path) -> Result<Trust, Failure> {
    file::read(ca).map(Trust::Authorities).map_err(|error| {
        Failure::usage(format!("the certificate authority {} cannot be read: {error}", ca.display()))
            .remedy("name the PEM file of the relay's authority with --ca")
    })
}

/// A relay started in this directory has left its authority here.
fn development_ca(url: &str) -> Option<PathBuf> {
    let ca = Path::new(DEVELOPMENT_CA);
    let host = RelayOptions::from_url(url).ok()?.host;
    if !url.starts_with("https://") || !is_loopback(host.host()) || !ca.exists() {
        return None;
    }
    note(format!("using the development certificate's authority, {DEVELOPMENT_CA}"));
    Some(absolute(ca))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// It is remembered, and the next command may run elsewhere.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
