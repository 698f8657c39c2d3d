//! Who may make a mailbox.

use sealpost_core::{Address, Audience, IdentityPublicKey, UnixTime, Voucher, VoucherError};
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;

use super::failure;
use crate::store::Store;

/// Who may make a mailbox.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Anybody.
    Open,
    /// Whoever has a voucher signed by one of these keys, which is spent on one mailbox. The relay learns that the
    /// operator lets somebody in, but not whom.
    Voucher(Vec<IdentityPublicKey>),
}

impl Admission {
    /// Lets a mailbox in, or says why not.
    pub(super) async fn admit(
        &self,
        voucher: &[u8],
        mailbox: Address,
        names: &[Audience],
        now: UnixTime,
        store: &dyn Store,
    ) -> Result<(), Failure> {
        let Self::Voucher(operators) = self else { return Ok(()) };
        if voucher.is_empty() {
            return Err(Failure::new(
                Reason::VoucherRequired,
                "this relay makes mailboxes only for a voucher of its operator",
            ));
        }
        let invalid = || {
            Failure::new(Reason::VoucherInvalid, "the voucher is not one that this relay's operator has signed for it")
        };
        let voucher = Voucher::parse(voucher).map_err(|_| invalid())?;
        voucher.verify(operators, names, now).map_err(|error| match error {
            VoucherError::Expired => Failure::new(Reason::VoucherExpired, "the voucher's time is over"),
            _ => invalid(),
        })?;
        match store.redeem_voucher(voucher.id(), voucher.expires(), mailbox).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::new(Reason::VoucherSpent, "the voucher has admitted another mailbox")),
            Err(error) => Err(failure::of_store(error)),
        }
    }
}
