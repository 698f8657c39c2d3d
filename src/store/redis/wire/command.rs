//! Writing commands: an array of bulk strings each, straight into the buffer that goes out.

/// Where commands are written.
pub(crate) struct Out<'a> {
    bytes: &'a mut Vec<u8>,
    commands: usize,
}

impl<'a> Out<'a> {
    pub(crate) fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, commands: 0 }
    }

    /// How many were begun.
    pub(crate) fn commands(&self) -> usize {
        self.commands
    }

    /// Begins a command of so many arguments, its name included.
    pub(crate) fn command(&mut self, arguments: usize) -> &mut Self {
        self.commands += 1;
        self.header(b'*', arguments)
    }

    /// The next argument.
    pub(crate) fn arg(&mut self, argument: impl AsRef<[u8]>) -> &mut Self {
        self.parts(&[argument.as_ref()])
    }

    /// The next argument, made of several pieces.
    pub(crate) fn parts(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.header(b'$', parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// The next argument, in decimal.
    pub(crate) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.arg(itoa::Buffer::new().format(number.into()))
    }

    /// The next argument: the id of a stream's entry.
    pub(crate) fn entry_id(&mut self, sequence: u64) -> &mut Self {
        self.parts(&[b"0-", itoa::Buffer::new().format(sequence).as_bytes()])
    }

    /// A whole command of plain words.
    pub(crate) fn words(&mut self, words: &[&str]) {
        self.command(words.len());
        for word in words {
            self.arg(word);
        }
    }

    /// A command that was written elsewhere.
    pub(crate) fn written(&mut self, command: &[u8]) {
        self.commands += 1;
        self.bytes.extend_from_slice(command);
    }

    fn header(&mut self, kind: u8, number: usize) -> &mut Self {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_written() {
        let mut bytes = Vec::new();
        let mut out = Out::new(&mut bytes);
        out.command(4).arg("SET").parts(&[b"k", b"ey"]).number(12u64).entry_id(7);
        assert_eq!(out.commands(), 1);
        assert_eq!(bytes, b"*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2\r\n12\r\n$3\r\n0-7\r\n");
    }

    proptest! {
        #[test]
        fn it_is_what_the_library_writes(arguments in prop::collection::vec(any::<Vec<u8>>(), 1..8)) {
            let mut bytes = Vec::new();
            let mut out = Out::new(&mut bytes);
            out.command(arguments.len());
            let mut library = redis::Cmd::new();
            for argument in &arguments {
                out.arg(argument);
                library.arg(argument);
            }
            prop_assert_eq!(bytes, library.get_packed_command());
        }
    }
}
