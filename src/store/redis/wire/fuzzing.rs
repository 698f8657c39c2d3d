//! What holds for any bytes that a server says.

use redis::Value;

pub(in super::super) use super::dial::greeting;
use super::reply::{Malformed, Said, Scanner, said};

/// What a server says, in pieces whose sizes follow from the first byte: it is understood as if it had come whole, and
/// as the library understands it.
pub fn reply(bytes: &[u8]) {
    let Some((pace, stream)) = bytes.split_first() else { return };
    let whole = heard([stream]);
    let mut rest = stream;
    let mut size = usize::from(*pace);
    let pieces = std::iter::from_fn(|| {
        size = (size * 5 + 1) % 23;
        let (piece, after) = rest.split_at(size.max(1).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    let in_pieces = heard(pieces);
    assert_eq!(whole.len(), in_pieces.len());
    assert!(whole.iter().zip(&in_pieces).all(|(one, other)| one.is_as(other)), "{whole:?}\n{in_pieces:?}");
}

/// The value that a server answers, if these bytes are one whole answer.
pub(in super::super) fn answer(bytes: &[u8]) -> Option<Value> {
    if Scanner::default().scan(bytes) != Ok(Some(bytes.len())) {
        return None;
    }
    match said(bytes) {
        Ok(Said::Answer(value)) => Some(value),
        _ => None,
    }
}

/// The value that a server answers first, and the bytes behind it.
pub(in super::super) fn first_answer(bytes: &[u8]) -> Option<(Value, &[u8])> {
    let length = Scanner::default().scan(bytes).ok()??;
    let (first, rest) = bytes.split_at_checked(length)?;
    Some((answer(first)?, rest))
}

#[derive(Debug)]
enum Heard {
    Answer(Value),
    Note(String),
    /// The connection ends here.
    Malformed,
}

impl Heard {
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Answer(one), Self::Answer(other)) => same(one, other),
            (Self::Note(one), Self::Note(other)) => one == other,
            (Self::Malformed, Self::Malformed) => true,
            _ => false,
        }
    }
}

/// As a connection does it: what is there is looked at whenever a piece has come.
fn heard<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Heard> {
    let (mut heard, mut reading, mut scanner) = (Vec::new(), Vec::new(), Scanner::default());
    for piece in pieces {
        reading.extend_from_slice(piece);
        if let Err(Malformed) = hear(&mut scanner, &mut reading, &mut heard) {
            heard.push(Heard::Malformed);
            break;
        }
    }
    heard
}

fn hear(scanner: &mut Scanner, reading: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<(), Malformed> {
    while !reading.is_empty()
        && let Some(length) = scanner.scan(reading)?
    {
        let thing: Vec<u8> = reading.drain(..length).collect();
        heard.push(match said(&thing)? {
            Said::Answer(value) => {
                if let Ok(theirs) = redis::parse_redis_value(&thing) {
                    assert!(same(&value, &theirs), "{value:?}\n{theirs:?}");
                }
                Heard::Answer(value)
            }
            Said::Note(note) => Heard::Note(format!("{note:?}")),
        });
    }
    Ok(())
}

/// Equal, or not a number in the same places.
fn same(one: &Value, other: &Value) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}
