//! As much of Redis's protocol as pipelines of a few commands take.

use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What a server answers to one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    /// Nothing is there.
    Nil,
    /// A number.
    Integer(i64),
    /// A status or a string.
    Bytes(&'a [u8]),
    /// The command was refused.
    Error(&'a [u8]),
    /// Several answers.
    Array(Vec<Reply<'a>>),
}

/// Arrays within arrays, no more than this: as deep as entries of a stream are, and some.
const DEEPEST: usize = 6;

/// Adds a command to what will be sent.
pub(super) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    begin(out, words.len());
    words.iter().for_each(|each| word(out, each));
}

/// Adds the beginning of a command of so many words.
pub(super) fn begin(out: &mut Vec<u8>, words: usize) {
    out.extend_from_slice(format!("*{words}\r\n").as_bytes());
}

/// Adds a word of it.
pub(super) fn word(out: &mut Vec<u8>, word: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// A connection to a server on this machine.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    input: BytesMut,
}

impl Connection {
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: BytesMut::new() })
    }

    /// Sends commands.
    pub(super) async fn send(&mut self, commands: &[u8]) -> io::Result<()> {
        self.stream.write_all(commands).await
    }

    /// Waits for the next answer, and looks at it.
    pub(super) async fn reply<T>(&mut self, look: impl FnOnce(&Reply<'_>) -> T) -> io::Result<T> {
        loop {
            let mut rest = self.input.as_ref();
            if let Some(reply) = parse(&mut rest, DEEPEST)? {
                let seen = look(&reply);
                let used = self.input.len() - rest.len();
                self.input.advance(used);
                return Ok(seen);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Takes one answer from the beginning of `rest`; none if its end is not there yet.
fn parse<'a>(rest: &mut &'a [u8], depth: usize) -> io::Result<Option<Reply<'a>>> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let Some(line) = take_line(rest) else { return Ok(None) };
    let (kind, text) = line.split_first().ok_or_else(wrong)?;
    let number = || str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()).ok_or_else(wrong);
    Ok(Some(match kind {
        b'+' => Reply::Bytes(text),
        b'-' => Reply::Error(text),
        b':' => Reply::Integer(number()?),
        b'$' => match usize::try_from(number()?) {
            Ok(length) => match rest.split_at_checked(length) {
                Some((bytes, [_, _, left @ ..])) => {
                    *rest = left;
                    Reply::Bytes(bytes)
                }
                _ => return Ok(None),
            },
            Err(_) => Reply::Nil,
        },
        b'*' => match usize::try_from(number()?) {
            Ok(length) => {
                let depth = depth.checked_sub(1).ok_or_else(wrong)?;
                let mut items = Vec::new();
                for _ in 0..length {
                    let Some(item) = parse(rest, depth)? else { return Ok(None) };
                    items.push(item);
                }
                Reply::Array(items)
            }
            Err(_) => Reply::Nil,
        },
        _ => return Err(wrong()),
    }))
}

fn take_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (line, left) = rest.split_at_checked(end + 1)?;
    *rest = left;
    line.strip_suffix(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut out = Vec::new();
        command(&mut out, &[b"ECHO", b"a\r\nb"]);
        assert_eq!(out, b"*2\r\n$4\r\nECHO\r\n$4\r\na\r\nb\r\n");
    }

    #[test]
    fn answers_are_read_when_all_of_them_is_there() {
        let said = b"*3\r\n$3\r\n0-1\r\n*2\r\n+OK\r\n:-7\r\n$-1\r\n-ERR no\r\n";
        let mut rest = said.as_slice();
        let inner = Reply::Array(vec![Reply::Bytes(b"OK"), Reply::Integer(-7)]);
        let array = Reply::Array(vec![Reply::Bytes(b"0-1"), inner, Reply::Nil]);
        assert_eq!(parse(&mut rest, DEEPEST).unwrap(), Some(array));
        let first = said.len() - rest.len();
        assert_eq!(parse(&mut rest, DEEPEST).unwrap(), Some(Reply::Error(b"ERR no")));
        assert!(rest.is_empty());
        for end in 0..first {
            assert_eq!(parse(&mut said.get(..end).unwrap(), DEEPEST).unwrap(), None, "{end}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for said in [b"?\r\n".as_slice(), b"\r\n", b":many\r\n", &b"*1\r\n".repeat(DEEPEST + 1)] {
            assert!(parse(&mut &said[..], DEEPEST).is_err(), "{said:?}");
        }
    }
}
