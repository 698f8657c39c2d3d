//! Times, in histograms that can be merged (Gil Tene's HdrHistogram), in whole microseconds to three digits.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Times, by how often.
pub type Times = Histogram<u64>;

/// The longest that is told apart: an hour. What is longer counts as that.
const LONGEST_US: u64 = 3_600_000_000;
const DIGITS: u8 = 3;

/// None yet.
pub fn no_times() -> Times {
    Histogram::new_with_bounds(1, LONGEST_US, DIGITS).unwrap_or_else(|_| {
        // Those bounds are good ones.
        Histogram::new_with_max(u64::from(u32::MAX), 1).unwrap_or_else(|_| std::process::abort())
    })
}

/// Adds one.
pub fn note(times: &mut Times, time: Duration) {
    times.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST_US));
}

/// Adds all of another, which has the same bounds.
pub fn add(times: &mut Times, others: &Times) {
    // It fails only where the bounds differ.
    let _ = times.add(others);
}

/// What is noted from many threads; each has a place of its own, so that they do not wait for each other.
#[derive(Debug)]
pub struct Notes<T> {
    places: Box<[Mutex<T>]>,
}

/// More than there are threads in a runtime of a small machine; on a larger one some share a place.
const PLACES: usize = 16;

impl<T: Default> Default for Notes<T> {
    fn default() -> Self {
        Self { places: (0..PLACES).map(|_| Mutex::default()).collect() }
    }
}

impl<T> Notes<T> {
    /// Changes the thread's own.
    pub fn change(&self, change: impl FnOnce(&mut T)) {
        if let Some(place) = self.places.get(place()) {
            change(&mut place.lock());
        }
    }

    /// Looks at all, one after the other.
    pub fn each(&self, mut look: impl FnMut(&mut T)) {
        self.places.iter().for_each(|place| look(&mut place.lock()));
    }
}

fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PLACE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % PLACES);
    }
    PLACE.with(Cell::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_many_threads_are_all_there() {
        let notes: Notes<Option<Times>> = Notes::default();
        std::thread::scope(|scope| {
            for thread in 1..=20u64 {
                let notes = &notes;
                scope.spawn(move || {
                    for _ in 0..100 {
                        notes.change(|times| {
                            note(times.get_or_insert_with(no_times), Duration::from_micros(thread * 1000));
                        });
                    }
                });
            }
        });
        let mut all = no_times();
        notes.each(|times| {
            if let Some(times) = times.take() {
                add(&mut all, &times);
            }
        });
        assert_eq!(all.len(), 2000);
        assert!(all.value_at_quantile(0.5).abs_diff(10_000) <= 10);
        assert!(all.max().abs_diff(20_000) <= 20);
    }

    #[test]
    fn what_is_too_long_or_too_short_counts_nevertheless() {
        let mut times = no_times();
        note(&mut times, Duration::ZERO);
        note(&mut times, Duration::from_secs(100_000));
        assert_eq!(times.len(), 2);
        assert!(times.max() >= LONGEST_US);
    }
}
