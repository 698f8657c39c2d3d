//! How much memory a piece of work takes at most: for bounds that follow from its input.
#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by its trait; this one only counts, and passes on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What any work may take: keys, tables, the configuration with all its defaults.
const ALWAYS: usize = 128 * 1024;
/// What each byte of input may cost. The most expensive honest ones are protobuf's empty parts and Redis's small
/// values; a target holds what it has read about twice.
pub(crate) const EACH_BYTE: usize = 64;
/// The same for a configuration file: the TOML library makes a table of each part of a dotted key, of two bytes, and
/// keeps an error for each byte that it cannot read.
pub(crate) const EACH_BYTE_OF_CONFIGURATION: usize = 1024;

/// Does some work, and panics if it took more memory at once than its input justifies.
pub(crate) fn bounded(input: usize, each_byte: usize, work: impl FnOnce()) {
    let before = HELD.get();
    PEAK.set(before);
    work();
    let taken = usize::try_from(PEAK.get() - before).unwrap_or_default();
    assert!(taken <= ALWAYS + each_byte * input, "{taken} bytes of memory for {input} bytes of input");
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has allocated and not freed; below zero if others' were freed here.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(taken: usize, given_back: usize) {
    // No memory has so many bytes that these would overflow.
    let held = HELD.get().wrapping_add_unsigned(taken).wrapping_sub_unsigned(given_back);
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_within_its_bound_is_let_be() {
        bounded(1024, EACH_BYTE, || drop(std::hint::black_box(vec![1u8; 128 * 1024])));
    }

    #[test]
    #[should_panic = "bytes of memory for 1024 bytes of input"]
    fn what_takes_too_much_is_noticed() {
        bounded(1024, EACH_BYTE, || drop(std::hint::black_box(vec![1u8; 256 * 1024])));
    }
}
