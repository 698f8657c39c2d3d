//! What may happen once only: proofs and vouchers. And the health check.

use redb::ReadableTable as _;
use sealpost_core::{Address, Hour, VoucherId};

use super::super::NonceMark;
use super::super::mark::{self, MARK_LEN};
use super::fault::Fault;
use super::tables::{NonceKey, VoucherValue};
use super::work::Work;

impl Work<'_> {
    pub(super) fn remember_nonce(&mut self, mark: &NonceMark) -> Result<bool, Fault> {
        let new = self.tables.nonces.insert(&nonce_key(mark.hour, mark.hash), ())?.is_none();
        self.changed |= new;
        Ok(new)
    }

    pub(super) fn redeem_voucher(
        &mut self,
        voucher: &VoucherId,
        expires: Hour,
        mailbox: &Address,
    ) -> Result<bool, Fault> {
        if let Some(spent) = self.tables.vouchers.get(voucher.as_bytes())? {
            let [_, _, _, _, admitted @ ..] = spent.value();
            return Ok(*admitted == mark::of_voucher(voucher, mailbox));
        }
        self.tables.vouchers.insert(voucher.as_bytes(), &voucher_value(expires, mark::of_voucher(voucher, mailbox)))?;
        self.changed = true;
        Ok(true)
    }

    /// Stores something, for a full disk is noticed only by who writes.
    pub(super) fn check(&mut self) -> Result<(), Fault> {
        self.tables.meta.insert("checked", u64::from(self.now.0))?;
        self.changed = true;
        Ok(())
    }
}

pub(super) fn nonce_key(hour: Hour, hash: [u8; 16]) -> NonceKey {
    let mut key = [0; 20];
    let (first, rest) = key.split_at_mut(4);
    first.copy_from_slice(&hour.0.to_be_bytes());
    rest.copy_from_slice(&hash);
    key
}

fn voucher_value(expires: Hour, admitted: [u8; MARK_LEN]) -> VoucherValue {
    let mut value = [0; 4 + MARK_LEN];
    let (first, rest) = value.split_at_mut(4);
    first.copy_from_slice(&expires.0.to_be_bytes());
    rest.copy_from_slice(&admitted);
    value
}
