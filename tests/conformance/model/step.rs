//! What happens in a history.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

/// One thing that somebody does. Mailboxes are 0 and 1; relative numbers are turned into real ones by the history.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create {
        mailbox: u8,
    },
    Delete {
        mailbox: u8,
    },
    /// Keys by number, with how many hours each has left.
    Rekey {
        mailbox: u8,
        keys: Vec<(u8, Option<u8>)>,
    },
    Append(Vec<Message>),
    Open {
        mailbox: u8,
    },
    Read {
        mailbox: u8,
        session: u8,
        after: u64,
        max_messages: u32,
        max_bytes: u64,
    },
    Acknowledge {
        mailbox: u8,
        sequences: Vec<u64>,
    },
    AcknowledgeBySession {
        mailbox: u8,
        session: u8,
        up_to: u64,
        sequences: Vec<u64>,
    },
    Describe {
        mailbox: u8,
    },
    Inspect {
        mailbox: u8,
        max_entries: u32,
    },
    PassHours(u8),
    Restart,
    /// Compares what was told up to now.
    Listen {
        mailbox: u8,
    },
    Watch {
        mailbox: u8,
    },
    Unwatch {
        mailbox: u8,
    },
}

/// One envelope that somebody sends.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) mailbox: u8,
    pub(crate) key: u8,
    pub(crate) size: usize,
    pub(crate) ephemeral: bool,
    pub(crate) retried: bool,
    /// The id of the message that was sent to the mailbox so many before; a new one otherwise.
    pub(crate) same_as: Option<u8>,
}

pub(crate) fn histories() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..80)
}

fn step() -> impl Strategy<Value = Step> {
    let mailbox = || prop_oneof![3 => Just(0_u8), 1 => Just(1)];
    let sequences = || btree_set(0_u64..14, 0..5).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    // The current session, mostly; else an older one.
    let session = || prop_oneof![6 => Just(0_u8), 1 => 1_u8..4];
    let keys = btree_map(1_u8..4, option::weighted(0.5, 0_u8..4), 0..4).prop_map(|keys| keys.into_iter().collect());
    prop_oneof![
        2 => mailbox().prop_map(|mailbox| Step::Create { mailbox }),
        1 => mailbox().prop_map(|mailbox| Step::Delete { mailbox }),
        1 => (mailbox(), keys).prop_map(|(mailbox, keys)| Step::Rekey { mailbox, keys }),
        12 => vec(message(), 1..5).prop_map(Step::Append),
        3 => mailbox().prop_map(|mailbox| Step::Open { mailbox }),
        6 => (mailbox(), session(), 0_u64..14, 1_u32..6, 0_u64..400).prop_map(
            |(mailbox, session, after, max_messages, max_bytes)| Step::Read {
                mailbox,
                session,
                after,
                max_messages,
                max_bytes,
            }
        ),
        5 => (mailbox(), sequences())
            .prop_map(|(mailbox, sequences)| Step::Acknowledge { mailbox, sequences }),
        3 => (mailbox(), session(), 0_u64..14, sequences()).prop_map(|(mailbox, session, up_to, sequences)| {
            Step::AcknowledgeBySession { mailbox, session, up_to, sequences }
        }),
        2 => mailbox().prop_map(|mailbox| Step::Describe { mailbox }),
        1 => (mailbox(), 0_u32..8).prop_map(|(mailbox, max_entries)| Step::Inspect { mailbox, max_entries }),
        2 => (1_u8..4).prop_map(Step::PassHours),
        1 => Just(Step::Restart),
        1 => mailbox().prop_map(|mailbox| Step::Listen { mailbox }),
        1 => mailbox().prop_map(|mailbox| Step::Watch { mailbox }),
        1 => mailbox().prop_map(|mailbox| Step::Unwatch { mailbox }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let size = prop_oneof![4 => 8_usize..60, 1 => 60_usize..350];
    let mailbox = prop_oneof![3 => Just(0_u8), 1 => Just(1)];
    let key = prop_oneof![8 => Just(1_u8), 1 => 2_u8..4, 1 => Just(9)];
    let same_as = prop_oneof![3 => Just(None), 2 => (0_u8..6).prop_map(Some)];
    (mailbox, key, size, prop::bool::weighted(0.15), prop::bool::weighted(0.4), same_as).prop_map(
        |(mailbox, key, size, ephemeral, retried, same_as)| Message { mailbox, key, size, ephemeral, retried, same_as },
    )
}
