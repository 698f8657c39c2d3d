//! The scripts that keep a mailbox's books: each is atomic, touches one mailbox's keys, and is called by its digest.
//!
//! Their first lines say what Redis may refuse before anything is done: all of them on a replica, and those that take
//! in on a server that is out of memory.

use redis::Script as RedisScript;

use super::wire::{Arguments, Out};
use crate::store::QueueLimits;

/// A script with its digest.
pub(super) struct Script {
    source: String,
    digest: String,
}

impl Script {
    fn new(script: &str, constants: &str) -> Self {
        let (flags, body) = script.split_once('\n').unwrap_or((script, ""));
        let source = format!("{flags}\n{constants}{}{body}", include_str!("scripts/common.lua"));
        let digest = RedisScript::new(&source).get_hash().to_owned();
        Self { source, digest }
    }

    /// Begins a call with these keys and so many arguments, which the caller adds.
    pub(super) fn call<'out>(&self, out: &'out mut Out<'_>, keys: &[&[u8]], arguments: usize) -> &'out mut Arguments {
        let [.., count] = keys.len().to_be_bytes();
        let call = out.command(3 + keys.len() + arguments);
        call.arg("EVALSHA").arg(&self.digest).number(count);
        for key in keys {
            call.arg(key);
        }
        call
    }

    /// Begins a call that may be made together with others that have the same beginning.
    pub(super) fn join<'out>(
        &self,
        out: &'out mut Out<'_>,
        beginning: &[&[u8]],
        keys: &[&[u8]],
        arguments: usize,
    ) -> &'out mut Arguments {
        out.join(&self.digest, beginning, keys, arguments)
    }

    /// Its text, for the server to know it.
    pub(super) fn source(&self) -> &str {
        &self.source
    }
}

fn constants(limits: &QueueLimits) -> String {
    let QueueLimits { max_messages, max_bytes, message_ttl_hours, idle_ttl_hours: _, retry_window } = limits;
    format!(
        "local MOST_MESSAGES, MOST_BYTES, TTL_HOURS, RETRY_WINDOW = {max_messages}, {max_bytes}, {message_ttl_hours}, \
         {retry_window}\n"
    )
}

/// Names the scripts once.
macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        /// All of them.
        pub(super) struct Scripts {
            $(pub(super) $name: Script,)+
        }

        impl Scripts {
            /// For an installation with these limits, which stand in the scripts: an argument of each call would cost.
            pub(super) fn new(limits: &QueueLimits) -> Self {
                let constants = constants(limits);
                Self { $($name: Script::new(include_str!(concat!("scripts/", stringify!($name), ".lua")), &constants),)+ }
            }

            /// Every script, to be loaded into a server.
            pub(super) fn all(&self) -> Vec<&Script> {
                vec![$(&self.$name,)+]
            }
        }
    };
}

scripts! {
    append,
    open,
    read,
    acknowledge,
    acknowledge_by_session,
    create,
    update,
    delete,
    describe,
    card,
    remember_nonce,
}
