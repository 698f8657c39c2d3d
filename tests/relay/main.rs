//! Whole relays in one process, over real connections and a real store, held to the promises by a raw client.
//!
//! Each promise P1 to P12 has tests named for it. A [`cluster`] is one or more relays over one store; an
//! [`owner`] has a mailbox and speaks the contract without the SDK, so that what is tested is the relay.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is a failed test"
)]

mod browser;
mod cluster;
mod loyal;
mod operator;
mod owner;
mod stream;

mod acknowledging;
mod admin;
mod admission;
mod bad_input;
mod browsers;
mod delivering;
mod failing_over;
mod full_memory;
mod leaving;
mod limits;
mod metrics;
mod moving_slots;
mod one_consumer;
mod one_of_three;
mod reflection;
mod sending;
mod several_mailboxes;
mod starting;
mod store_faults;
mod tls;
mod topologies;
mod traces;

/// Makes a test of each case for each store.
macro_rules! over_both_stores {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::cluster::Cluster::embedded().await).await;
            })+
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::cluster::Cluster::redis(1).await).await;
            })+
        }
    };
}
use over_both_stores;

/// Makes a test of each case for two relays over one Redis; [`topologies`] runs them over the other kinds of it.
macro_rules! over_two_relays {
    ($($case:ident),+ $(,)?) => {
        mod two_relays {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(crate::cluster::Cluster::redis(2).await).await;
            })+
        }
    };
}
use over_two_relays;
