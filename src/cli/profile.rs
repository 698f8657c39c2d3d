//! A profile: the directory in which a device of the command line keeps its keys, contacts and the relay it is at.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use clap::Args;
use sealpost_client::{DedupFileError, Device, FileDedup};
use serde::{Deserialize, Serialize};

use super::output::Failure;

/// Which profile.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Profile")]
pub(super) struct ProfileFlags {
    /// Which of your profiles: each is a device with a mailbox and contacts of its own
    #[arg(long, env = "SEALPOST_PROFILE", value_name = "NAME", default_value = "default")]
    profile: String,
    /// Where profiles are kept [default: ~/.sealpost]
    #[arg(long, env = "SEALPOST_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
}

/// A profile's directory.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    name: String,
    directory: PathBuf,
}

/// The relay that a profile's mailbox is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HomeRelay {
    /// As in `https://host:port`.
    pub(super) url: String,
    /// The authority of its certificate, if it is not one that the system knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ca: Option<PathBuf>,
}

impl ProfileFlags {
    /// Where the profile is, or would be.
    pub(super) fn find(&self) -> Result<Profile, Failure> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.profile.is_empty() || self.profile.starts_with('.') || !self.profile.chars().all(allowed) {
            return Err(Failure::usage(format!("{:?} cannot be a profile's name", self.profile))
                .remedy("use letters, digits, '-', '_' and '.', and no '.' first"));
        }
        let home = match (&self.home, std::env::home_dir()) {
            (Some(home), _) => home.clone(),
            (None, Some(home)) => home.join(".sealpost"),
            (None, None) => {
                return Err(Failure::usage("there is no home directory to keep profiles in")
                    .remedy("name a directory with --home or SEALPOST_HOME"));
            }
        };
        Ok(Profile::at(&home, &self.profile))
    }
}

impl Profile {
    pub(super) fn at(home: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), directory: home.join(name) }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Makes the directory, for its owner only.
    pub(super) fn make(&self) -> Result<(), Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(|error| unwritable(&self.directory, &error))
    }

    /// The device; `None` if the profile has none yet.
    pub(super) fn device(&self) -> Result<Option<Device>, Failure> {
        let path = self.path(DEVICE);
        let Some(json) = read(&path)? else { return Ok(None) };
        let device = Device::from_json(&json).map_err(|error| {
            Failure::new(format!("{} cannot be used: {error}", path.display()))
                .remedy("restore it from a backup, or begin anew with another --profile")
        })?;
        Ok(Some(device))
    }

    /// The device that a command needs.
    pub(super) fn existing_device(&self) -> Result<Device, Failure> {
        // Keys whose mailbox was never made are as good as none.
        let device = if self.path(RELAY).exists() { self.device()? } else { None };
        device.ok_or_else(|| {
            let flag = if self.name == "default" { String::new() } else { format!(" --profile {}", self.name) };
            Failure::usage(format!("profile {:?} has no mailbox (looked in {})", self.name, self.directory.display()))
                .remedy(format!("make one: sealpost mailbox create{flag} --relay https://HOST:PORT"))
        })
    }

    pub(super) fn save_device(&self, device: &Device) -> Result<(), Failure> {
        let json = device.to_json().map_err(|error| Failure::new(error.to_string()))?;
        self.write(DEVICE, json.as_bytes())
    }

    /// The relay that `mailbox create` was successful with.
    pub(super) fn relay(&self) -> Result<Option<HomeRelay>, Failure> {
        let path = self.path(RELAY);
        let Some(json) = read(&path)? else { return Ok(None) };
        serde_json::from_str(&json).map(Some).map_err(|error| {
            Failure::new(format!("{} cannot be read: {error}", path.display()))
                .remedy("delete it, and name the relay with --relay")
        })
    }

    pub(super) fn save_relay(&self, relay: &HomeRelay) -> Result<(), Failure> {
        let json = serde_json::to_string_pretty(relay).map_err(|error| Failure::new(error.to_string()))?;
        self.write(RELAY, json.as_bytes())
    }

    /// Which messages were received already, across processes and crashes.
    pub(super) fn dedup(&self) -> Result<FileDedup, Failure> {
        let path = self.path("seen");
        FileDedup::open(&path).map_err(|error| match error {
            DedupFileError::InUse => Failure::new(format!("profile {:?} is being received already", self.name))
                .remedy("one `sealpost receive` at a time: end the other one first"),
            error => Failure::new(format!("{} cannot be used: {error}", path.display()))
                .remedy("check the directory's permissions and room; a file that is not sealpost's may be moved away"),
        })
    }

    /// Puts a file in the place of the old one, whole, for its owner only.
    pub(super) fn write(&self, file: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.make()?;
        let path = self.path(file);
        write_atomically(&path, bytes, 0o600).map_err(|error| unwritable(&path, &error))
    }
}

const DEVICE: &str = "device.json";
const RELAY: &str = "relay.json";

/// Writes a file that is there whole or not at all, also after a crash.
pub(super) fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(parent)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(parent)?.sync_all()
}

/// A file's text; `None` if there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            Err(Failure::new(format!("{} cannot be read: {error}", path.display())).remedy("check its permissions"))
        }
    }
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
        .remedy("check the directory's permissions and the disk's room")
}
