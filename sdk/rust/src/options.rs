//! How to reach a relay.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use sealpost_core::{Audience, RelayHost, RelayHostError};
use thiserror::Error;

/// How to reach a relay. [`RelayOptions::new`] is enough for a relay on the public internet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RelayOptions {
    /// The relay as its invites name it.
    pub host: RelayHost,
    /// Where to connect to instead of `host`, as `name:port`: for tests, tunnels and meshes. The certificate and the
    /// proofs are still those of `host`.
    pub connect_to: Option<String>,
    /// The name that proofs are made for, if it is not the host's.
    pub audience: Option<Audience>,
    /// Which certificates to trust.
    pub trust: Trust,
    /// How long to wait for what.
    pub timeouts: Timeouts,
}

/// Which certificates to trust.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Trust {
    /// Those of the authorities that the operating system knows.
    #[default]
    System,
    /// Those of these authorities (PEM) and no others.
    Authorities(Vec<u8>),
    /// No TLS: whoever is on the way sees which mailbox is written to and who opens it (never what is written). For
    /// loopback, or where a mesh does the encryption.
    Plaintext,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection with its TLS handshake. 10 s.
    pub connect: Duration,
    /// For one answer of the relay's. 10 s.
    pub answer: Duration,
    /// For an operation with all its retries. 30 s.
    pub operation: Duration,
}

/// Options that contradict themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// Not `https://host[:port]`.
    #[error("a relay's URL is https://host or https://host:port")]
    Url,
    /// `http` to another machine.
    #[error("without TLS a relay is only reached on this machine, unless that is asked for")]
    Plaintext,
    /// The host in the URL is malformed.
    #[error("the relay's URL is malformed: {0}")]
    Host(#[from] RelayHostError),
    /// The address to connect to is not `name:port`.
    #[error("the address to connect to is not name:port")]
    ConnectTo,
    /// The operating system offers no certificate authorities.
    #[error("the operating system has no certificate authorities")]
    NoSystemAuthorities,
    /// The given certificates are not PEM, or there are none.
    #[error("the certificate authorities are not PEM certificates")]
    Authorities,
    /// The host cannot stand in a certificate.
    #[error("the host cannot stand in a certificate")]
    ServerName,
    /// TLS could not be set up.
    #[error("TLS cannot be set up")]
    Tls,
}

impl RelayOptions {
    /// A relay reached by TLS, its certificate checked against the system's authorities.
    pub fn new(host: RelayHost) -> Self {
        Self { host, connect_to: None, audience: None, trust: Trust::System, timeouts: Timeouts::default() }
    }

    /// From `https://host[:port]`, or `http://host[:port]` for a relay on this machine. To go without TLS elsewhere, say so
    /// with [`RelayOptions::plaintext`].
    ///
    /// # Errors
    /// [`OptionsError::Url`], [`OptionsError::Host`] or [`OptionsError::Plaintext`].
    pub fn from_url(url: &str) -> Result<Self, OptionsError> {
        let (scheme, rest) = url.split_once("://").ok_or(OptionsError::Url)?;
        let host = rest.strip_suffix('/').unwrap_or(rest);
        match scheme {
            "https" => Ok(Self::new(host.parse()?)),
            "http" => {
                let options = Self::plaintext(url)?;
                if is_loopback(options.host.host()) { Ok(options) } else { Err(OptionsError::Plaintext) }
            }
            _ => Err(OptionsError::Url),
        }
    }

    /// From `http://host[:port]` on whatever machine, where a mesh does the encryption: see [`Trust::Plaintext`].
    ///
    /// # Errors
    /// [`OptionsError::Url`] or [`OptionsError::Host`].
    pub fn plaintext(url: &str) -> Result<Self, OptionsError> {
        let rest = url.strip_prefix("http://").ok_or(OptionsError::Url)?;
        let host = plaintext_host(rest.strip_suffix('/').unwrap_or(rest))?;
        Ok(Self::new(host).trust(Trust::Plaintext))
    }

    /// Which certificates to trust.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Where to connect to instead of the host, as `name:port`.
    #[must_use]
    pub fn connect_to(mut self, address: impl Into<String>) -> Self {
        self.connect_to = Some(address.into());
        self
    }

    /// The name that proofs are made for.
    #[must_use]
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audience = Some(audience);
        self
    }

    /// How long to wait for what.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

impl FromStr for RelayOptions {
    type Err = OptionsError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::from_url(url)
    }
}

impl From<RelayHost> for RelayOptions {
    fn from(host: RelayHost) -> Self {
        Self::new(host)
    }
}

impl Timeouts {
    /// How long an operation may take with all its retries.
    #[must_use]
    pub fn operation(mut self, limit: Duration) -> Self {
        self.operation = limit;
        self
    }

    /// How long to wait for one answer.
    #[must_use]
    pub fn answer(mut self, limit: Duration) -> Self {
        self.answer = limit;
        self
    }

    /// How long a connection may take.
    #[must_use]
    pub fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(10), operation: Duration::from_secs(30) }
    }
}

/// An `http` URL without a port means port 80, as everywhere.
fn plaintext_host(text: &str) -> Result<RelayHost, OptionsError> {
    let host: RelayHost = text.parse()?;
    let names_a_port = text.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    Ok(if names_a_port { host } else { RelayHost::new(host.audience(), 80) })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_host_and_the_port() {
        let port = |url: &str| RelayOptions::from_url(url).map(|options| options.host.port());
        assert_eq!(port("https://relay.example"), Ok(443));
        assert_eq!(port("https://relay.example:8443/"), Ok(8443));
        assert_eq!(port("http://127.0.0.1"), Ok(80));
        assert_eq!(port("http://[::1]:8080"), Ok(8080));
        assert_eq!(port("http://[::1]"), Ok(80));
        assert_eq!(port("http://relay.example"), Err(OptionsError::Plaintext));
        assert_eq!(port("ftp://relay.example"), Err(OptionsError::Url));
        assert_eq!(port("relay.example"), Err(OptionsError::Url));
        assert!(matches!(port("https://a/b"), Err(OptionsError::Host(_))));
    }

    #[test]
    fn without_tls_elsewhere_only_if_that_is_said() {
        let port = |url: &str| RelayOptions::plaintext(url).map(|options| options.host.port());
        assert_eq!(port("http://relay.example/"), Ok(80));
        assert_eq!(port("http://relay.example:8443"), Ok(8443));
        assert_eq!(port("https://relay.example"), Err(OptionsError::Url));
    }

    #[test]
    fn only_http_means_plaintext() {
        assert!(matches!(RelayOptions::from_url("https://a").unwrap().trust, Trust::System));
        assert!(matches!(RelayOptions::from_url("http://localhost").unwrap().trust, Trust::Plaintext));
    }
}
