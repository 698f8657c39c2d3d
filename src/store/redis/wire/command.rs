//! Writing commands: an array of bulk strings each, straight into the buffer that goes out.
//!
//! Calls of the same script that come one after the other are joined, where they may be: a call by itself costs
//! Redis 2 to 3 µs.

/// What goes out next.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: Arguments,
    /// For each answer that there will be: how many commands it is for.
    answers: Vec<u16>,
    joins: bool,
    open: Joined,
}

/// Calls of one script that become one call.
#[derive(Default)]
struct Joined {
    calls: u16,
    script: String,
    /// What all of them begin with.
    beginning: Arguments,
    keys: Arguments,
    arguments: Arguments,
    counts: Counts,
}

#[derive(Default, Clone, Copy)]
struct Counts {
    beginning: usize,
    keys: usize,
    arguments: usize,
}

/// Calls that are joined at most, and the bytes after which no more are: a server does nothing else meanwhile.
const JOINED: u16 = 16;
const FULL: usize = 64 * 1024;
/// A buffer that has grown beyond this is given back when it is empty.
pub(super) const KEPT: usize = 1024 * 1024;

impl Outbox {
    /// An empty one; `joins` says whether one server has the keys of all scripts.
    pub(crate) fn new(joins: bool) -> Self {
        Self { joins, ..Self::default() }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.0.is_empty() && self.open.calls == 0
    }

    /// Takes everything out, into an empty buffer that takes its place; how many commands each answer is for.
    pub(crate) fn take(&mut self, bytes: &mut Vec<u8>) -> impl Iterator<Item = u16> {
        self.close();
        std::mem::swap(&mut self.bytes.0, bytes);
        self.answers.drain(..)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.joins);
    }

    /// The one command in it, for another one ([`Out::written`]).
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        self.close();
        self.bytes.0
    }

    /// Writes the joined calls.
    fn close(&mut self) {
        let Joined { calls, script, beginning, keys, arguments, counts } = &mut self.open;
        if *calls == 0 {
            return;
        }
        self.answers.push(*calls);
        let [.., key_count] = counts.keys.to_be_bytes();
        self.bytes.header(b'*', 3 + counts.keys + counts.beginning + counts.arguments);
        self.bytes.arg("EVALSHA").arg(script).number(key_count);
        for part in [keys, beginning, arguments] {
            self.bytes.0.extend_from_slice(&part.0);
            part.clear();
        }
        (*calls, *counts) = (0, Counts::default());
    }
}

/// Writes into an [`Outbox`] for one caller.
pub(crate) struct Out<'a> {
    outbox: &'a mut Outbox,
    commands: usize,
}

impl<'a> Out<'a> {
    pub(crate) fn new(outbox: &'a mut Outbox) -> Self {
        Self { outbox, commands: 0 }
    }

    /// How many were begun.
    pub(crate) fn commands(&self) -> usize {
        self.commands
    }

    /// Begins a command of so many arguments, its name included.
    pub(crate) fn command(&mut self, arguments: usize) -> &mut Arguments {
        self.alone().header(b'*', arguments)
    }

    /// Begins a call of a script, which may be joined with others of the same beginning: keys, then arguments, of all of
    /// them stand together, and there is either an answer for each in a list, or one for all.
    ///
    /// A single call has its answer as it is. So many arguments are to come.
    pub(crate) fn join(
        &mut self,
        script: &str,
        beginning: &[&[u8]],
        keys: &[&[u8]],
        arguments: usize,
    ) -> &mut Arguments {
        self.commands += 1;
        let open = &self.outbox.open;
        let joins = self.outbox.joins
            && open.calls < JOINED
            && open.arguments.0.len() < FULL
            && open.script == script
            && open.beginning.is(beginning);
        if !joins {
            self.outbox.close();
        }
        let open = &mut self.outbox.open;
        if open.calls == 0 {
            script.clone_into(&mut open.script);
            for word in beginning {
                open.beginning.arg(word);
            }
            open.counts.beginning = beginning.len();
        }
        open.calls += 1;
        for key in keys {
            open.keys.arg(key);
        }
        open.counts.keys += keys.len();
        open.counts.arguments += arguments;
        &mut open.arguments
    }

    /// A whole command of plain words.
    pub(crate) fn words(&mut self, words: &[&str]) {
        let command = self.command(words.len());
        for word in words {
            command.arg(word);
        }
    }

    /// A command that was written elsewhere.
    pub(crate) fn written(&mut self, command: &[u8]) {
        self.alone().0.extend_from_slice(command);
    }

    fn alone(&mut self) -> &mut Arguments {
        self.commands += 1;
        self.outbox.close();
        self.outbox.answers.push(1);
        &mut self.outbox.bytes
    }
}

/// Arguments of commands, written one after the other.
#[derive(Default)]
pub(crate) struct Arguments(Vec<u8>);

