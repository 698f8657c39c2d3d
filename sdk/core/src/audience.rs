//! The relay's name, which signatures are bound to.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

const MAX_LEN: usize = 253;
const MAX_LABEL_LEN: usize = 63;

/// The name by which a relay is reached, without port or brackets, in its one canonical form: a lower-case ASCII host
/// name, an IPv4 literal, or an IPv6 literal as RFC 5952 writes it; 1 to 253 bytes.
///
/// A proof or voucher made for one relay is refused by every other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Audience(Box<str>);

/// A text that names no relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AudienceError {
    /// Empty, or longer than 253 bytes.
    #[error("a relay's name has 1 to 253 bytes")]
    Length,
    /// Not a host name in lower case, and not an IP literal in canonical form.
    #[error("the relay's name is not a lower-case host name or canonical IP literal")]
    Malformed,
}

impl Audience {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is an IPv6 literal, which URLs put into brackets.
    pub fn is_ipv6(&self) -> bool {
        self.0.contains(':')
    }

    /// Appends the name as signatures cover it: one byte for the length, then the name.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        // 1 to 253 by construction.
        out.push(u8::try_from(self.0.len()).unwrap_or_default());
        out.extend_from_slice(self.0.as_bytes());
    }
}

impl FromStr for Audience {
    type Err = AudienceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > MAX_LEN {
            return Err(AudienceError::Length);
        }
        if is_canonical_ipv6(text) || is_ipv4(text) || is_host_name(text) {
            Ok(Self(text.into()))
        } else {
            Err(AudienceError::Malformed)
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_canonical_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|ip| ip.to_string() == text)
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

/// Letters, digits and inner hyphens in labels of 1 to 63 bytes (RFC 1123 §2.1). The last label is not all digits:
/// such names are read as IPv4 literals, here and in browsers.
fn is_host_name(text: &str) -> bool {
    let last = text.rsplit('.').next().unwrap_or_default();
    text.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL_LEN).contains(&label.len())
        && label.bytes().all(allowed)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_and_canonical_literals_are_names() {
        for text in ["relay.example.org", "localhost", "a-1.b", "127.0.0.1", "::1", "2001:db8::7"] {
            assert_eq!(text.parse::<Audience>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn other_texts_are_not() {
        let malformed = [
            "Relay.example.org",
            "relay.example.org.",
            "-a.b",
            "a-.b",
            "a..b",
            "a_b",
            "a b",
            "[::1]",
            "::0001",
            "2001:DB8::7",
            "1.2.3",
            "256.1.1.1",
            "01.2.3.4",
            "relay:443",
            "é.org",
            &"a".repeat(64),
        ];
        for text in malformed {
            assert_eq!(text.parse::<Audience>(), Err(AudienceError::Malformed), "{text}");
        }
        assert_eq!("".parse::<Audience>(), Err(AudienceError::Length));
        assert_eq!("a.".repeat(127).parse::<Audience>(), Err(AudienceError::Length));
    }
}
