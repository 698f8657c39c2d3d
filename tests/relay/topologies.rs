//! What must hold over every kind of Redis, over Sentinel and over a Cluster: each starts once, and the cases take turns.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use sealpost::config::DurabilitySetting;
use sealpost_testkit::{AppendOnly, RedisCluster, RedisSentinel, RedisSettings};

use crate::cluster::Cluster;

/// Runs all cases, each with two relays of its own, whatever fails.
macro_rules! run {
    ($relays:expr, [$($module:ident::$case:ident),+ $(,)?]) => {{
        let mut failed = Vec::new();
        $(
            let case = Box::pin(async { crate::$module::$case($relays.await).await });
            if AssertUnwindSafe(case).catch_unwind().await.is_err() {
                failed.push(stringify!($case));
            }
        )+
        assert!(failed.is_empty(), "failed: {failed:?}");
    }};
}

async fn hold(url: String, durability: DurabilitySetting) {
    run!(
        Cluster::over(url.clone(), durability, 2),
        [
            one_consumer::p5_the_newest_wins_across_relays,
            one_consumer::p5_two_that_open_at_once_leave_exactly_one_alive,
            delivering::p9_any_relay_serves_any_owner,
            acknowledging::p9_credit_returns_to_the_streaming_relay_from_another_one,
            delivering::p2_what_was_not_acknowledged_comes_again,
            delivering::p3_backlog_and_live_envelopes_come_in_one_order,
            delivering::p4_caught_up_comes_once_and_never_early,
            sending::p3_one_stream_of_sends_keeps_its_order,
            sending::p8_unknown_mailbox_and_wrong_key_are_answered_alike,
            sending::a_retry_is_not_queued_twice,
            sending::an_ephemeral_envelope_reaches_only_who_listens,
            several_mailboxes::p4_each_mailbox_has_its_own_marker,
            several_mailboxes::a_displaced_mailbox_leaves_the_others_alone,
            acknowledging::a_subscriber_acknowledges_by_session,
        ]
    );
}

fn settings() -> RedisSettings {
    RedisSettings { append_only: AppendOnly::Always, ..RedisSettings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promises_hold_over_sentinel() {
    let redis = RedisSentinel::spawn(settings()).await;
    hold(redis.url(), DurabilitySetting::Replicas(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_promises_hold_over_a_cluster() {
    let redis = RedisCluster::spawn(settings()).await;
    hold(redis.url(), DurabilitySetting::Fsync).await;
}
