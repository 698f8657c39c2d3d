//! Files that an operator names: settings, keys, certificates.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What one may hold, in bytes: many times what is needed, and little enough to be read whole.
const LARGEST: u64 = 1024 * 1024;

/// A file's content.
///
/// # Errors
/// Where it cannot be read, or is larger than 1 MiB.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

/// A file's text.
///
/// # Errors
/// As for [`read`], and where it is no UTF-8.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_unless_it_is_too_large() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let largest = vec![b'a'; 1024 * 1024];
        std::fs::write(file.path(), &largest).expect("it is written");
        assert!(read(file.path()).expect("it may be as large") == largest);
        assert!(read_text(file.path()).expect("it is text").as_bytes() == largest);
        std::fs::write(file.path(), [&largest[..], b"a"].concat()).expect("it is written");
        assert_eq!(read(file.path()).map_err(|error| error.kind()), Err(io::ErrorKind::FileTooLarge));
        let endless = read_text(Path::new("/dev/zero"));
        assert_eq!(endless.map_err(|error| error.kind()), Err(io::ErrorKind::FileTooLarge));
    }

    #[test]
    fn what_is_no_text_is_not_repeated() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), b"sesame\xff").expect("it is written");
        let error = read_text(file.path()).expect_err("it is no text");
        assert!(!format!("{error} {error:?}").contains("sesame") && !format!("{error:?}").contains("115"));
    }
}
