//! Why the database could not be opened, and what to do about it.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use redb::{DatabaseError, StorageError};
use thiserror::Error;

use super::fault::Fault;
use crate::telemetry::Loggable;

/// The database could not be opened. The text ends with a remedy.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It can be open once at a time.
    #[error("{path} is in use by another process; stop that one, or choose another directory", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("{path} is not a Sealpost database; choose another directory, or move the file away", path = path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A later version made it, and went another way.
    #[error(
        "{path} has format {found}, and this version knows {known}; run the version that made it, or a later one",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
        /// Ours.
        known: u64,
    },
    /// The file system says no.
    #[error("{path} may not be read and written; give it to the user that runs the relay: {source}", path = path.display())]
    Permission {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no room.
    #[error("the disk that holds {path} is full; make room, then start again", path = path.display())]
    DiskFull {
        /// The file or directory.
        path: PathBuf,
    },
    /// It was damaged, not by us.
    #[error("{path} is damaged ({detail}); restore a backup, or move it away to begin anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What the check found.
        detail: String,
    },
    /// Anything else that the system said.
    #[error("{path} could not be opened; check the disk and the path: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no more threads.
    #[error("the writer's thread could not be started; raise the limit of processes: {0}")]
    Thread(#[source] io::Error),
}

impl Loggable for OpenError {}

impl OpenError {
    pub(super) fn from_io(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Permission { path, source },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
            ErrorKind::InvalidData => Self::NotOurs { path },
            _ => Self::Io { path, source },
        }
    }

    pub(super) fn from_redb(path: &Path, error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
                Self::InUse { path: path.to_owned() }
            }
            DatabaseError::Storage(StorageError::Io(error)) => Self::from_io(path, error),
            error => Self::from_any(path, error.into()),
        }
    }

    pub(super) fn from_any(path: &Path, error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::from_io(path, error),
            redb::Error::UpgradeRequired(found) => {
                Self::Damaged { path: path.to_owned(), detail: format!("it has file format {found}") }
            }
            error => Self::Damaged { path: path.to_owned(), detail: error.to_string() },
        }
    }

    pub(super) fn from_fault(path: &Path, fault: Fault) -> Self {
        match fault {
            Fault::Database(error) => Self::from_any(path, *error),
            Fault::Corrupt(what) => Self::Damaged { path: path.to_owned(), detail: what.to_owned() },
        }
    }
}
