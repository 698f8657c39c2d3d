//! A mailbox's address: the hash of its owner's public key.

use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{IdentityPublicKey, LengthError};

const TAG: &[u8] = b"sealpost/v1/address";
/// The only algorithm so far: Ed25519.
const ED25519: u8 = 0x01;
const HRP: Hrp = Hrp::parse_unchecked("sp");

fixed_bytes! {
    /// SHA-256 over a domain tag, an algorithm byte and the owner's Ed25519 public key.
    ///
    /// It names a mailbox and commits to the only key that can open it. Its text form is bech32m (BIP 350), `sp1…`.
    Address, 32, "address"
}

/// A text that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Not bech32m: another alphabet, a wrong checksum, or upper case.
    #[error("the address is not lower-case bech32m text")]
    Encoding,
    /// bech32m of something else: the prefix is not `sp`.
    #[error("the address does not begin with sp1")]
    Prefix,
    /// The text encodes another number of bytes than 32.
    #[error("the address is too short or too long")]
    Length,
}

impl Address {
    /// The address of the owner of this key.
    pub fn of(key: &IdentityPublicKey) -> Self {
        let hash = Sha256::new().chain_update(TAG).chain_update([ED25519]).chain_update(key.as_bytes());
        Self(hash.finalize().into())
    }

    /// The text form, 61 characters beginning with `sp1`. It says who talks to whom: keep it out of logs.
    pub fn to_text(&self) -> String {
        // The only failure is a text too long for the code, and 61 characters are not.
        bech32::encode::<Bech32m>(HRP, &self.0).unwrap_or_default()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| AddressError::Encoding)?;
        if checked.hrp() != HRP {
            return Err(AddressError::Prefix);
        }
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let address = Self::try_from(bytes.as_slice())?;
        // Upper case and stray bits in the last character decode too; an address has one text only.
        if address.to_text() == text { Ok(address) } else { Err(AddressError::Encoding) }
    }
}

impl From<LengthError> for AddressError {
    fn from(_: LengthError) -> Self {
        Self::Length
    }
}
