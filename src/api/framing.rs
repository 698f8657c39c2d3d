//! Where a body stands in its sequence of gRPC messages: each a flag, a length, and so many bytes.

/// Follows a body, however it is cut, and keeps none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Before a message, or so many bytes into what announces it.
    Prefix {
        /// Of five.
        seen: u8,
        /// What has come of the length.
        length: u32,
    },
    /// Within a message.
    Message {
        /// So many bytes of it have come…
        came: u32,
        /// … and so many are to come, one at least.
        missing: u32,
    },
}

/// Before each message: a flag (not compressed), and four bytes of length.
pub(super) const PREFIX: u8 = 5;

impl Framing {
    /// Before the first message.
    pub(super) const START: Self = Self::Prefix { seen: 0, length: 0 };

    /// Takes the next piece in; whether a message ended in it.
    pub(super) fn follow(&mut self, mut piece: &[u8]) -> bool {
        let mut ended = false;
        while let Some((first, rest)) = piece.split_first() {
            *self = match *self {
                Self::Prefix { seen, length } => {
                    piece = rest;
                    // The flag is shifted out.
                    let (seen, length) = (seen + 1, (length << 8) | u32::from(*first));
                    if seen < PREFIX {
                        Self::Prefix { seen, length }
                    } else {
                        Self::Message { came: 0, missing: length }
                    }
                }
                Self::Message { came, missing } => {
                    let part = u32::try_from(piece.len()).map_or(missing, |length| length.min(missing));
                    piece = piece.get(part as usize..).unwrap_or_default();
                    Self::Message { came: came + part, missing: missing - part }
                }
            };
            if let Self::Message { missing: 0, .. } = self {
                (*self, ended) = (Self::START, true);
            }
        }
        ended
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_amid(&self) -> bool {
        *self != Self::START
    }

    /// The bytes of it that have come.
    pub(super) fn came(&self) -> usize {
        match *self {
            Self::Prefix { .. } => 0,
            Self::Message { came, .. } => came as usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages of these lengths, as gRPC frames them.
    fn body(lengths: &[usize]) -> Vec<u8> {
        let message = |length: &usize| {
            let prefix = u32::try_from(*length).expect("a length").to_be_bytes();
            [&[0][..], &prefix, &vec![0xFF; *length]].concat()
        };
        lengths.iter().flat_map(message).collect()
    }

    /// What is unfinished after so many bytes, worked out by itself.
    fn expected(lengths: &[usize], mut at: usize) -> (bool, usize) {
        for length in lengths {
            match at.checked_sub(5 + length) {
                Some(rest) => at = rest,
                None => break,
            }
        }
        (at > 0, at.saturating_sub(5))
    }

    proptest! {
        #[test]
        fn however_a_body_is_cut_the_same_is_unfinished(
            lengths in prop::collection::vec(prop_oneof![Just(0), 1..8usize, 250..600usize], 0..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        ) {
            let body = body(&lengths);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.push(body.len());
            cuts.sort_unstable();
            let ends: Vec<usize> = lengths.iter().scan(0, |end, length| { *end += 5 + length; Some(*end) }).collect();
            let (mut framing, mut at) = (Framing::START, 0);
            for cut in cuts {
                let ended = framing.follow(&body[at..cut]);
                prop_assert_eq!(ended, ends.iter().any(|end| (at + 1..=cut).contains(end)));
                at = cut;
                prop_assert_eq!((framing.is_amid(), framing.came()), expected(&lengths, at));
            }
            prop_assert!(!framing.is_amid());
        }
    }

    #[test]
    fn the_flag_is_no_part_of_the_length() {
        let mut framing = Framing::START;
        assert!(!framing.follow(&[1, 0, 0, 0, 2, 7]));
        assert_eq!(framing, Framing::Message { came: 1, missing: 1 });
        assert!(framing.follow(&[7]));
        assert!(!framing.follow(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF]));
        assert_eq!(framing, Framing::Message { came: 0, missing: u32::MAX });
    }
}
