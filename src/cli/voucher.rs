//! `sealpost voucher …`: the operator's keys, and the vouchers that they sign.

use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use sealpost_core::{Audience, IdentityKey, Voucher as Signed, VoucherId};
use serde_json::json;

use super::client::now;
use super::output::{Failure, note, say, say_json};
use super::profile::unwritable;
use super::text::{hex, hour};
use crate::file;

/// Decide who may make a mailbox at your relay (admission.mode = "voucher").
#[derive(Debug, Args)]
pub(super) struct Voucher {
    #[command(subcommand)]
    command: VoucherCommand,
}

#[derive(Debug, Subcommand)]
enum VoucherCommand {
    Keygen(Keygen),
    Issue(Issue),
}

/// Make an operator's key.
///
/// Writes the secret key to a file for its owner only, and prints the public key for admission.operator_keys.
#[derive(Debug, Args)]
struct Keygen {
    /// Where the secret key goes; it must not exist
    #[arg(long, value_name = "FILE", default_value = "operator.key")]
    key: PathBuf,
}

/// Issue vouchers: each lets one mailbox be made.
#[derive(Debug, Args)]
struct Issue {
    /// The operator's secret key, from `voucher keygen`
    #[arg(long, value_name = "FILE", default_value = "operator.key")]
    key: PathBuf,
    /// The relay's name, as clients call it: one of its --relay-names
    #[arg(long, value_name = "NAME")]
    relay_name: Audience,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long they can be used, in hours
    #[arg(long, value_name = "HOURS", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..))]
    hours: u32,
    /// Print one JSON object for each voucher
    #[arg(long)]
    json: bool,
}

impl Voucher {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            VoucherCommand::Keygen(command) => command.run(),
            VoucherCommand::Issue(command) => command.run(),
        }
    }
}

impl Keygen {
    fn run(self) -> Result<(), Failure> {
        let key = IdentityKey::generate(&mut rand::rng());
        // A key that signed vouchers must not be lost to a second try.
        let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.key);
        let written = file.and_then(|mut file| {
            file.write_all(format!("{}\n", hex(key.seed())).as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::usage(format!("{} exists already", self.key.display()))
                .remedy("name another file with --key; the old key is still good for its vouchers"),
            _ => unwritable(&self.key, &error),
        })?;
        say(hex(key.public().as_bytes()));
        note(format!(
            "This is the public key: put it into admission.operator_keys. The secret one is in {}.",
            self.key.display()
        ));
        Ok(())
    }
}

impl Issue {
    fn run(self) -> Result<(), Failure> {
        let key = read_key(&self.key)?;
        // The hour that has begun is given away.
        let expires = now().hour().saturating_add(self.hours).saturating_add(1);
        for _ in 0..self.count {
            let id = VoucherId::generate(&mut rand::rng());
            let text = Signed::issue(&key, &self.relay_name, id, expires).to_text();
            if self.json {
                say_json(&json!({ "voucher": text, "expires_hour": expires.0 }));
            } else {
                say(text);
            }
        }
        note(format!(
            "Good for {} until {}, each for one mailbox: mailbox create --voucher TEXT",
            self.relay_name,
            hour(expires)
        ));
        Ok(())
    }
}

fn read_key(path: &Path) -> Result<IdentityKey, Failure> {
    let text = file::read_text(path).map_err(|error| {
        Failure::usage(format!("the operator's key {} cannot be read: {error}", path.display()))
            .remedy("`sealpost voucher keygen` makes one; --key names it")
    })?;
    let seed = unhex(text.trim()).ok_or_else(|| {
        Failure::usage(format!("{} holds no operator's key", path.display()))
            .remedy("it is a line of 64 hex digits, as `sealpost voucher keygen` writes it")
    })?;
    Ok(IdentityKey::from_seed(seed))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    // Parsing a number takes a sign, too.
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixty_four_digits() {
        assert_eq!(unhex(&"0aF1".repeat(16)), Some([[0x0a, 0xf1]; 16].as_flattened().try_into().expect("32 bytes")));
        for text in [&"+a".repeat(32), &"0a".repeat(31), &"0a".repeat(33), &"é".repeat(32)] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }
}
