//! The embedded store, with a file and without.

use std::sync::Arc;

use redb::{Database, TableDefinition};
use sealpost::clock::Clock;
use sealpost::store::embedded::{EmbeddedOptions, EmbeddedStore, Memory};
use sealpost::store::{Durability, QueueLimits, Store};
use sealpost_core::Address;
use tempfile::TempDir;

use crate::fixture::{Fixture, this_hour};
use crate::recording::Recording;

/// In a directory, `fsync`.
pub(crate) struct OnDisk {
    directory: TempDir,
    opened: Opened,
}

/// In memory.
pub(crate) struct InMemory {
    memory: Memory,
    opened: Opened,
}

struct Opened {
    limits: QueueLimits,
    clock: Clock,
    recording: Arc<Recording>,
    store: Option<Arc<EmbeddedStore>>,
}

impl Opened {
    fn new(limits: QueueLimits) -> Self {
        Self { limits, clock: this_hour(), recording: Arc::default(), store: None }
    }

    fn on_disk(&mut self, directory: &TempDir) {
        let options = EmbeddedOptions { limits: self.limits, durability: Durability::Fsync };
        let (clock, recording) = (self.clock.clone(), self.recording.clone());
        let path = directory.path().join("made/by/the/store");
        self.store = Some(Arc::new(EmbeddedStore::open(&path, options, clock, recording).expect("it opens")));
    }

    fn in_memory(&mut self, memory: &Memory) {
        let options = EmbeddedOptions { limits: self.limits, durability: Durability::Memory };
        let (clock, recording) = (self.clock.clone(), self.recording.clone());
        self.store = Some(Arc::new(EmbeddedStore::in_memory(memory, options, clock, recording).expect("it opens")));
    }

    async fn close(&mut self) {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.store.clone().expect("it is open")
    }
}

impl Fixture for OnDisk {
    const ENDS_BY_CLOCK: bool = true;
    const HISTORIES: u32 = 12;

    async fn new(limits: QueueLimits) -> Self {
        let directory = TempDir::with_prefix("sealpost-").expect("a directory");
        let mut opened = Opened::new(limits);
        opened.on_disk(&directory);
        Self { directory, opened }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.opened.store()
    }

    fn clock(&self) -> &Clock {
        &self.opened.clock
    }

    fn recording(&self) -> &Arc<Recording> {
        &self.opened.recording
    }

    async fn restart(&mut self) {
        self.opened.close().await;
        self.opened.on_disk(&self.directory);
    }

    /// Goes on with a copy of the file as it is, with nothing finished.
    async fn crash(&mut self) {
        let left = TempDir::with_prefix("sealpost-").expect("a directory");
        let path = "made/by/the/store/sealpost.redb";
        std::fs::create_dir_all(left.path().join("made/by/the/store")).expect("a directory");
        std::fs::copy(self.directory.path().join(path), left.path().join(path)).expect("a copy");
        self.opened.close().await;
        self.opened.on_disk(&left);
        self.directory = left;
    }

    async fn spoil(&mut self, address: Address) {
        self.opened.close().await;
        let file = self.directory.path().join("made/by/the/store/sealpost.redb");
        let database = Database::open(file).expect("it opens");
        let transaction = database.begin_write().expect("a transaction");
        let mut key = [0; 40];
        key[..32].copy_from_slice(address.as_bytes());
        key[39] = 1;
        let entries: TableDefinition<'_, &[u8; 40], &[u8]> = TableDefinition::new("entries");
        transaction.open_table(entries).expect("a table").insert(&key, b"rubbish".as_slice()).expect("a row");
        transaction.commit().expect("it commits");
        drop(database);
        self.opened.on_disk(&self.directory);
    }
}

impl Fixture for InMemory {
    const ENDS_BY_CLOCK: bool = true;
    const HISTORIES: u32 = 64;

    async fn new(limits: QueueLimits) -> Self {
        let memory = Memory::default();
        let mut opened = Opened::new(limits);
        opened.in_memory(&memory);
        Self { memory, opened }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.opened.store()
    }

    fn clock(&self) -> &Clock {
        &self.opened.clock
    }

    fn recording(&self) -> &Arc<Recording> {
        &self.opened.recording
    }

    async fn restart(&mut self) {
        self.opened.close().await;
        self.opened.in_memory(&self.memory);
    }

    /// Nothing survives the end of a process, so nothing is promised.
    async fn crash(&mut self) {
        self.restart().await;
    }

    /// Through a file: the bytes in memory are out of reach, and the code is the same.
    async fn spoil(&mut self, address: Address) {
        let mut on_disk = OnDisk::new(self.opened.limits).await;
        crate::cases::mailboxes::copy(&self.store(), &on_disk.store(), address).await;
        on_disk.spoil(address).await;
        self.opened.store = on_disk.opened.store.take();
    }
}
