//! ISO/IEC 7816-4 padding: one byte 0x80, then zeros, to an exact length.

use thiserror::Error;

const MARK: u8 = 0x80;

/// Padding that could not be added or was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PaddingError {
    /// The data leaves no room for the mark: it must be shorter than the padded length.
    #[error("the data does not fit its padded length")]
    TooLong,
    /// The padded data does not end in 0x80 and zeros.
    #[error("the padding is malformed")]
    Malformed,
}

/// Pads `data` in place to exactly `len` bytes.
///
/// # Errors
/// [`PaddingError::TooLong`] unless `data` is shorter than `len`: at least one byte of padding is always there.
pub fn pad(data: &mut Vec<u8>, len: usize) -> Result<(), PaddingError> {
    if data.len() >= len {
        return Err(PaddingError::TooLong);
    }
    data.push(MARK);
    data.resize(len, 0);
    Ok(())
}

/// The data before its padding.
///
/// The time taken depends on how much padding there is, so call it only on data whose integrity was checked.
///
/// # Errors
/// [`PaddingError::Malformed`] unless `padded` ends in 0x80 and any number of zeros.
pub fn unpad(padded: &[u8]) -> Result<&[u8], PaddingError> {
    let end = padded.iter().rposition(|byte| *byte != 0).ok_or(PaddingError::Malformed)?;
    match padded.split_at_checked(end) {
        Some((data, [MARK, ..])) => Ok(data),
        _ => Err(PaddingError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_below_the_target_round_trips() {
        for len in 0..16 {
            let data = vec![0x80; len];
            let mut padded = data.clone();
            pad(&mut padded, 16).unwrap();
            assert_eq!(padded.len(), 16);
            assert_eq!(unpad(&padded), Ok(data.as_slice()));
        }
    }

    #[test]
    fn data_as_long_as_the_target_has_no_room() {
        assert_eq!(pad(&mut vec![0; 16], 16), Err(PaddingError::TooLong));
    }

    #[test]
    fn anything_but_a_mark_and_zeros_is_refused() {
        for padded in [&[][..], &[0], &[0, 0, 0], &[0x80, 1], &[0x81, 0], &[1, 2, 3]] {
            assert_eq!(unpad(padded), Err(PaddingError::Malformed));
        }
    }
}
