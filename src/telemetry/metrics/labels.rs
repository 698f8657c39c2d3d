//! Labels: closed lists of words, so that how many series there can be is known before there is one.

use sealpost_proto::Reason;

/// A set of labels, each of which has one of a few values that the program knows.
pub trait Labels: Copy + Send + Sync + 'static {
    /// Their names.
    const NAMES: &'static [&'static str];
    /// How many sets of values there are.
    const COUNT: usize;

    /// Where this one is among them.
    fn index(self) -> usize;

    /// The values at a place, in the order of the names; none where there is no such place.
    fn values(index: usize) -> Vec<&'static str>;
}

/// Makes an enum that is one label, with a word for each of its values.
macro_rules! label {
    (
        $(#[$about:meta])*
        $name:ident is $label:literal {
            $($(#[$about_value:meta])* $value:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$about_value])* $value,)+
        }

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word for it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl $crate::telemetry::metrics::labels::Labels for $name {
            const NAMES: &'static [&'static str] = &[$label];
            const COUNT: usize = Self::WORDS.len();

            fn index(self) -> usize {
                self as usize
            }

            fn values(index: usize) -> Vec<&'static str> {
                Self::WORDS.get(index).copied().into_iter().collect()
            }
        }
    };
}
pub(super) use label;

/// The reasons of the contract, by their names there.
impl Labels for Reason {
    const NAMES: &'static [&'static str] = &["reason"];
    const COUNT: usize = 32;

    fn index(self) -> usize {
        self as usize
    }

    fn values(index: usize) -> Vec<&'static str> {
        let reason = i32::try_from(index).ok().and_then(|number| Self::try_from(number).ok());
        reason.map(Self::name).into_iter().collect()
    }
}

/// Two labels.
impl<A: Labels, B: Labels> Labels for (A, B) {
    const NAMES: &'static [&'static str] = &[
        match A::NAMES {
            [name] => name,
            _ => panic!("a pair is made of single labels"),
        },
        match B::NAMES {
            [name] => name,
            _ => panic!("a pair is made of single labels"),
        },
    ];
    const COUNT: usize = A::COUNT * B::COUNT;

    fn index(self) -> usize {
        self.0.index() * B::COUNT + self.1.index()
    }

    fn values(index: usize) -> Vec<&'static str> {
        let (first, second) = (A::values(index / B::COUNT), B::values(index % B::COUNT));
        if first.is_empty() || second.is_empty() { Vec::new() } else { [first, second].concat() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reload;
    use super::*;

    #[test]
    fn each_value_has_its_place_and_its_word() {
        assert_eq!((Reload::NAMES, Reload::COUNT), (&["outcome"][..], 2));
        assert_eq!(Reload::values(Reload::Refused.index()), ["refused"]);
        assert!(Reload::values(2).is_empty());
    }

    #[test]
    fn a_pair_has_a_place_for_each_pair_of_values() {
        let pair = (Reload::Refused, Reason::Internal);
        assert_eq!(<(Reload, Reason)>::NAMES, ["outcome", "reason"]);
        assert_eq!(<(Reload, Reason)>::values(pair.index()), ["refused", "INTERNAL"]);
        assert!(pair.index() < <(Reload, Reason)>::COUNT);
        assert!(<(Reload, Reason)>::values(<(Reload, Reason)>::COUNT).is_empty());
    }

    #[test]
    fn every_reason_has_a_place() {
        let known = (0..).map_while(|number| Reason::try_from(number).ok());
        for (place, reason) in known.enumerate() {
            assert!(place < Reason::COUNT, "{reason:?}: Reason::COUNT is too small");
            assert_eq!(Reason::values(reason.index()), [reason.name()]);
        }
    }
}
