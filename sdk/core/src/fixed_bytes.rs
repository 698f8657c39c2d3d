//! Newtypes over byte arrays of one length: identifiers that are public to whoever holds them, but never printed.

use thiserror::Error;

/// A value had another number of bytes than its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a {what} has {expected} bytes")]
pub struct LengthError {
    /// What was being parsed.
    pub what: &'static str,
    /// How many bytes it has.
    pub expected: usize,
}

/// Declares a newtype over `[u8; N]` with the conversions that all of them share.
macro_rules! fixed_bytes {
    ($(#[$meta:meta])* $name:ident, $len:literal, $what:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; $len]);

        impl $name {
            /// The length in bytes.
            pub const LEN: usize = $len;

            /// Wraps bytes that are already known to be one.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes, as they travel.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = $crate::LengthError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                match bytes.try_into() {
                    Ok(bytes) => Ok(Self(bytes)),
                    Err(_) => Err($crate::LengthError { what: $what, expected: $len }),
                }
            }
        }

        redacted_debug!($name);
    };
}

/// Adds `generate` to a type of [`fixed_bytes!`].
macro_rules! random_bytes {
    ($name:ident) => {
        impl $name {
            /// Makes a fresh random one.
            pub fn generate(rng: &mut impl ::rand_core::CryptoRng) -> Self {
                let mut bytes = [0; Self::LEN];
                rng.fill_bytes(&mut bytes);
                Self(bytes)
            }
        }
    };
}
