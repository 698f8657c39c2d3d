//! Opening a database, and why it may not open.

use redb::{Database, TableDefinition};
use tempfile::TempDir;

use super::super::OpenError;
use super::*;

fn open(directory: &std::path::Path) -> Result<EmbeddedStore, OpenError> {
    EmbeddedStore::open(directory, options(Durability::Fsync), Clock::standing_at(NOON), Arc::<Told>::default())
}

#[tokio::test]
async fn it_makes_a_directory_for_its_owner_only() {
    let parent = TempDir::new().expect("a directory");
    let directory = parent.path().join("a/b");
    let store = open(&directory).expect("it opens");
    make(&store, ADDRESS).await.expect("it is made");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&directory).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
    assert!(directory.join("sealpost.redb").is_file());
}

#[tokio::test]
async fn it_is_open_once_at_a_time() {
    let directory = TempDir::new().expect("a directory");
    let store = open(directory.path()).expect("it opens");
    let error = open(directory.path()).expect_err("it is open");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    store.close().await;
    assert!(open(directory.path()).is_ok());
}

#[test]
fn it_refuses_what_is_no_database() {
    let directory = TempDir::new().expect("a directory");
    std::fs::write(directory.path().join("sealpost.redb"), b"a shopping list, much longer than any magic number")
        .expect("it is written");
    let error = open(directory.path()).expect_err("that is no database");
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
}

#[test]
fn it_refuses_what_somebody_else_made() {
    let directory = TempDir::new().expect("a directory");
    let database = Database::create(directory.path().join("sealpost.redb")).expect("it opens");
    let transaction = database.begin_write().expect("a transaction");
    drop(transaction.open_table(TableDefinition::<u64, u64>::new("theirs")).expect("a table"));
    transaction.commit().expect("it commits");
    drop(database);
    let error = open(directory.path()).expect_err("that is not ours");
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
}

#[test]
fn it_refuses_what_a_later_version_made() {
    let directory = TempDir::new().expect("a directory");
    drop(open(directory.path()).expect("it opens"));
    let database = Database::open(directory.path().join("sealpost.redb")).expect("it opens");
    let transaction = database.begin_write().expect("a transaction");
    let mut meta = transaction.open_table(TableDefinition::<&str, u64>::new("meta")).expect("a table");
    meta.insert("format", 9).expect("a row");
    drop(meta);
    transaction.commit().expect("it commits");
    drop(database);
    let error = open(directory.path()).expect_err("it is too new");
    assert!(matches!(error, OpenError::Newer { found: 9, known: 1, .. }), "{error}");
}

#[test]
fn it_says_what_the_file_system_does() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, b"").expect("it is written");
    let error = open(&file.join("below")).expect_err("a file has no files");
    assert!(matches!(error, OpenError::Io { .. }), "{error}");
    // Whoever runs the tests may be allowed everything, so the system's word is made up.
    let denied = OpenError::from_io(&file, std::io::ErrorKind::PermissionDenied.into());
    assert!(denied.to_string().contains("give it to the user that runs the relay"), "{denied}");
    let full = OpenError::from_io(&file, std::io::ErrorKind::StorageFull.into());
    assert!(full.to_string().contains("make room"), "{full}");
}
