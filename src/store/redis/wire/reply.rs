//! Reading what a server says (RESP3, <https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md>).
//!
//! What comes on the hot path (integers, strings, arrays, what is published) is read here; everything else is
//! measured here and read by the `redis` crate.

use redis::Value;

/// The bytes are no RESP3, or more than this program ever asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One whole thing that a server said.
#[derive(Debug, PartialEq)]
pub(crate) enum Said<'a> {
    /// An answer to a command.
    Answer(Value),
    /// Something of which nobody asked.
    Note(Note<'a>),
}

/// A push of Pub/Sub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Note<'a> {
    /// This was published on that channel.
    Published { channel: &'a [u8], payload: &'a [u8] },
    /// A subscription begins.
    Subscribed,
    /// A subscription has ended, because it was asked for or because the channel's slot has moved.
    Unsubscribed { channel: &'a [u8] },
    /// Anything else.
    Other,
}

/// The longest thing that is read.
const LONGEST: usize = 256 * 1024 * 1024;
/// The longest line: an integer, or a text of an error.
const LONGEST_LINE: usize = 64 * 1024;
/// Arrays within arrays.
const DEEPEST: u32 = 16;

/// Finds where the first thing in a buffer ends; it remembers how far it has looked.
#[derive(Debug)]
pub(crate) struct Scanner {
    at: usize,
    /// Values that are still to come.
    left: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { at: 0, left: 1 }
    }
}

impl Scanner {
    /// The length of the first thing in `buffer`, if it is there whole; the next call begins anew.
    pub(crate) fn scan(&mut self, buffer: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.left > 0 {
            let Some(line) = line(buffer, self.at)? else { return Ok(None) };
            let (next, more) = match line.kind {
                b'$' | b'!' | b'=' => match line.length()? {
                    None => (line.end, 0),
                    Some(length) => (line.end + length + 2, 0),
                },
                b'*' | b'~' | b'>' => (line.end, line.length()?.unwrap_or(0)),
                b'%' => (line.end, line.length()?.unwrap_or(0) * 2),
                // What it says of the value that follows, which is still to come.
                b'|' => (line.end, line.length()?.unwrap_or(0) * 2 + 1),
                b':' | b'+' | b'-' | b'_' | b'#' | b',' | b'(' => (line.end, 0),
                _ => return Err(Malformed),
            };
            if next > LONGEST || more > LONGEST {
                return Err(Malformed);
            }
            if next > buffer.len() {
                return Ok(None);
            }
            self.at = next;
            self.left = self.left - 1 + more;
        }
        Ok(Some(std::mem::take(self).at))
    }
}

/// Reads one whole thing.
pub(crate) fn said(bytes: &[u8]) -> Result<Said<'_>, Malformed> {
    if bytes.first() == Some(&b'>') {
        return Ok(Said::Note(note(bytes)?));
    }
    let mut at = 0;
    Ok(Said::Answer(value(bytes, &mut at, 0)?))
}

struct Line<'a> {
    kind: u8,
    text: &'a [u8],
    /// Where the next line begins.
    end: usize,
}

impl Line<'_> {
    /// The length or number that it states; `None` for nothing at all.
    fn length(&self) -> Result<Option<usize>, Malformed> {
        if self.text == b"-1" {
            return Ok(None);
        }
        let text = std::str::from_utf8(self.text).map_err(|_| Malformed)?;
        let length: usize = text.parse().map_err(|_| Malformed)?;
        if length > LONGEST { Err(Malformed) } else { Ok(Some(length)) }
    }
}

fn line(buffer: &[u8], at: usize) -> Result<Option<Line<'_>>, Malformed> {
    let rest = buffer.get(at..).unwrap_or_default();
    let Some((kind, rest)) = rest.split_first() else { return Ok(None) };
    match rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\r') {
        Some(length) => match rest.get(length + 1) {
            Some(b'\n') => {
                Ok(Some(Line { kind: *kind, text: rest.get(..length).unwrap_or_default(), end: at + length + 3 }))
            }
            Some(_) => Err(Malformed),
            None => Ok(None),
        },
        None if rest.len() >= LONGEST_LINE => Err(Malformed),
        None => Ok(None),
    }
}