impl Arguments {
    /// The next one.
    pub(crate) fn arg(&mut self, argument: impl AsRef<[u8]>) -> &mut Self {
        self.parts(&[argument.as_ref()])
    }

    /// The next one, made of several pieces.
    pub(crate) fn parts(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.header(b'$', parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.0.extend_from_slice(part);
        }
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// The next one, in decimal.
    pub(crate) fn number(&mut self, number: impl Into<u64>) -> &mut Self {
        self.arg(itoa::Buffer::new().format(number.into()))
    }

    /// The next one: the id of a stream's entry.
    pub(crate) fn entry_id(&mut self, sequence: u64) -> &mut Self {
        self.parts(&[b"0-", itoa::Buffer::new().format(sequence).as_bytes()])
    }

    /// Whether they are these.
    fn is(&self, words: &[&[u8]]) -> bool {
        let mut rest = self.0.as_slice();
        words.iter().all(|word| {
            let head = itoa::Buffer::new().format(word.len()).len() + 3;
            let found = rest.get(head..head + word.len()) == Some(*word);
            rest = rest.get(head + word.len() + 2..).unwrap_or_default();
            found
        }) && rest.is_empty()
    }

    fn clear(&mut self) {
        self.0.clear();
        if self.0.capacity() > KEPT {
            self.0 = Vec::new();
        }
    }

    fn header(&mut self, kind: u8, number: usize) -> &mut Self {
        self.0.push(kind);
        self.0.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        self.0.extend_from_slice(b"\r\n");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken(mut outbox: Outbox) -> (String, Vec<u16>) {
        let mut bytes = Vec::new();
        let answers = outbox.take(&mut bytes).collect();
        assert!(outbox.is_empty());
        (String::from_utf8(bytes).expect("it is text"), answers)
    }

    #[test]
    fn a_command_is_written() {
        let mut outbox = Outbox::default();
        let mut out = Out::new(&mut outbox);
        out.command(4).arg("SET").parts(&[b"k", b"ey"]).number(12u64).entry_id(7);
        assert_eq!(out.commands(), 1);
        let (bytes, answers) = taken(outbox);
        assert_eq!(bytes, "*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2\r\n12\r\n$3\r\n0-7\r\n");
        assert_eq!(answers, [1]);
    }

    #[test]
    fn calls_of_one_script_with_one_beginning_are_joined_in_their_order() {
        let mut outbox = Outbox::new(true);
        for (script, beginning, key) in
            [("s", "9", "a"), ("s", "9", "b"), ("s", "10", "c"), ("s", "1", "d"), ("t", "1", "e")]
        {
            // Callers of their own.
            Out::new(&mut outbox).join(script, &[beginning.as_bytes()], &[key.as_bytes()], 1).arg(key);
        }
        Out::new(&mut outbox).words(&["PING"]);
        Out::new(&mut outbox).join("t", &[b"1"], &[b"f"], 0);
        let (bytes, answers) = taken(outbox);
        let words: Vec<_> = bytes.lines().filter(|line| !line.starts_with(['*', '$'])).collect();
        let joined =
            "EVALSHA s 2 a b 9 a b EVALSHA s 1 c 10 c EVALSHA s 1 d 1 d EVALSHA t 1 e 1 e PING EVALSHA t 1 f 1";
        assert_eq!(words.join(" "), joined);
        assert!(bytes.starts_with("*8\r\n$7\r\nEVALSHA\r\n$1\r\ns\r\n$1\r\n2\r\n"));
        assert_eq!(answers, [2, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn so_many_are_joined_and_no_more_and_none_on_a_cluster() {
        for (joins, size, expected) in
            [(true, 1, vec![16, 16, 8]), (true, FULL / 2, vec![2; 20]), (false, 1, vec![1; 40])]
        {
            let mut outbox = Outbox::new(joins);
            for _ in 0..40 {
                Out::new(&mut outbox).join("s", &[], &[b"k"], 1).arg("x".repeat(size));
            }
            assert_eq!(taken(outbox).1, expected);
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_library_writes(arguments in prop::collection::vec(any::<Vec<u8>>(), 1..8)) {
            let mut outbox = Outbox::default();
            let mut out = Out::new(&mut outbox);
            let out = out.command(arguments.len());
            let mut library = redis::Cmd::new();
            for argument in &arguments {
                out.arg(argument);
                library.arg(argument);
            }
            prop_assert_eq!(outbox.into_bytes(), library.get_packed_command());
        }

        #[test]
        fn arguments_are_what_was_written_and_nothing_else(one: Vec<Vec<u8>>, other: Vec<Vec<u8>>) {
            let mut arguments = Arguments::default();
            for word in &one {
                arguments.arg(word);
            }
            let is = |words: &[Vec<u8>]| arguments.is(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert!(is(&one));
            prop_assert_eq!(is(&other), one == other);
        }
    }
}
