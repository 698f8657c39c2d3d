//! The scripts that keep a mailbox's books: each is atomic, touches one mailbox's keys, and is called by its digest.

use redis::Cmd;
use redis::Script as RedisScript;

/// A script with its digest.
pub(super) struct Script {
    source: String,
    digest: String,
}

impl Script {
    fn new(body: &str) -> Self {
        let source = format!("{}{body}", include_str!("scripts/common.lua"));
        let digest = RedisScript::new(&source).get_hash().to_owned();
        Self { source, digest }
    }

    /// A call with these keys; the caller adds the arguments.
    pub(super) fn call(&self, keys: &[&[u8]]) -> Cmd {
        let mut command = Cmd::new();
        command.arg("EVALSHA").arg(&self.digest).arg(keys.len());
        for key in keys {
            command.arg(*key);
        }
        command
    }

    /// The command that makes the server know it.
    pub(super) fn load(&self) -> Cmd {
        let mut command = Cmd::new();
        command.arg("SCRIPT").arg("LOAD").arg(&self.source);
        command
    }
}

/// All of them.
pub(super) struct Scripts {
    pub(super) append: Script,
    pub(super) open: Script,
    pub(super) read: Script,
    pub(super) acknowledge: Script,
    pub(super) acknowledge_by_session: Script,
    pub(super) create: Script,
    pub(super) update: Script,
    pub(super) delete: Script,
    pub(super) describe: Script,
    pub(super) card: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            append: Script::new(include_str!("scripts/append.lua")),
            open: Script::new(include_str!("scripts/open.lua")),
            read: Script::new(include_str!("scripts/read.lua")),
            acknowledge: Script::new(include_str!("scripts/acknowledge.lua")),
            acknowledge_by_session: Script::new(include_str!("scripts/acknowledge_by_session.lua")),
            create: Script::new(include_str!("scripts/create.lua")),
            update: Script::new(include_str!("scripts/update.lua")),
            delete: Script::new(include_str!("scripts/delete.lua")),
            describe: Script::new(include_str!("scripts/describe.lua")),
            card: Script::new(include_str!("scripts/card.lua")),
        }
    }

    /// Every script, to be loaded into a server.
    pub(super) fn all(&self) -> [&Script; 10] {
        [
            &self.append,
            &self.open,
            &self.read,
            &self.acknowledge,
            &self.acknowledge_by_session,
            &self.create,
            &self.update,
            &self.delete,
            &self.describe,
            &self.card,
        ]
    }
}
