//! Histograms that cost two atomic additions. Decides nothing: bounds are given, numbers are counted, and how
//! they are shown is left to whoever reads them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of values by upper bounds that are set once; the unit is its owner's.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than bounds: the last is for what is above all of them.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram had counted at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Upper bound and count of each bucket, not summed up; `u64::MAX` is the last one's bound.
    pub buckets: Vec<(u64, u64)>,
    pub sum: u64,
}

impl Counted {
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

impl Histogram {
    /// `bounds` must rise.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    pub fn count(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    #[must_use]
    pub fn counted(&self) -> Counted {
        let bounds = self.bounds.iter().copied().chain([u64::MAX]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Counted { buckets: bounds.zip(counts).collect(), sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// What a journal measures of its own work. Outlives the journal: whoever holds it keeps nothing open.
#[derive(Debug)]
pub struct Meters {
    /// Each sync of appended records, in microseconds.
    pub sync_us: Histogram,
    /// Records written before each of them.
    pub batch_records: Histogram,
}

/// From a fast SSD's write cache to a disk that stands still.
const SYNC_US: &[u64] = &[
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400, 409_600,
    1_638_400,
];
const BATCH_RECORDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

impl Default for Meters {
    fn default() -> Self {
        let (sync_us, batch_records) = (Histogram::new(SYNC_US), Histogram::new(BATCH_RECORDS));
        Self { sync_us, batch_records }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_counted_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[1, 10]);
        [0, 1, 2, 10, 11, 1_000].into_iter().for_each(|value| histogram.count(value));
        let counted = histogram.counted();
        assert_eq!(counted.buckets, [(1, 2), (10, 2), (u64::MAX, 2)]);
        assert_eq!((counted.sum, counted.count()), (1_024, 6));
    }
}
