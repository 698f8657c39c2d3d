//! What is over goes, also where nobody looks.

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::super::medium::Memory;
use super::super::tables::{CARDS, COUNTERS, ENTRIES, GRANTS, NONCES, VOUCHERS};
use super::*;
use crate::store::{MailboxChange, NonceMark};
use sealpost_core::VoucherId;

const MONTH: u64 = 31 * 24 * 3600;

/// Rows in all tables: mailboxes, entries, and marks.
fn rows(store: &EmbeddedStore) -> (u64, u64, u64) {
    let database = store.shared.database.read();
    let reading = database.as_ref().expect("it is open").begin_read().expect("it reads");
    let counters = reading.open_table(COUNTERS).expect("a table").len().expect("a length");
    assert_eq!(reading.open_table(GRANTS).expect("a table").len().expect("a length"), counters);
    assert_eq!(reading.open_table(CARDS).expect("a table").len().expect("a length"), counters);
    let entries = reading.open_table(ENTRIES).expect("a table").len().expect("a length");
    let nonces = reading.open_table(NONCES).expect("a table").len().expect("a length");
    let vouchers = reading.open_table(VOUCHERS).expect("a table").len().expect("a length");
    (counters, entries, nonces + vouchers)
}

#[tokio::test]
async fn everything_that_is_over_is_swept() {
    let (clock, told) = (Clock::standing_at(NOON), Arc::default());
    let store = on(Memory::default(), Durability::Memory, &clock, &told);
    for number in 0..100 {
        let address = Address::from_bytes([number; 32]);
        make(&store, address).await.expect("it is made");
        let change = MailboxChange { grants: None, card: Some(Bytes::from_static(b"card")) };
        store.update(address, change).await.expect("it works");
        for _ in 0..30 {
            send(&store, address).await.expect("it is accepted");
        }
        let mark = NonceMark { hour: clock.now().hour(), hash: [number; 16] };
        assert_eq!(store.remember_nonce(mark).await, Ok(true));
        let end = clock.now().hour().saturating_add(5);
        assert_eq!(store.redeem_voucher(VoucherId::from_bytes([number; 16]), end, address).await, Ok(true));
    }
    assert_eq!(rows(&store), (100, 3000, 200));
    clock.advance(3600);
    assert_eq!(store.remember_nonce(NonceMark { hour: clock.now().hour(), hash: [0; 16] }).await, Ok(true));
    clock.advance(3600);
    eventually("old nonces are gone", PATIENCE, async || (rows(&store) == (100, 3000, 101)).then_some(())).await;
    clock.advance(4 * 3600);
    eventually("vouchers are gone", PATIENCE, async || (rows(&store) == (100, 3000, 0)).then_some(())).await;
    clock.advance(MONTH);
    eventually("envelopes are gone", PATIENCE, async || (rows(&store) == (100, 0, 0)).then_some(())).await;
    let description = store.describe(ADDRESS).await.expect("it works").expect("a mailbox");
    assert_eq!((description.queued_messages, description.queued_bytes, description.last.get()), (0, 0, 30));
    store.watch(ADDRESS).await.expect("it works");
    clock.advance(12 * MONTH);
    eventually("mailboxes are gone", PATIENCE, async || (rows(&store) == (0, 0, 0)).then_some(())).await;
    assert!(told.0.lock().contains(&(ADDRESS, Event::Deleted)));
}

#[tokio::test]
async fn what_is_not_over_stays() {
    let (clock, told) = (Clock::standing_at(NOON), Arc::default());
    let store = on(Memory::default(), Durability::Memory, &clock, &told);
    make(&store, ADDRESS).await.expect("it is made");
    let change = MailboxChange { grants: None, card: Some(Bytes::from_static(b"card")) };
    store.update(ADDRESS, change).await.expect("it works");
    send(&store, ADDRESS).await.expect("it is accepted");
    clock.advance(29 * 24 * 3600);
    send(&store, ADDRESS).await.expect("it is accepted");
    clock.advance(2 * 24 * 3600);
    eventually("the old one is gone", PATIENCE, async || (rows(&store) == (1, 1, 0)).then_some(())).await;
    assert_eq!(send(&store, ADDRESS).await, Ok(3));
}
