//! What may be printed, and the macros by which alone this program logs.
//!
//! A value gets into a log line only if its type is [`Loggable`], and a text only if it stands in the source. Nothing that
//! comes from a peer is: no string, no bytes, no number, no network address, no time. Who implements the trait for a type
//! says that all its values may be read by whoever holds the logs. `clippy.toml` refuses `tracing`'s own macros, and a test
//! that anybody else names `tracing` at all.

use std::fmt;

/// A type all of whose values may be read by whoever holds the logs.
pub trait Loggable: fmt::Display {}

impl<T: Loggable + ?Sized> Loggable for &T {}

/// A text that stands in the source.
impl Loggable for &'static str {}

/// What an operator has written into the configuration or the environment: paths and addresses of the relay's own.
#[derive(Debug, Clone, Copy)]
pub struct OfOperator<T>(pub T);

impl<T: fmt::Display> fmt::Display for OfOperator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> Loggable for OfOperator<T> {}

/// How many of the relay's own things there are: servers, log lines. Never of what a user has or sends.
#[derive(Debug, Clone, Copy)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Loggable for Count {}

/// The kind of a system's error: which call failed, and on what, it does not say.
impl Loggable for std::io::ErrorKind {}

/// Where a value becomes a field, this asks whether it may.
pub fn loggable<T: Loggable + ?Sized>(value: &T) -> &T {
    value
}

/// Logs a line at a level: a text, and fields that are [`Loggable`].
macro_rules! line {
    ($level:ident, $text:literal $(, $name:ident = $value:expr)* $(,)?) => {{
        ::tracing::event!(
            ::tracing::Level::$level,
            $($name = ::tracing::field::display($crate::telemetry::loggable(&$value)),)*
            message = $text
        );
    }};
}

/// Something that the relay cannot go on without.
macro_rules! error {
    ($($line:tt)*) => { $crate::telemetry::line!(ERROR, $($line)*) };
}

/// Something that an operator should look at. (`warn` alone is an attribute's name already.)
macro_rules! warning {
    ($($line:tt)*) => { $crate::telemetry::line!(WARN, $($line)*) };
}

/// Something that happens now and then.
macro_rules! info {
    ($($line:tt)*) => { $crate::telemetry::line!(INFO, $($line)*) };
}

/// The same as [`warning!`], but every ten seconds at most, with how often it was not said since.
macro_rules! warn_rarely {
    ($text:literal $(, $name:ident = $value:expr)* $(,)?) => {{
        static RARELY: $crate::telemetry::Rarely = $crate::telemetry::Rarely::new();
        if let Some(unsaid) = RARELY.now() {
            $crate::telemetry::warn!($text $(, $name = $value)*, unsaid = unsaid);
        }
    }};
}

pub(crate) use {error, info, line, warn_rarely, warning as warn};

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};
    use std::time::{Duration, Instant, SystemTime};

    use bytes::Bytes;
    use sealpost_core::{Address, DeliveryKey, DeliveryKeyHash, Hour, MessageId, Sequence, UnixTime};
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    use super::*;
    use crate::clock::UnixMillis;
    use crate::store::{Envelope, SessionId, StoreError};

    assert_impl_all!(&'static str: Loggable);
    assert_impl_all!(StoreError: Loggable);
    assert_not_impl_any!(Address: Loggable);
    assert_not_impl_any!(DeliveryKey: Loggable);
    assert_not_impl_any!(DeliveryKeyHash: Loggable);
    assert_not_impl_any!(MessageId: Loggable);
    assert_not_impl_any!(SessionId: Loggable);
    assert_not_impl_any!(Envelope: Loggable);
    assert_not_impl_any!(Sequence: Loggable);
    assert_not_impl_any!(IpAddr: Loggable);
    assert_not_impl_any!(SocketAddr: Loggable);
    assert_not_impl_any!(String: Loggable);
    assert_not_impl_any!(Bytes: Loggable);
    assert_not_impl_any!(usize: Loggable);
    assert_not_impl_any!(u64: Loggable);
    assert_not_impl_any!(Hour: Loggable);
    assert_not_impl_any!(UnixTime: Loggable);
    assert_not_impl_any!(UnixMillis: Loggable);
    assert_not_impl_any!(Duration: Loggable);
    assert_not_impl_any!(Instant: Loggable);
    assert_not_impl_any!(SystemTime: Loggable);
    assert_not_impl_any!(std::io::Error: Loggable);
    assert_not_impl_any!(tonic::Status: Loggable);

    /// All sources below this directory.
    fn sources(below: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(below).expect("it is there") {
            let path = entry.expect("it is read").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    #[test]
    fn nobody_but_telemetry_knows_how_to_log() {
        let mut files = Vec::new();
        sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
        assert!(files.len() > 100);
        for file in files.iter().filter(|file| !file.to_string_lossy().contains("/telemetry/")) {
            let source = std::fs::read_to_string(file).expect("it is text");
            for word in ["tracing", "opentelemetry", "prometheus_client"] {
                assert!(!source.contains(word), "{} names {word}", file.display());
            }
        }
    }

    #[test]
    fn what_has_secrets_does_not_show_them() {
        let (mark, bytes) = ("171", [0xAB; 32]);
        let shown = [
            format!("{:?}", Address::from_bytes(bytes)),
            format!("{:?}", DeliveryKey::try_from(&bytes[..]).expect("its length")),
            format!("{:?}", DeliveryKeyHash::try_from(&bytes[..]).expect("its length")),
            format!("{:?}", MessageId::from_bytes([0xAB; 16])),
            format!("{:?}", SessionId([0xAB; 16])),
            format!("{:?}", Envelope::from_checked(bytes.to_vec().into())),
            format!("{:?}", UnixMillis(171)),
        ];
        for text in shown {
            let lower = text.to_lowercase();
            assert!(!lower.contains(mark) && !lower.contains("abab") && !lower.contains("sp1"), "{text}");
        }
    }
}
