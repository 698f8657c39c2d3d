//! What the scripts answer, read into types. Anything else is [`StoreError::Corrupt`], never a panic.

use std::collections::HashMap;

use bytes::Bytes;
use redis::Value;
use sealpost_core::{DeliveryKeyHash, Hour, Sequence};

use super::node::refusal;
use crate::store::{
    AppendError, Description, Entry, Epoch, Generation, Grant, Incarnation, Inspection, Kept, Opening, Page,
    QueuedEntry, Read, StoreError,
};

const UNREADABLE: StoreError = StoreError::Corrupt("Redis answers something unexpected");

/// Of `append.lua`, for so many envelopes.
pub(super) fn appended_together(
    answer: Result<Value, StoreError>,
    envelopes: usize,
) -> Vec<Result<Sequence, AppendError>> {
    let answers = match answer {
        Ok(answer) if envelopes == 1 => return vec![appended(answer)],
        Ok(answer) => list(answer).and_then(|answers| answers.ok_or(UNREADABLE)),
        Err(error) => Err(error),
    };
    match answers {
        Ok(answers) if answers.len() == envelopes => answers.into_iter().map(appended).collect(),
        Ok(_) => vec![Err(UNREADABLE.into()); envelopes],
        Err(error) => vec![Err(error.into()); envelopes],
    }
}

/// Of `append.lua`, for one envelope.
pub(super) fn appended(value: Value) -> Result<Sequence, AppendError> {
    match integer(value)? {
        -1 => Err(AppendError::Refused),
        -2 => Err(AppendError::Full),
        0 => Ok(Sequence::NONE),
        number => Ok(sequence(number)?),
    }
}

/// Of `open.lua`.
pub(super) fn opened(value: Value, epoch: Epoch) -> Result<Option<Opening>, StoreError> {
    let Some(fields) = list(value)? else {
        return Ok(None);
    };
    let [generation, last, queued, incarnation] = <[Value; 4]>::try_from(fields).map_err(|_| UNREADABLE)?;
    Ok(Some(Opening {
        epoch,
        incarnation: Incarnation(bytes(incarnation)?.as_ref().try_into().map_err(|_| UNREADABLE)?),
        generation: Generation(u64::try_from(integer(generation)?).map_err(|_| UNREADABLE)?),
        last: sequence_or_none(integer(last)?)?,
        queued: u64::try_from(integer(queued)?).map_err(|_| UNREADABLE)?,
    }))
}

/// Of `read.lua`.
pub(super) fn read(value: Value) -> Result<Read, StoreError> {
    let Some(fields) = list(value)? else {
        return Ok(Read::Ended);
    };
    let mut fields = fields.into_iter();
    let end = match integer(fields.next().ok_or(UNREADABLE)?)? {
        -1 => None,
        last => Some(sequence_or_none(last)?),
    };
    let mut entries = Vec::with_capacity(fields.len() / 2);
    while let Some(id) = fields.next() {
        entries.push(entry(id, fields.next().ok_or(UNREADABLE)?)?);
    }
    Ok(Read::Page(Page { entries, end }))
}

/// Of `describe.lua`.
pub(super) fn inspected(value: Value, idle_ttl_hours: u32) -> Result<Option<Inspection>, StoreError> {
    let Some(parts) = list(value)? else {
        return Ok(None);
    };
    let [fields, card, queued, entries] = <[Value; 4]>::try_from(parts).map_err(|_| UNREADABLE)?;

    let mut grants = Vec::new();
    let mut named = HashMap::new();
    let mut fields = list(fields)?.ok_or(UNREADABLE)?.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let (name, value) = (bytes(name)?, bytes(value)?);
        match name.as_ref() {
            [b'k', hash @ ..] => grants.push(Grant {
                key: DeliveryKeyHash::try_from(hash).map_err(|_| UNREADABLE)?,
                expires: Some(Hour(decimal(&value)?)).filter(|hour| hour.0 != 0),
            }),
            [letter] => drop(named.insert(*letter, value)),
            _ => return Err(UNREADABLE),
        }
    }
    grants.sort_by_key(|grant| *grant.key.as_bytes());
    let number = |letter: u8| decimal::<u64>(named.get(&letter).ok_or(UNREADABLE)?);
    let last_seen = Hour(u32::try_from(number(b't')?).map_err(|_| UNREADABLE)?);

    let entries = list(entries)?
        .ok_or(UNREADABLE)?
        .into_iter()
        .map(|item| {
            let [id, fields] = <[Value; 2]>::try_from(list(item)?.ok_or(UNREADABLE)?).map_err(|_| UNREADABLE)?;
            let [_, blob] = <[Value; 2]>::try_from(list(fields)?.ok_or(UNREADABLE)?).map_err(|_| UNREADABLE)?;
            entry(id, blob)
        })
        .collect::<Result<_, _>>()?;

    let queued_messages = u64::try_from(integer(queued)?).map_err(|_| UNREADABLE)?;
    Ok(Some(Inspection {
        description: Description {
            grants,
            card: bytes(card)?,
            last: Sequence::new(number(b'n')?).unwrap_or(Sequence::NONE),
            queued_messages,
            // Without a queue they are out of date.
            queued_bytes: if queued_messages == 0 { 0 } else { number(b'b')? },
            generation: Generation(number(b'g')?),
            last_seen,
            reclaimed: reclaimed(last_seen, idle_ttl_hours),
        },
        kept: Kept {
            expiry_mark: named.get(&b'h').map(|hour| decimal(hour)).transpose()?.map(Hour),
            incarnation: Incarnation(mark(named.get(&b'i').ok_or(UNREADABLE)?)?),
            session: named.get(&b's').map(mark).transpose()?,
        },
        entries,
    }))
}

