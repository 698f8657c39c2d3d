//! One suite that every store must pass.
//!
//! [`cases`] holds a test for each promise; [`model`] compares random histories with a plain model. Each runs once for
//! each store, as a test of its own: `embedded_on_disk::appending::p1_accepted_survives_a_crash`; over Sentinel and over a
//! Cluster all of them are one test.
#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a panic is a failed test"
)]

mod cases;
mod embedded;
mod fixture;
mod model;
mod recording;
mod redis;
mod scene;
mod topologies;

/// Makes a test of each case for each store.
macro_rules! conformance {
    ($($group:ident { $($case:ident,)+ })+) => {
        conformance!(@store embedded_on_disk, crate::embedded::OnDisk, $($group { $($case,)+ })+);
        conformance!(@store embedded_in_memory, crate::embedded::InMemory, $($group { $($case,)+ })+);
        conformance!(@store redis_server, crate::redis::OnServer, $($group { $($case,)+ })+);
        conformance!(@topology redis_sentinel, sealpost_testkit::RedisSentinel, $($group { $($case,)+ })+);
        conformance!(@topology redis_cluster, sealpost_testkit::RedisCluster, $($group { $($case,)+ })+);
    };
    (@topology $test:ident, $topology:ty, $($group:ident { $($case:ident,)+ })+) => {
        #[test]
        fn $test() {
            topologies::all::<$topology>(&[$($((
                concat!(stringify!($group), "::", stringify!($case)),
                |runtime| runtime.block_on(cases::$group::$case::<topologies::Over<$topology>>()),
            ),)+)+]);
        }
    };
    (@store $store:ident, $fixture:ty, $($group:ident { $($case:ident,)+ })+) => {
        mod $store {
            $(mod $group {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    crate::cases::$group::$case::<$fixture>().await;
                })+
            })+

            #[test]
            fn agrees_with_the_model() {
                crate::model::agrees::<$fixture>();
            }
        }
    };
}

conformance! {
    acknowledging {
        acknowledged_envelopes_are_gone,
        acknowledging_twice_or_for_nothing_changes_nothing,
        bytes_are_accounted_exactly,
        a_session_acknowledges_a_range_and_single_ones,
        a_session_that_ended_acknowledges_nothing,
        a_late_acknowledgement_for_a_deleted_mailbox_is_ignored,
        p2_a_late_acknowledgement_does_not_reach_a_mailbox_made_anew,
    }
    appending {
        p1_accepted_survives_a_restart,
        p1_accepted_survives_a_crash,
        p1_what_is_told_can_be_read,
        p3_sequences_are_dense_and_in_order_under_concurrency,
        p3_a_batch_keeps_its_order,
        p3_what_many_ask_at_once_is_done_and_answered_for_each,
        p6_a_mailbox_full_of_messages_refuses_and_keeps_all,
        p6_a_mailbox_full_of_bytes_refuses_and_keeps_all,
        p6_acknowledging_makes_room,
        p8_an_unknown_mailbox_and_a_wrong_key_get_the_same_answer,
        a_sequence_is_not_given_again_after_draining,
        a_sequence_is_not_given_again_after_draining_and_a_restart,
        an_ephemeral_envelope_is_told_of_and_never_stored,
        an_ephemeral_envelope_needs_a_key_and_no_room,
        an_empty_batch_is_nothing,
        everything_about_an_entry_is_kept,
    }
    expiring {
        expired_envelopes_are_left_out,
        expired_envelopes_free_their_room,
        a_mailbox_is_reclaimed_when_its_owner_stays_away,
        an_owner_who_comes_keeps_the_mailbox,
        old_nonces_are_forgotten,
    }
    keys {
        a_key_ends_at_the_start_of_its_hour,
        a_key_may_end_in_the_last_hour_of_all,
        new_keys_replace_the_old_ones,
        each_of_several_keys_opens,
    }
    mailboxes {
        making_one_again_changes_nothing,
        an_unknown_mailbox_is_none_everywhere,
        describe_is_complete,
        inspect_shows_the_first_entries,
        a_change_leaves_the_rest,
        a_card_is_for_the_holders_of_a_key,
        deleting_ends_everything,
        one_made_anew_starts_clean,
        mailboxes_do_not_touch_each_other,
        an_unreadable_entry_is_an_error,
        the_store_is_healthy,
    }
    marks {
        a_nonce_is_new_once,
        of_many_at_once_one_is_first,
        a_voucher_is_for_one_mailbox,
        marks_survive_a_restart,
    }
    opening {
        opening_says_what_there_is,
        p5_opening_ends_the_older_session,
        p5_of_many_at_once_one_remains,
        a_session_survives_a_restart,
        generations_rise_over_a_restart,
    }
    reading {
        pages_end_at_the_limit_of_messages,
        pages_end_at_the_limit_of_bytes,
        an_envelope_that_does_not_fit_is_left,
        the_end_is_said_when_these_were_all,
        a_gap_is_no_obstacle,
        a_large_backlog_is_read_whole,
    }
    retrying {
        a_retry_gets_the_first_answer_and_tells_nobody,
        a_retry_succeeds_in_a_full_mailbox,
        a_retry_that_was_never_queued_is_queued,
        a_retry_looks_only_so_far_back,
        a_retry_of_what_was_acknowledged_is_queued,
        a_message_id_means_nothing_across_mailboxes,
        without_retry_the_same_id_is_queued_again,
        a_retry_is_known_after_a_restart,
    }
    telling {
        events_come_in_order_and_whole,
        nobody_hears_of_a_mailbox_that_is_not_watched,
        watches_are_counted,
        refusals_are_silent,
        acknowledgements_by_session_are_told,
        deleting_is_told_once,
    }
}
