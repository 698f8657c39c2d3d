//! A voucher: the operator's word that whoever brings it may create one mailbox.

use thiserror::Error;

use crate::reader::Reader;
use crate::{Audience, Hour, IdentityKey, IdentityPublicKey, Signature, UnixTime, text};

const TAG: &[u8] = b"sealpost/v1/voucher";
const VERSION: u8 = 0x01;

/// The length of a voucher in bytes.
pub const VOUCHER_LEN: usize = 1 + VoucherId::LEN + 4 + Signature::LEN;

/// A single-use admission, signed by an operator's key for one relay. It names nobody: an app's backend can admit its
/// users without telling the relay who they are.
#[derive(Clone, PartialEq, Eq)]
pub struct Voucher {
    id: VoucherId,
    expires: Hour,
    signature: Signature,
}

fixed_bytes! {
    /// 16 random bytes by which a relay knows that a voucher was used.
    VoucherId, 16, "voucher id"
}
random_bytes!(VoucherId);

/// Why a voucher is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VoucherError {
    /// Not base64url text of a voucher.
    #[error("the voucher is not unpadded base64url text")]
    Encoding,
    /// Not 85 bytes.
    #[error("the voucher is too short or too long")]
    Length,
    /// A version that this code does not know.
    #[error("the voucher has an unknown version")]
    Version,
    /// The hour of its end has begun.
    #[error("the voucher is expired")]
    Expired,
    /// None of the operators signed it for any of the relay's names.
    #[error("the voucher's signature is wrong")]
    BadSignature,
}

impl Voucher {
    /// Issues a voucher for the relay of this name; it is refused from the first second of `expires`.
    pub fn issue(operator: &IdentityKey, audience: &Audience, id: VoucherId, expires: Hour) -> Self {
        let signature = operator.sign(&signed_bytes(audience, &id, expires));
        Self { id, expires, signature }
    }

    /// Reads a voucher's bytes; its signature is checked by [`Voucher::verify`].
    ///
    /// # Errors
    /// [`VoucherError::Length`] or [`VoucherError::Version`].
    pub fn parse(bytes: &[u8]) -> Result<Self, VoucherError> {
        let bytes: &[u8; VOUCHER_LEN] = bytes.try_into().map_err(|_| VoucherError::Length)?;
        let mut reader = Reader::new(bytes);
        if reader.u8() != Some(VERSION) {
            return Err(VoucherError::Version);
        }
        let fields = (|| Some((reader.array()?, reader.u32()?, reader.array()?)))();
        let (id, expires, signature) = fields.ok_or(VoucherError::Length)?;
        Ok(Self {
            id: VoucherId::from_bytes(*id),
            expires: Hour(expires),
            signature: Signature::from_bytes(*signature),
        })
    }

    /// Reads a voucher's text form.
    ///
    /// # Errors
    /// [`VoucherError::Encoding`] and those of [`Voucher::parse`].
    pub fn from_text(text: &str) -> Result<Self, VoucherError> {
        Self::parse(&text::from_base64url(text).ok_or(VoucherError::Encoding)?)
    }

    /// Checks that one of the operators issued this for one of the relay's names, and that it is not over. That it was
    /// not used before remains to be checked.
    ///
    /// # Errors
    /// [`VoucherError::Expired`] or [`VoucherError::BadSignature`].
    pub fn verify(
        &self,
        operators: &[IdentityPublicKey],
        accepted: &[Audience],
        now: UnixTime,
    ) -> Result<(), VoucherError> {
        if now >= self.expires.start() {
            return Err(VoucherError::Expired);
        }
        let is_for = |audience| {
            let bytes = signed_bytes(audience, &self.id, self.expires);
            operators.iter().any(|operator| operator.verify(&bytes, &self.signature).is_ok())
        };
        if accepted.iter().any(is_for) { Ok(()) } else { Err(VoucherError::BadSignature) }
    }

    /// What the relay remembers once it is used.
    pub fn id(&self) -> VoucherId {
        self.id
    }

    /// The hour from whose start it is refused, and may be forgotten.
    pub fn expires(&self) -> Hour {
        self.expires
    }

    /// The bytes, as they travel.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(VOUCHER_LEN);
        write_fields(&mut bytes, &self.id, self.expires);
        bytes.extend_from_slice(self.signature.as_bytes());
        bytes
    }

    /// The text form: 114 characters of base64url. Whoever has it can use it.
    pub fn to_text(&self) -> String {
        text::to_base64url(&self.to_bytes())
    }
}

fn signed_bytes(audience: &Audience, id: &VoucherId, expires: Hour) -> Vec<u8> {
    let mut bytes = TAG.to_vec();
    audience.write_to(&mut bytes);
    write_fields(&mut bytes, id, expires);
    bytes
}

fn write_fields(out: &mut Vec<u8>, id: &VoucherId, expires: Hour) {
    out.push(VERSION);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&expires.0.to_be_bytes());
}

redacted_debug!(Voucher);
