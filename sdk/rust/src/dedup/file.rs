//! The last messages, in a file that survives the process.
//!
//! The file is a header followed by records of 24 bytes: a key, and 8 bytes of a hash over it. It only grows, until it
//! holds twice what is to be remembered; then the newer half is written to a new file that takes its place. A record that
//! was torn by a crash fails its check and is left out, which loses nothing: it was not acknowledged.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::memory::{DEFAULT_CAPACITY, Ring};
use super::{Dedup, MessageKey};

const HEADER: &[u8; 8] = b"spdedup1";
const CHECK_LEN: usize = 8;
const RECORD_LEN: usize = MessageKey::LEN + CHECK_LEN;

/// Remembers the last messages in a file, on the disk before the relay is told: it survives a crash of the process and
/// of the machine. Each record waits for the disk: some milliseconds for each message.
#[derive(Debug)]
pub struct FileDedup {
    state: Mutex<State>,
    path: PathBuf,
    /// Held while this lives: two processes on one file would forget each other's messages.
    _lock: File,
}

#[derive(Debug)]
struct State {
    ring: Ring,
    file: File,
    /// Where the next record goes.
    len: u64,
}

/// Why the file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DedupFileError {
    /// Another process, or another part of this one, uses it.
    #[error("the file is in use")]
    InUse,
    /// It is some other file.
    #[error("this is not a file of message ids")]
    Foreign,
    /// It cannot be read or written.
    #[error("the file cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl FileDedup {
    /// Opens or makes the file, for the last 10,000 messages.
    ///
    /// # Errors
    /// See [`DedupFileError`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DedupFileError> {
        Self::with_capacity(path, DEFAULT_CAPACITY)
    }

    /// Opens or makes the file, for the last `capacity` messages.
    ///
    /// # Errors
    /// See [`DedupFileError`].
    pub fn with_capacity(path: impl Into<PathBuf>, capacity: usize) -> Result<Self, DedupFileError> {
        let path = path.into();
        let lock = lock(&path)?;
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(mut file) => drop(file.read_to_end(&mut bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        let mut ring = Ring::new(capacity);
        for key in read(&bytes)? {
            ring.insert(key);
        }
        // Written anew, the file holds whole records only and nothing that is not needed.
        let (file, len) = write_anew(&path, &ring)?;
        Ok(Self { state: Mutex::new(State { ring, file, len }), path, _lock: lock })
    }
}

impl Dedup for FileDedup {
    fn contains(&self, message: &MessageKey) -> io::Result<bool> {
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).ring.contains(message))
    }

    fn record(&self, message: &MessageKey) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.ring.contains(message) {
            return Ok(());
        }
        state.append(message)?;
        state.ring.insert(*message);
        if state.is_due() {
            let (file, len) = write_anew(&self.path, &state.ring)?;
            (state.file, state.len) = (file, len);
        }
        Ok(())
    }
}

impl State {
    /// A write that failed half-way is overwritten by the next one, so that records stay where they are looked for.
    fn append(&mut self, key: &MessageKey) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(&record(key))?;
        self.file.sync_data()?;
        self.len += RECORD_LEN as u64;
        Ok(())
    }

    fn is_due(&self) -> bool {
        self.len > (HEADER.len() + 2 * self.ring.capacity().saturating_mul(RECORD_LEN)) as u64
    }
}

/// The keys of all whole records, oldest first.
fn read(bytes: &[u8]) -> Result<Vec<MessageKey>, DedupFileError> {
    let Some(records) = bytes.strip_prefix(HEADER) else {
        // A crash may have torn the header itself.
        return if HEADER.starts_with(bytes) { Ok(Vec::new()) } else { Err(DedupFileError::Foreign) };
    };
    let (records, _torn) = records.as_chunks::<RECORD_LEN>();
    Ok(records.iter().filter_map(parse).collect())
}

