//! How the database fails, seen from inside.

use redb::{CommitError, SetDurabilityError, StorageError, TableError, TransactionError};

use super::super::StoreError;

/// Why an operation did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// One row is unreadable: only what needs it fails.
    Corrupt(&'static str),
    /// The database failed: nothing of the transaction can be relied on.
    Database(Box<redb::Error>),
}

impl Fault {
    /// What the caller is told.
    pub(super) fn to_answer(&self) -> StoreError {
        match self {
            Self::Corrupt(what) => StoreError::Corrupt(what),
            Self::Database(error) => match error.as_ref() {
                redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    StoreError::Unavailable("the disk is full")
                }
                redb::Error::Corrupted(_) => StoreError::Corrupt("the database is damaged"),
                redb::Error::DatabaseClosed => CLOSED,
                _ => StoreError::Unavailable("the database failed"),
            },
        }
    }
}

/// Said while the database is being reopened, and after the store was closed.
pub(super) const CLOSED: StoreError = StoreError::Unavailable("the database is closed");

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Corrupt(what) => Self::Corrupt(what),
            StoreError::Unavailable(_) | StoreError::TimedOut => Self::Database(Box::new(redb::Error::DatabaseClosed)),
        }
    }
}

macro_rules! from_redb {
    ($($error:ty),+) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })+
    };
}

from_redb!(CommitError, SetDurabilityError, StorageError, TableError, TransactionError);
