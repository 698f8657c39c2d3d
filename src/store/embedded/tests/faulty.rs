//! A disk that can fail, and lose what was not synced.

use std::io::{Error, ErrorKind, Result};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::{Database, StorageBackend};

use super::super::medium::{Medium, on_backend};
use super::super::open_error::OpenError;

/// A disk; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// What every write and sync fails with.
    failing: Option<ErrorKind>,
    syncs: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State(..)")
    }
}

impl Disk {
    /// From now on, all that writes fails.
    pub(super) fn fail(&self, kind: ErrorKind) {
        self.0.lock().failing = Some(kind);
    }

    /// It works again.
    pub(super) fn heal(&self) {
        self.0.lock().failing = None;
    }

    /// A disk that holds only what was synced.
    pub(super) fn after_power_loss(&self) -> Self {
        let synced = self.0.lock().synced.clone();
        Self(Arc::new(Mutex::new(State { now: synced.clone(), synced, ..State::default() })))
    }

    /// How often it was synced.
    pub(super) fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    fn write_to(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        let mut state = self.0.lock();
        match state.failing {
            Some(kind) => Err(Error::from(kind)),
            None => change(&mut state),
        }
    }
}

impl Medium for Disk {
    fn open(&self) -> std::result::Result<Database, OpenError> {
        on_backend(self.clone())
    }

    fn size(&self) -> Result<u64> {
        self.len()
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64> {
        Ok(self.0.lock().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let start = usize::try_from(offset).map_err(Error::other)?;
        let state = self.0.lock();
        out.copy_from_slice(state.now.get(start..start + out.len()).ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> Result<()> {
        let len = usize::try_from(len).map_err(Error::other)?;
        self.write_to(|state| {
            state.now.resize(len, 0);
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<()> {
        self.write_to(|state| {
            state.syncs += 1;
            state.synced.clone_from(&state.now);
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<()> {
        let start = usize::try_from(offset).map_err(Error::other)?;
        self.write_to(|state| {
            let place = state.now.get_mut(start..start + data.len()).ok_or(ErrorKind::UnexpectedEof)?;
            place.copy_from_slice(data);
            Ok(())
        })
    }
}
