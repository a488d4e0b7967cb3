//! What a measurement gives: a rate and latencies. Decides how they are counted: every latency is kept,
//! none is estimated.

use serde::Serialize;
use std::time::Duration;

/// Latencies of operations, in microseconds, in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies(Vec<u32>);

impl Latencies {
    pub(crate) fn note(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn measured(mut self, within: Duration) -> Measured {
        self.0.sort_unstable();
        Measured {
            per_s: (self.0.len() as f64 / within.as_secs_f64()).round(),
            p50_us: quantile(&self.0, 0.5),
            p99_us: quantile(&self.0, 0.99),
            p999_us: quantile(&self.0, 0.999),
            cpu_us: None,
        }
    }
}

/// The smallest value that at least this part of the sorted values does not exceed; 0 of none.
pub(crate) fn quantile<T: Copy + Default>(sorted: &[T], part: f64) -> T {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or_default()
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) per_s: f64,
    pub(crate) p50_us: u32,
    pub(crate) p99_us: u32,
    pub(crate) p999_us: u32,
    /// CPU an operation cost, by who spent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu_us: Option<CpuUse>,
}

/// Microseconds of CPU an operation.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct CpuUse {
    pub(crate) generator: f64,
    pub(crate) leader: f64,
    /// All followers together.
    pub(crate) followers: f64,
}

/// Ours by theirs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) per_s: f64,
    pub(crate) p99: f64,
}

impl Ratio {
    pub(crate) fn of(ours: &Measured, theirs: &Measured) -> Self {
        let of = |a: f64, b: f64| hundredths(if b > 0.0 { a / b } else { 0.0 });
        Self {
            per_s: of(ours.per_s, theirs.per_s),
            p99: of(f64::from(ours.p99_us), f64::from(theirs.p99_us)),
        }
    }
}

/// With two digits behind the point: more is noise.
pub(crate) fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_that_was_measured() {
        let sorted: Vec<u32> = (1..=1_000).collect();
        assert_eq!(quantile(&sorted, 0.5), 500);
        assert_eq!(quantile(&sorted, 0.99), 990);
        assert_eq!(quantile(&sorted, 0.999), 999);
        assert_eq!(quantile(&sorted, 1.0), 1_000);
        assert_eq!(quantile(&[7_u32], 0.5), 7);
        assert_eq!(quantile::<u32>(&[], 0.5), 0);
    }

    #[test]
    fn a_rate_is_what_was_done_by_the_time_it_took() {
        let mut latencies = Latencies::default();
        (0..300).for_each(|_| latencies.note(Duration::from_micros(20)));
        let measured = latencies.measured(Duration::from_secs(2));
        assert_eq!((measured.per_s as u32, measured.p50_us, measured.p99_us), (150, 20, 20));
    }
}
