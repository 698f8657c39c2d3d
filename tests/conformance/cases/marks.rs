//! What may happen once.

use futures_util::future::join_all;
use sealpost::store::NonceMark;
use sealpost_core::VoucherId;

use crate::fixture::Fixture;
use crate::scene::{Scene, address};

pub(crate) async fn a_nonce_is_new_once<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let mark = NonceMark { hour: scene.hour(), hash: [1; 16] };
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(true));
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(false));
    assert_eq!(scene.store().remember_nonce(NonceMark { hash: [2; 16], ..mark }).await, Ok(true));
    let next = NonceMark { hour: scene.hour().saturating_add(1), ..mark };
    assert_eq!(scene.store().remember_nonce(next).await, Ok(true));
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(false));
}

pub(crate) async fn of_many_at_once_one_is_first<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let mark = NonceMark { hour: scene.hour(), hash: [1; 16] };
    let asked = join_all((0..32).map(|_| {
        let store = scene.store();
        tokio::spawn(async move { store.remember_nonce(mark).await })
    }));
    let first = asked.await.into_iter().filter(|answer| matches!(answer, Ok(Ok(true)))).count();
    assert_eq!(first, 1);
}

pub(crate) async fn a_voucher_is_for_one_mailbox<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let (store, end) = (scene.store(), scene.hour().saturating_add(24));
    let voucher = VoucherId::from_bytes([1; 16]);
    for _ in 0..2 {
        assert_eq!(store.redeem_voucher(voucher, end, address(1)).await, Ok(true));
        assert_eq!(store.redeem_voucher(voucher, end, address(2)).await, Ok(false));
    }
    assert_eq!(store.redeem_voucher(VoucherId::from_bytes([2; 16]), end, address(2)).await, Ok(true));
}

pub(crate) async fn marks_survive_a_restart<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    let mark = NonceMark { hour: scene.hour(), hash: [1; 16] };
    let (voucher, end) = (VoucherId::from_bytes([1; 16]), scene.hour().saturating_add(24));
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(true));
    assert_eq!(scene.store().redeem_voucher(voucher, end, address(1)).await, Ok(true));
    scene.fixture.restart().await;
    assert_eq!(scene.store().remember_nonce(mark).await, Ok(false));
    assert_eq!(scene.store().redeem_voucher(voucher, end, address(2)).await, Ok(false));
    assert_eq!(scene.store().redeem_voucher(voucher, end, address(1)).await, Ok(true));
}