fn value(bytes: &[u8], at: &mut usize, depth: u32) -> Result<Value, Malformed> {
    let line = line(bytes, *at)?.ok_or(Malformed)?;
    match line.kind {
        b':' => {
            *at = line.end;
            let text = std::str::from_utf8(line.text).map_err(|_| Malformed)?;
            text.parse().map(Value::Int).map_err(|_| Malformed)
        }
        b'$' => {
            *at = line.end;
            Ok(string(bytes, at, &line)?.map_or(Value::Nil, |string| Value::BulkString(string.to_vec())))
        }
        b'*' if depth < DEEPEST => {
            *at = line.end;
            let Some(length) = line.length()? else { return Ok(Value::Nil) };
            // Each takes at least four bytes: what is announced beyond that is not there.
            let mut items = Vec::with_capacity(length.min(bytes.len() / 4));
            for _ in 0..length {
                items.push(value(bytes, at, depth + 1)?);
            }
            Ok(Value::Array(items))
        }
        b'*' => Err(Malformed),
        _ => {
            let rest = bytes.get(*at..).unwrap_or_default();
            let length = Scanner::default().scan(rest)?.ok_or(Malformed)?;
            *at += length;
            redis::parse_redis_value(rest.get(..length).unwrap_or_default()).map_err(|_| Malformed)
        }
    }
}

/// The string that `line` announces.
fn string<'a>(bytes: &'a [u8], at: &mut usize, line: &Line<'_>) -> Result<Option<&'a [u8]>, Malformed> {
    let Some(length) = line.length()? else { return Ok(None) };
    let string = bytes.get(line.end..line.end + length).ok_or(Malformed)?;
    if bytes.get(line.end + length..line.end + length + 2) != Some(b"\r\n") {
        return Err(Malformed);
    }
    *at = line.end + length + 2;
    Ok(Some(string))
}

fn note(bytes: &[u8]) -> Result<Note<'_>, Malformed> {
    let head = line(bytes, 0)?.ok_or(Malformed)?;
    let mut at = head.end;
    let kind = next_string(bytes, &mut at)?;
    Ok(match kind {
        Some(b"smessage") => {
            let channel = next_string(bytes, &mut at)?.ok_or(Malformed)?;
            let payload = next_string(bytes, &mut at)?.ok_or(Malformed)?;
            Note::Published { channel, payload }
        }
        Some(b"ssubscribe") => Note::Subscribed,
        Some(b"sunsubscribe") => Note::Unsubscribed { channel: next_string(bytes, &mut at)?.unwrap_or_default() },
        _ => Note::Other,
    })
}