/// Random bytes, as many as there must be.
fn mark<const LENGTH: usize>(bytes: &Bytes) -> Result<[u8; LENGTH], StoreError> {
    bytes.as_ref().try_into().map_err(|_| UNREADABLE)
}

/// The hour at whose start a mailbox is reclaimed.
pub(super) fn reclaimed(last_seen: Hour, idle_ttl_hours: u32) -> Hour {
    Hour(last_seen.0.saturating_add(idle_ttl_hours).saturating_add(1))
}

/// A card, or nothing.
pub(super) fn card(value: Value) -> Result<Option<Bytes>, StoreError> {
    match value {
        Value::Nil | Value::Boolean(false) => Ok(None),
        value => bytes(value).map(Some),
    }
}

/// An integer.
pub(super) fn integer(value: Value) -> Result<i64, StoreError> {
    match value {
        Value::Int(number) => Ok(number),
        Value::ServerError(error) => Err(refusal(&error)),
        _ => Err(UNREADABLE),
    }
}

/// Bytes.
pub(super) fn bytes(value: Value) -> Result<Bytes, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(Bytes::from(bytes)),
        Value::SimpleString(text) => Ok(Bytes::from(text)),
        Value::ServerError(error) => Err(refusal(&error)),
        _ => Err(UNREADABLE),
    }
}

fn list(value: Value) -> Result<Option<Vec<Value>>, StoreError> {
    match value {
        Value::Array(items) => Ok(Some(items)),
        Value::Nil | Value::Boolean(false) => Ok(None),
        Value::ServerError(error) => Err(refusal(&error)),
        _ => Err(UNREADABLE),
    }
}

fn entry(id: Value, blob: Value) -> Result<QueuedEntry, StoreError> {
    let id = bytes(id)?;
    let sequence = Sequence::new(decimal(id.strip_prefix(b"0-").ok_or(UNREADABLE)?)?).ok_or(UNREADABLE)?;
    Ok(QueuedEntry { sequence, entry: Entry::decode(bytes(blob)?)? })
}

fn sequence(number: i64) -> Result<Sequence, StoreError> {
    u64::try_from(number).ok().and_then(Sequence::new).ok_or(UNREADABLE)
}

fn sequence_or_none(number: i64) -> Result<Sequence, StoreError> {
    if number == 0 { Ok(Sequence::NONE) } else { sequence(number) }
}

/// A number as Redis writes it: digits only, for each number has one form.
pub(super) fn decimal<T: std::str::FromStr>(text: &[u8]) -> Result<T, StoreError> {
    match text {
        [b'0'] | [b'1'..=b'9', ..] if text.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(UNREADABLE)
        }
        _ => Err(UNREADABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queued_entry_has_one_form_of_its_id() {
        let read = |id: &str| {
            let blob = [&[0x10][..], &[0; Entry::HEADER_LEN - 1], b"an envelope"].concat();
            entry(Value::BulkString(id.as_bytes().to_vec()), Value::BulkString(blob))
        };
        assert_eq!(read("0-7").map(|read| read.sequence.get()), Ok(7));
        assert!(read("0-18446744073709551615").is_ok());
        for id in ["0-+7", "0-07", "0-0", "0--7", "0-", "0- 7", "0-7 ", "1-7", "7", "0-18446744073709551616"] {
            assert_eq!(read(id), Err(UNREADABLE), "{id}");
        }
    }
}
