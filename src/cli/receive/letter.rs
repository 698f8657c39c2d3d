//! One message as it is shown and saved.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sealpost_client::{Address, Received};
use serde_json::json;

use super::super::output::{Failure, hand_over};
use super::super::profile::unwritable;
use super::super::text::{counted, hex, printable, printable_line, short, time};

/// A message whose sender is verified.
pub(super) struct Letter<'a> {
    received: &'a Received,
    sender: &'a Address,
    /// The contact's, if the sender is one.
    name: Option<&'a str>,
}

impl<'a> Letter<'a> {
    pub(super) fn new(received: &'a Received, sender: &'a Address, name: Option<&'a str>) -> Self {
        Self { received, sender, name }
    }

    /// Whether it is to be saved rather than shown.
    pub(super) fn is_file(&self) -> bool {
        !self.received.message.name.is_empty() || self.text().is_none()
    }

    fn text(&self) -> Option<&str> {
        let message = &self.received.message;
        std::str::from_utf8(&message.body).ok().filter(|_| message.content_type.starts_with("text/plain"))
    }

    /// Shows it to a person.
    pub(super) fn say(&self, saved: Option<&Path>) -> Result<(), Failure> {
        let message = &self.received.message;
        let stranger = || format!("unknown (introduced as {})", short(self.sender));
        let who = self.name.map_or_else(stranger, ToOwned::to_owned);
        let head = format!("{} · {who}", time(message.sent_at));
        match (saved, self.text()) {
            (Some(path), _) => hand_over(format!(
                "{head}: {} of {}, saved as {}",
                counted(message.body.len() as u64, "byte"),
                printable_line(&message.content_type),
                path.display()
            )),
            (None, text) => {
                let text = printable(text.unwrap_or_default());
                // Whatever a text says, only a line at the margin is from us.
                hand_over(format!("{head}: {}", text.trim_end().replace('\n', "\n    ")))
            }
        }
    }

    /// Shows it to a program.
    pub(super) fn say_json(&self, saved: Option<&Path>) -> Result<(), Failure> {
        let message = &self.received.message;
        let text = self.text().filter(|_| saved.is_none());
        let inline = (text.is_none() && saved.is_none()).then(|| STANDARD.encode(&message.body));
        let line = json!({
            "event": "message",
            "id": hex(message.id.as_bytes()),
            "from": self.name,
            "address": self.sender.to_text(),
            "sequence": self.received.sequence.map(sealpost_client::Sequence::get),
            "sent_at": message.sent_at.as_secs(),
            "content_type": message.content_type,
            "name": message.name,
            "text": text,
            "body": inline,
            "bytes": message.body.len(),
            "saved": saved,
        });
        hand_over(line.to_string())
    }

    /// Saves it under a name of its sender's choice, but only there, and never over another file.
    pub(super) fn save(&self, directory: &Path) -> Result<PathBuf, Failure> {
        let name = safe_name(&self.received.message.name);
        save(directory, &name, &self.received.message.body).map_err(|error| unwritable(directory, &error))
    }
}

/// The same name again gets a number, up to this one.
const COPIES: u32 = 10_000;

fn save(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let (stem, extension) = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => (stem, format!(".{extension}")),
        _ => (name, String::new()),
    };
    for copy in 0..COPIES {
        let name = if copy == 0 { name.to_owned() } else { format!("{stem} ({copy}){extension}") };
        let path = directory.join(name);
        file = match file.persist_noclobber(&path) {
            Ok(_) => {
                std::fs::File::open(directory)?.sync_all()?;
                return Ok(path);
            }
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => error.file,
            Err(error) => return Err(error.error),
        };
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// A file name out of anything: its last part, without what file systems or terminals take amiss.
fn safe_name(name: &str) -> String {
    const LONGEST: usize = 100;
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain = |c: char| if c.is_alphanumeric() || " ._-()+,@=".contains(c) { c } else { '_' };
    let name: String = last.chars().map(plain).collect();
    let name = name.trim_matches(['.', ' ']);
    // The end is kept for its extension.
    let skip = name.chars().count().saturating_sub(LONGEST);
    let name: String = name.chars().skip(skip).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for (name, safe) in [
            ("picture.png", "picture.png"),
            ("../../etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("/", "file"),
            ("..", "file"),
            ("", "file"),
            (".bashrc", "bashrc"),
            ("a\0b\x1b[2J\u{202e}gpj.exe", "a_b__2J_gpj.exe"),
            ("größe 1.txt", "größe 1.txt"),
        ] {
            assert_eq!(safe_name(name), safe);
        }
        assert_eq!(safe_name(&format!("{}.png", "x".repeat(300))).len(), 100);
    }

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("in");
        let names = ["a.png", "a.png", "a.png", "b", "b"].map(|name| {
            let path = save(&at, name, b"x").unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        });
        assert_eq!(names, ["a.png", "a (1).png", "a (2).png", "b", "b (1)"]);
        assert_eq!(std::fs::read_dir(&at).unwrap().count(), 5);
    }
}