/// The next element, if it is a string.
fn next_string<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, Malformed> {
    let line = line(bytes, *at)?.ok_or(Malformed)?;
    match line.kind {
        b'$' => string(bytes, at, &line),
        b'+' => {
            *at = line.end;
            Ok(bytes.get(line.end - 2 - line.text.len()..line.end - 2))
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Value {
        assert_eq!(Scanner::default().scan(bytes), Ok(Some(bytes.len())));
        match said(bytes) {
            Ok(Said::Answer(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_is_read_as_the_library_does() {
        for bytes in [
            &b":-12\r\n"[..],
            b"$5\r\nhe\r\nl\r\n",
            b"$0\r\n\r\n",
            b"$-1\r\n",
            b"*0\r\n",
            b"*-1\r\n",
            b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n+OK\r\n",
            b"+OK\r\n",
            b"-MOVED 12 127.0.0.1:7001\r\n",
            b"!5\r\nERR x\r\n",
            b"_\r\n",
            b"#t\r\n",
            b",1.5\r\n",
            b"%1\r\n+a\r\n:1\r\n",
            b"~2\r\n:1\r\n:2\r\n",
            b"=7\r\ntxt:abc\r\n",
        ] {
            assert_eq!(read(bytes), redis::parse_redis_value(bytes).expect("RESP3"), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_published_is_read_in_place() {
        let bytes = b">3\r\n$8\r\nsmessage\r\n$3\r\nw:a\r\n$2\r\nhi\r\n";
        let note = Note::Published { channel: b"w:a", payload: b"hi" };
        assert_eq!(said(bytes), Ok(Said::Note(note)));
        let bytes = b">3\r\n$12\r\nsunsubscribe\r\n$3\r\nw:a\r\n:0\r\n";
        assert_eq!(said(bytes), Ok(Said::Note(Note::Unsubscribed { channel: b"w:a" })));
        let bytes = b">3\r\n$10\r\nssubscribe\r\n$3\r\nw:a\r\n:1\r\n";
        assert_eq!(said(bytes), Ok(Said::Note(Note::Subscribed)));
        assert_eq!(said(b">1\r\n$10\r\ninvalidate\r\n"), Ok(Said::Note(Note::Other)));
    }

    #[test]
    fn what_is_cut_is_waited_for_and_nothing_is_read_twice() {
        let bytes = b"*2\r\n$3\r\nabc\r\n*1\r\n:5\r\n:7\r\n";
        let mut scanner = Scanner::default();
        for end in 0..21 {
            assert_eq!(scanner.scan(&bytes[..end]), Ok(None), "{end}");
        }
        assert_eq!(scanner.scan(bytes), Ok(Some(21)));
        assert_eq!(scanner.scan(&bytes[21..]), Ok(Some(4)));
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [&b"hello\r\n"[..], b"$x\r\n", b":1\rx", b"*99999999999\r\n", b"$-5\r\n"] {
            assert_eq!(Scanner::default().scan(bytes), Err(Malformed), "{bytes:?}");
        }
        let line = vec![b'+'; LONGEST_LINE + 2];
        assert_eq!(Scanner::default().scan(&line), Err(Malformed));
        let deep = [b"*1\r\n".repeat(64), b":1\r\n".to_vec()].concat();
        assert_eq!(said(&deep), Err(Malformed));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::Int),
            any::<Vec<u8>>().prop_map(Value::BulkString),
            Just(Value::Nil),
        ];
        leaf.prop_recursive(3, 24, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(Value::Array))
    }

    fn write(value: &Value, bytes: &mut Vec<u8>) {
        match value {
            Value::Int(number) => bytes.extend(format!(":{number}\r\n").bytes()),
            Value::BulkString(string) => {
                bytes.extend(format!("${}\r\n", string.len()).bytes());
                bytes.extend(string);
                bytes.extend(b"\r\n");
            }
            Value::Array(items) => {
                bytes.extend(format!("*{}\r\n", items.len()).bytes());
                items.iter().for_each(|item| write(item, bytes));
            }
            _ => bytes.extend(b"_\r\n"),
        }
    }

    proptest! {
        #[test]
        fn values_are_read_back(value in any_value(), cut in any::<prop::sample::Index>()) {
            let mut bytes = Vec::new();
            write(&value, &mut bytes);
            let mut scanner = Scanner::default();
            let cut = cut.index(bytes.len());
            prop_assert_eq!(scanner.scan(&bytes[..cut]), Ok(None));
            prop_assert_eq!(scanner.scan(&bytes), Ok(Some(bytes.len())));
            prop_assert_eq!(said(&bytes), Ok(Said::Answer(value)));
        }

        #[test]
        fn any_bytes_may_come(bytes: Vec<u8>) {
            if let Ok(Some(length)) = Scanner::default().scan(&bytes) {
                let _ = said(&bytes[..length]);
            }
            let _ = said(&bytes);
        }
    }
}
