//! Something that is made of files, and made again when they change.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use sha2::{Digest, Sha256};

use super::TlsError;
use crate::file;

/// Files, and what was last made of them.
///
/// What counts is their content: Kubernetes replaces a directory behind a symbolic link, and a time of modification may
/// stay the same.
pub(super) struct Source<T> {
    files: Vec<PathBuf>,
    make: Make<T>,
    current: Arc<ArcSwap<T>>,
    /// The content that was last made use of, or refused.
    judged: Fingerprint,
    /// Content that was no good at the last look.
    doubted: Option<Fingerprint>,
}

/// From the contents of the files, in their order.
type Make<T> = Box<dyn Fn(&[Vec<u8>]) -> Result<T, TlsError> + Send>;
type Fingerprint = [u8; 32];

impl<T> Source<T> {
    /// Reads the files.
    pub(super) fn open(
        files: Vec<PathBuf>,
        make: impl Fn(&[Vec<u8>]) -> Result<T, TlsError> + Send + 'static,
    ) -> Result<Self, TlsError> {
        let (contents, judged) = read(&files);
        let current = Arc::new(ArcSwap::from_pointee(make(&contents?)?));
        Ok(Self { files, make: Box::new(make), current, judged, doubted: None })
    }

    /// What was last made of them, now and later.
    pub(super) fn current(&self) -> Arc<ArcSwap<T>> {
        self.current.clone()
    }

    /// Reads the files again, and replaces what was made of them if they hold something else that is good. What is no
    /// good is told once, and only if it is still there at the next look: somebody may be writing just now.
    pub(super) fn look(&mut self) -> Option<Result<(), TlsError>> {
        let (contents, fingerprint) = read(&self.files);
        let doubted = self.doubted.take();
        if fingerprint == self.judged {
            return None;
        }
        match contents.and_then(|contents| (self.make)(&contents)) {
            Err(_) if doubted != Some(fingerprint) => {
                self.doubted = Some(fingerprint);
                None
            }
            made => {
                self.judged = fingerprint;
                Some(made.map(|made| self.current.store(Arc::new(made))))
            }
        }
    }
}

/// Their contents, and a fingerprint of those; of a file that cannot be read, of the reason.
fn read(files: &[PathBuf]) -> (Result<Vec<Vec<u8>>, TlsError>, Fingerprint) {
    let contents: Vec<_> = files.iter().map(|path| file::read(path)).collect();
    let mut hash = Sha256::new();
    for content in &contents {
        match content {
            Ok(bytes) => {
                hash.update(bytes.len().to_be_bytes());
                hash.update(bytes);
            }
            Err(error) => hash.update(error.kind().to_string()),
        }
    }
    let contents = contents.into_iter().zip(files).map(|(content, path)| {
        content.map_err(|error| TlsError::Unreadable { path: path.clone(), why: error.to_string() })
    });
    (contents.collect(), hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn source(directory: &TempDir) -> Source<String> {
        let files = vec![directory.path().join("one"), directory.path().join("two")];
        Source::open(files.clone(), move |contents| {
            let text = String::from_utf8(contents.concat()).unwrap();
            if text.contains("bad") { Err(TlsError::content(&files[0], "text", "it is bad")) } else { Ok(text) }
        })
        .unwrap()
    }

    fn write(directory: &TempDir, one: &str, two: &str) {
        fs::write(directory.path().join("one"), one).unwrap();
        fs::write(directory.path().join("two"), two).unwrap();
    }

    #[test]
    fn what_is_good_is_used_at_once() {
        let directory = TempDir::new().unwrap();
        write(&directory, "a", "b");
        let mut source = source(&directory);
        assert!(source.look().is_none());
        write(&directory, "a", "c");
        assert!(source.look().unwrap().is_ok());
        assert_eq!(**source.current().load(), "ac");
        // The same bytes, otherwise divided, are something else.
        write(&directory, "ac", "");
        assert!(source.look().unwrap().is_ok());
        assert!(source.look().is_none());
    }

    #[test]
    fn what_is_no_good_is_told_once_and_changes_nothing() {
        let directory = TempDir::new().unwrap();
        write(&directory, "a", "b");
        let mut source = source(&directory);
        write(&directory, "bad", "b");
        assert!(source.look().is_none(), "perhaps it is being written");
        assert!(source.look().unwrap().is_err());
        assert!(source.look().is_none(), "it was told");
        assert_eq!(**source.current().load(), "ab");
        fs::remove_file(directory.path().join("one")).unwrap();
        assert!(source.look().is_none());
        assert!(matches!(source.look().unwrap(), Err(TlsError::Unreadable { .. })));
        write(&directory, "a", "b");
        assert!(source.look().unwrap().is_ok(), "that all is well again is told");
    }

    #[test]
    fn what_is_half_written_is_not_told() {
        let directory = TempDir::new().unwrap();
        write(&directory, "a", "b");
        let mut source = source(&directory);
        for (half, whole) in [("bad 1", "c"), ("bad 2", "d")] {
            write(&directory, half, "b");
            assert!(source.look().is_none());
            write(&directory, whole, "b");
            assert!(source.look().unwrap().is_ok());
        }
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let mut source = Source::open(vec![PathBuf::from("/dev/null")], |_| Ok(())).unwrap();
        source.files = vec![PathBuf::from("/dev/zero")];
        assert!(source.look().is_none());
        assert!(source.look().unwrap().unwrap_err().to_string().contains("larger than 1 MiB"));
    }
}
