//! How much a stream may have sent without an acknowledgement.

/// Messages and bytes that may still be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Envelopes.
    pub messages: u32,
    /// Bytes of envelopes.
    pub bytes: u64,
}

impl Credit {
    /// None.
    pub const NONE: Self = Self { messages: 0, bytes: 0 };

    /// Takes one envelope's worth, if there is as much.
    pub(super) fn take(&mut self, size: usize) -> bool {
        let size = size as u64;
        let enough = self.messages >= 1 && self.bytes >= size;
        if enough {
            self.messages -= 1;
            self.bytes -= size;
        }
        enough
    }

    /// Takes as much as there is, up to `most`.
    pub(super) fn reserve(&mut self, most: Self) -> Self {
        let taken = Self { messages: self.messages.min(most.messages), bytes: self.bytes.min(most.bytes) };
        self.messages -= taken.messages;
        self.bytes -= taken.bytes;
        taken
    }

    /// Gives back what was taken.
    pub(super) fn give(&mut self, credit: Self) {
        self.messages = self.messages.saturating_add(credit.messages);
        self.bytes = self.bytes.saturating_add(credit.bytes);
    }

    /// Gives back one envelope's worth.
    pub(super) fn give_one(&mut self, size: u32) {
        self.give(Self { messages: 1, bytes: u64::from(size) });
    }
}
