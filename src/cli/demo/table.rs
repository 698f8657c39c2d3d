//! What was written, held and read, side by side.

use sealpost_client::{Address, Draft, Message};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::super::teller::Teller;
use super::super::text::{counted, hex, printable_line, size};
use crate::store::QueuedEntry;

/// The ways of one message.
pub(super) struct Story {
    pub(super) title: &'static str,
    pub(super) wrote: Draft,
    pub(super) held: QueuedEntry,
    pub(super) read: Message,
    pub(super) sender: Address,
}

const WIDTH: usize = 29;

impl Story {
    /// Whether the recipient has exactly what the sender wrote, and the relay neither that nor the sender's address.
    pub(super) fn holds(&self) -> bool {
        let Self { wrote, read, held, sender, .. } = self;
        let same = wrote.body == read.body && wrote.content_type == read.content_type && wrote.name == read.name;
        let held = held.entry.envelope.bytes();
        let sealed = !is_within(&wrote.body, held) && !is_within(sender.as_bytes(), held);
        same && sealed && digest(&wrote.body) == digest(&read.body)
    }

    pub(super) fn tell(&self, teller: &Teller) {
        let envelope = held_bytes(self);
        let length = size(envelope.len() as u64);
        let mark = if self.holds() { teller.good("✓") } else { teller.bad("✗") };
        row(
            teller,
            &self.title_of(&self.wrote.name, &self.wrote.body),
            &format!("{length} of ciphertext"),
            &self.title_of(&self.read.name, &self.read.body),
            &mark,
        );
        let sum = |bytes: &[u8]| format!("SHA-256 {}…", start(&hex(&digest(bytes)), WIDTH - 10));
        let head = format!("{}…", start(&hex(envelope), WIDTH - 2));
        row(teller, &sum(&self.wrote.body), &head, &sum(&self.read.body), "");
        teller.line("");
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "message": self.title,
            "wrote_bytes": self.wrote.body.len(),
            "wrote_sha256": hex(&digest(&self.wrote.body)),
            "relay_held_bytes": held_bytes(self).len(),
            "relay_held_sha256": hex(&digest(held_bytes(self))),
            "read_bytes": self.read.body.len(),
            "read_sha256": hex(&digest(&self.read.body)),
            "equal": self.holds(),
        })
    }

    fn title_of(&self, name: &str, body: &[u8]) -> String {
        match std::str::from_utf8(body) {
            Ok(text) if name.is_empty() => format!("“{}”", printable_line(text)),
            _ => format!("{}, {}", printable_line(name), counted(body.len() as u64, "byte")),
        }
    }
}

/// The line above the stories.
pub(super) fn head(teller: &Teller) {
    row(teller, "the sender wrote", "the relay held", "the recipient read", "");
    let line = "─".repeat(WIDTH);
    row(teller, &line, &line, &line, "");
}

fn row(teller: &Teller, first: &str, second: &str, third: &str, mark: &str) {
    let cell = |text: &str| {
        let text =
            if text.chars().count() > WIDTH { format!("{}…", start(text, WIDTH - 1)) } else { text.to_owned() };
        format!("{text:<WIDTH$}")
    };
    teller.line(format!("  {}   {}   {} {mark}", cell(first), cell(second), cell(third)).trim_end());
}

fn start(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

fn held_bytes(story: &Story) -> &[u8] {
    story.held.entry.envelope.bytes()
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Whether a piece of what was written can be found in what was held.
fn is_within(wrote: &[u8], held: &[u8]) -> bool {
    const PIECE: usize = 16;
    let piece = wrote.get(..PIECE).unwrap_or(wrote);
    // One or two bytes are everywhere.
    piece.len() > 4 && held.windows(piece.len()).any(|window| window == piece)
}