fn parse(bytes: &[u8; RECORD_LEN]) -> Option<MessageKey> {
    let key = MessageKey::from_bytes(*bytes.first_chunk()?);
    (record(&key) == *bytes).then_some(key)
}

fn record(key: &MessageKey) -> [u8; RECORD_LEN] {
    let check = Sha256::new().chain_update(b"sealpost/dedup-record").chain_update(key.as_bytes()).finalize();
    let mut record = [0; RECORD_LEN];
    let bytes = key.as_bytes().iter().copied().chain(check);
    record.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    record
}

/// Puts a file with exactly these keys in the place of the old one; at every moment one of the two is there, whole.
fn write_anew(path: &Path, ring: &Ring) -> io::Result<(File, u64)> {
    let mut bytes = HEADER.to_vec();
    ring.keys().for_each(|key| bytes.extend_from_slice(&record(key)));
    let new = with_suffix(path, ".new");
    let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&new)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    sync_directory(path)?;
    Ok((file, bytes.len() as u64))
}

fn lock(path: &Path) -> Result<File, DedupFileError> {
    // Not the file itself, which is replaced from time to time.
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(with_suffix(path, ".lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DedupFileError::InUse),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A rename is safe only once the directory is.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: u64) -> MessageKey {
        let mut bytes = [0; MessageKey::LEN];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        MessageKey::from_bytes(bytes)
    }

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let first = FileDedup::open(&path).unwrap();
        assert!(matches!(FileDedup::open(&path), Err(DedupFileError::InUse)));
        drop(first);
        FileDedup::open(&path).unwrap();
    }

    #[test]
    fn another_file_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter");
        std::fs::write(&path, "Dear reader").unwrap();
        assert!(matches!(FileDedup::open(&path), Err(DedupFileError::Foreign)));
        assert_eq!(std::fs::read(&path).unwrap(), b"Dear reader");
    }

    #[test]
    fn the_file_stays_small_and_keeps_the_last_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let dedup = FileDedup::with_capacity(&path, 10).unwrap();
        for number in 0..100 {
            dedup.record(&key(number)).unwrap();
            let len = std::fs::metadata(&path).unwrap().len();
            assert!(len <= (HEADER.len() + 21 * RECORD_LEN) as u64);
        }
        drop(dedup);
        let dedup = FileDedup::with_capacity(&path, 10).unwrap();
        for number in 0..100 {
            assert_eq!(dedup.contains(&key(number)).unwrap(), number >= 90);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Killed at any byte of any write, the file gives every record that was whole by then, and goes on.
        #[test]
        fn p2_a_torn_file_loses_only_what_was_not_recorded(
            before in 0_u64..30,
            cut in 0_u64..800,
            garbage in proptest::collection::vec(any::<u8>(), 0..40),
            after in 1_u64..30,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("seen");
            let dedup = FileDedup::with_capacity(&path, 1000).unwrap();
            (0..before).for_each(|number| dedup.record(&key(number)).unwrap());
            drop(dedup);
            let mut bytes = std::fs::read(&path).unwrap();
            let cut = usize::try_from(cut).unwrap().min(bytes.len());
            bytes.truncate(cut);
            let whole = (cut.saturating_sub(HEADER.len()) / RECORD_LEN) as u64;
            // A file system may leave anything where a write did not finish, but not in a torn header.
            if cut >= HEADER.len() {
                bytes.extend(garbage);
            }
            std::fs::write(&path, &bytes).unwrap();

            let dedup = FileDedup::with_capacity(&path, 1000).unwrap();
            for number in 0..before {
                prop_assert_eq!(dedup.contains(&key(number)).unwrap(), number < whole);
            }
            (100..100 + after).for_each(|number| dedup.record(&key(number)).unwrap());
            drop(dedup);
            let dedup = FileDedup::with_capacity(&path, 1000).unwrap();
            for number in (0..whole).chain(100..100 + after) {
                prop_assert!(dedup.contains(&key(number)).unwrap());
            }
        }
    }
}
