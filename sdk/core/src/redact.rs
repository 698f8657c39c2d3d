//! A `Debug` that gives away nothing but the type's name.

/// Implements `Debug` for each type as its name followed by `(..)`.
macro_rules! redacted_debug {
    ($($name:ident $(<$life:lifetime>)?),+ $(,)?) => {
        $(
            impl $(<$life>)? ::core::fmt::Debug for $name $(<$life>)? {
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.write_str(concat!(stringify!($name), "(..)"))
                }
            }
        )+
    };
}
