//! Who may deliver.

use sealpost::store::{Append, AppendError, Grant, MailboxChange};
use sealpost_core::Hour;

use crate::fixture::Fixture;
use crate::scene::{Scene, key};

async fn grant<F: Fixture>(scene: &Scene<F>, grants: Vec<Grant>) {
    let change = MailboxChange { grants: Some(grants), card: None };
    assert_eq!(scene.store().update(scene.address, change).await, Ok(true));
}

async fn opens<F: Fixture>(scene: &Scene<F>, number: u8) -> bool {
    let stored = match scene.try_send(Append { key: key(number), ..scene.message(10) }).await {
        Ok(_) => true,
        Err(AppendError::Refused) => false,
        Err(error) => panic!("{error}"),
    };
    let passed = scene.try_send(Append { key: key(number), ephemeral: true, ..scene.message(10) }).await.is_ok();
    let card = scene.store().card(scene.address, key(number)).await.expect("the store works").is_some();
    assert_eq!((stored, stored), (passed, card), "a key opens everything or nothing");
    stored
}

pub(crate) async fn a_key_ends_at_the_start_of_its_hour<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let end = scene.hour().saturating_add(2);
    grant(&scene, vec![Grant { key: key(2), expires: Some(end) }]).await;
    assert!(opens(&scene, 2).await);
    scene.pass_hours(1);
    assert!(opens(&scene, 2).await);
    scene.pass_hours(1);
    assert!(!opens(&scene, 2).await);
    grant(&scene, vec![Grant { key: key(2), expires: Some(Hour(end.0 + 1)) }]).await;
    assert!(opens(&scene, 2).await);
}

/// It is not the same as a key that does not end, whatever a store writes for that.
pub(crate) async fn a_key_may_end_in_the_last_hour_of_all<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    let mut grants = vec![Grant { key: key(2), expires: Some(Hour(u32::MAX)) }, Grant { key: key(3), expires: None }];
    grants.sort_by_key(|grant| *grant.key.as_bytes());
    grant(&scene, grants.clone()).await;
    scene.fixture.restart().await;
    assert!(opens(&scene, 2).await && opens(&scene, 3).await);
    assert_eq!(scene.describe().await.grants, grants);
}

pub(crate) async fn new_keys_replace_the_old_ones<F: Fixture>() {
    let mut scene = Scene::<F>::new().await;
    assert!(opens(&scene, 1).await);
    grant(&scene, vec![Grant { key: key(1), expires: None }, Grant { key: key(2), expires: None }]).await;
    assert!(opens(&scene, 1).await && opens(&scene, 2).await);
    grant(&scene, vec![Grant { key: key(2), expires: None }]).await;
    assert!(!opens(&scene, 1).await && opens(&scene, 2).await);
    scene.fixture.restart().await;
    assert!(!opens(&scene, 1).await && opens(&scene, 2).await);
    grant(&scene, Vec::new()).await;
    assert!(!opens(&scene, 2).await);
    assert_eq!(scene.describe().await.grants, []);
}

pub(crate) async fn each_of_several_keys_opens<F: Fixture>() {
    let scene = Scene::<F>::new().await;
    let grants = (10..18).rev().map(|number| Grant { key: key(number), expires: None }).collect();
    grant(&scene, grants).await;
    for number in 9..19 {
        assert_eq!(opens(&scene, number).await, (10..18).contains(&number));
    }
}
