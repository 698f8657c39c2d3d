//! What travels with an envelope from its sender's relay to its owner's, and is stored nowhere.

use crate::clock::UnixMillis;
use crate::telemetry::TraceParent;

/// Made when an envelope is there, and handed over with what is published of it, so that the owner's relay can measure how
/// long it took. An envelope that is read from its queue has none: of that the relay knows the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journey {
    /// When the sender's relay had it, by its clock.
    pub begun: UnixMillis,
    /// What the owner's relay adds its part to, if this one is traced.
    pub trace: Option<Box<TraceParent>>,
}

/// ```text
/// offset  size  field
///      0     8  milliseconds since 1970, big-endian
///                  and where it is traced
///      8    28  [`TraceParent`]
/// ```
impl Journey {
    const TIME_LEN: usize = 8;

    /// With what its parts are added to, if it is traced.
    pub fn begin(begun: UnixMillis, trace: Option<TraceParent>) -> Self {
        Self { begun, trace: trace.map(Box::new) }
    }

    /// Of an envelope that is not traced.
    pub fn begun_at(begun: UnixMillis) -> Self {
        Self { begun, trace: None }
    }

    /// Gives its bytes to `write`.
    pub fn encode<T>(&self, write: impl FnOnce(&[u8]) -> T) -> T {
        let mut bytes = [0; Self::TIME_LEN + TraceParent::LEN];
        let (time, trace) = bytes.split_at_mut(Self::TIME_LEN);
        time.copy_from_slice(&self.begun.0.to_be_bytes());
        let length = match &self.trace {
            None => Self::TIME_LEN,
            Some(parent) => {
                trace.copy_from_slice(&parent.to_bytes());
                Self::TIME_LEN + TraceParent::LEN
            }
        };
        write(bytes.get(..length).unwrap_or_default())
    }

    /// Reads its bytes, all of them.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (time, trace) = bytes.split_first_chunk()?;
        let trace = match trace {
            [] => None,
            trace => Some(Box::new(TraceParent::from_bytes(trace.try_into().ok()?)?)),
        };
        Some(Self { begun: UnixMillis(u64::from_be_bytes(*time)), trace })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(begun: u64, trace: Option<(u128, u64, u32)>) {
            let parent = |(trace, span, shift): (u128, u64, u32)| {
                let bytes = [&trace.to_be_bytes()[..], &span.to_be_bytes(), &shift.to_be_bytes()].concat();
                TraceParent::from_bytes(bytes.try_into().expect("its length")).map(Box::new)
            };
            let journey = Journey { begun: UnixMillis(begun), trace: trace.and_then(parent) };
            prop_assert_eq!(journey.encode(Journey::decode), Some(journey));
        }

        #[test]
        fn each_has_one_form(bytes: Vec<u8>) {
            if let Some(journey) = Journey::decode(&bytes) {
                prop_assert!(journey.encode(|again| again == bytes));
            }
        }
    }
}
