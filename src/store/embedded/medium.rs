//! Where the database lies, and how it is opened.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase, StorageBackend, TableHandle};

use super::open_error::OpenError;
use super::tables::{META, Tables};

/// The version of what `tables` describes.
const FORMAT: u64 = 1;
/// Pages kept in memory, so that the store costs a known amount (P10).
const CACHE: usize = 64 * 1024 * 1024;

/// Something that a database can be opened on, again and again, but once at a time.
pub(super) trait Medium: Send + Sync {
    fn open(&self) -> Result<Database, OpenError>;

    /// Bytes that it takes.
    fn size(&self) -> io::Result<u64>;
}

/// A directory of the file system.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn file(&self) -> PathBuf {
        self.0.join("sealpost.redb")
    }
}

impl Medium for Directory {
    fn open(&self) -> Result<Database, OpenError> {
        let file = self.file();
        make_private(&self.0).map_err(|error| OpenError::from_io(&self.0, error))?;
        make_private_file(&file).map_err(|error| OpenError::from_io(&file, error))?;
        let database = builder().create(&file).map_err(|error| OpenError::from_redb(&file, error))?;
        prepare(&database, &file)?;
        // The file's name must outlive a loss of power too, and so must its directory's.
        for directory in [Some(self.0.as_path()), self.0.parent()].into_iter().flatten() {
            if !directory.as_os_str().is_empty() {
                sync(directory).map_err(|error| OpenError::from_io(directory, error))?;
            }
        }
        Ok(database)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(fs::metadata(self.file())?.len())
    }
}

/// A database without a file. It lasts as long as this or a clone of it, so a store can be opened on it again.
#[derive(Clone, Default)]
pub struct Memory(Arc<Pages>);

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory(..)")
    }
}

impl Medium for Memory {
    fn open(&self) -> Result<Database, OpenError> {
        on_backend(Kept(Arc::clone(&self.0)))
    }

    fn size(&self) -> io::Result<u64> {
        self.0.0.len()
    }
}

/// Opens a database on any backend.
pub(super) fn on_backend(backend: impl StorageBackend) -> Result<Database, OpenError> {
    let name = Path::new("memory");
    let database = builder().create_with_backend(backend).map_err(|error| OpenError::from_redb(name, error))?;
    prepare(&database, name)?;
    Ok(database)
}

#[derive(Default)]
struct Pages(InMemoryBackend);

#[derive(Debug)]
struct Kept(Arc<Pages>);

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages(..)")
    }
}

impl StorageBackend for Kept {
    fn len(&self) -> io::Result<u64> {
        self.0.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.0.write(offset, data)
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// Makes the tables of a new database, and refuses one that is not ours.
fn prepare(database: &Database, path: &Path) -> Result<(), OpenError> {
    let fails = |error: redb::Error| OpenError::from_any(path, error);
    let reading = database.begin_read().map_err(|error| fails(error.into()))?;
    let names: Vec<String> =
        reading.list_tables().map_err(|error| fails(error.into()))?.map(|table| table.name().to_owned()).collect();
    if !names.is_empty() {
        let meta = reading.open_table(META).map_err(|_| OpenError::NotOurs { path: path.to_owned() })?;
        let format = meta.get("format").map_err(|error| fails(error.into()))?.map(|format| format.value());
        return match format {
            Some(FORMAT) => Ok(()),
            Some(found) => Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT }),
            None => Err(OpenError::NotOurs { path: path.to_owned() }),
        };
    }
    let writing = database.begin_write().map_err(|error| fails(error.into()))?;
    let mut tables = Tables::open(&writing).map_err(|fault| OpenError::from_fault(path, fault))?;
    tables.meta.insert("format", FORMAT).map_err(|error| fails(error.into()))?;
    drop(tables);
    writing.commit().map_err(|error| fails(error.into()))
}

#[cfg(unix)]
fn make_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Makes the file, if it is not there, so that nobody else may read it whatever the directory allows.
fn make_private_file(file: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(drop)
}

#[cfg(not(unix))]
fn make_private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(directory)
}

#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(fs::canonicalize(directory)?)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_directory: &Path) -> io::Result<()> {
    Ok(())
}
