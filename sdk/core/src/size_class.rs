//! The sizes that envelopes may have, so that a size tells next to nothing.

const KIB: usize = 1_024;

/// The default envelope sizes in bytes, ascending. A relay may be configured with others.
pub const SIZE_CLASSES: [usize; 5] = [KIB, 2 * KIB, 4 * KIB, 16 * KIB, 64 * KIB];

/// The smallest of `classes` (in any order) that holds `len` bytes; `None` if none does.
pub fn smallest_class(len: usize, classes: &[usize]) -> Option<usize> {
    classes.iter().copied().filter(|class| *class >= len).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_class_that_fits_is_chosen() {
        assert_eq!(smallest_class(0, &SIZE_CLASSES), Some(1_024));
        assert_eq!(smallest_class(1_024, &SIZE_CLASSES), Some(1_024));
        assert_eq!(smallest_class(1_025, &SIZE_CLASSES), Some(2_048));
        assert_eq!(smallest_class(65_536, &SIZE_CLASSES), Some(65_536));
        assert_eq!(smallest_class(65_537, &SIZE_CLASSES), None);
        assert_eq!(smallest_class(3, &[9, 4, 7]), Some(4));
    }
}
