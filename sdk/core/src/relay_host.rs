//! Where a relay is reached: host and port.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::{Audience, AudienceError};

/// The port that goes without saying.
pub const DEFAULT_PORT: u16 = 443;

/// A relay's host and port, written `host`, `host:port` or `[ipv6]:port`; the default port is left out of the text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayHost {
    audience: Audience,
    port: u16,
}

/// A text that names no relay host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RelayHostError {
    /// The host is not a lower-case host name or a canonical IP literal.
    #[error("the host is malformed: {0}")]
    Host(#[from] AudienceError),
    /// An IPv6 literal without brackets, or brackets around something else.
    #[error("an IPv6 literal, and nothing else, is written in brackets")]
    Brackets,
    /// The port is not a decimal number from 1 to 65535 without leading zeros.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

impl RelayHost {
    /// A relay at this name and port.
    pub const fn new(audience: Audience, port: u16) -> Self {
        Self { audience, port }
    }

    /// The host: a name or an IP literal, without brackets.
    pub fn host(&self) -> &str {
        self.audience.as_str()
    }

    /// The TCP port.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The name that proofs for this relay are made for: the host without the port.
    pub fn audience(&self) -> Audience {
        self.audience.clone()
    }
}

impl FromStr for RelayHost {
    type Err = RelayHostError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (audience, port) = match text.strip_prefix('[') {
            Some(rest) => split_ipv6(rest)?,
            None => split_name(text)?,
        };
        let port = match port {
            Some(port) => parse_port(port)?,
            None => DEFAULT_PORT,
        };
        Ok(Self { audience, port })
    }
}

impl fmt::Display for RelayHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.audience.is_ipv6() {
            write!(f, "[{}]", self.audience)?;
        } else {
            write!(f, "{}", self.audience)?;
        }
        if self.port != DEFAULT_PORT {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

fn split_ipv6(text: &str) -> Result<(Audience, Option<&str>), RelayHostError> {
    let (literal, rest) = text.split_once(']').ok_or(RelayHostError::Brackets)?;
    let audience: Audience = literal.parse()?;
    if !audience.is_ipv6() {
        return Err(RelayHostError::Brackets);
    }
    match rest.strip_prefix(':') {
        Some(port) => Ok((audience, Some(port))),
        None if rest.is_empty() => Ok((audience, None)),
        None => Err(RelayHostError::Port),
    }
}

fn split_name(text: &str) -> Result<(Audience, Option<&str>), RelayHostError> {
    let (name, port) = match text.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(RelayHostError::Brackets),
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    Ok((name.parse()?, port))
}

fn parse_port(text: &str) -> Result<u16, RelayHostError> {
    match text.parse::<u16>() {
        Ok(port) if port != 0 && text == port.to_string() => Ok(port),
        _ => Err(RelayHostError::Port),
    }
}
