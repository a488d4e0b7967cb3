//! CPU that processes have used. Decides nothing: reads `/proc`.

use std::{fs, time::Duration};

/// User and system time of a process and its threads; zero if it is gone.
#[must_use]
pub fn used(pid: u32) -> Duration {
    ticks(&format!("/proc/{pid}/stat"))
}

/// The same of this process.
#[must_use]
pub fn own() -> Duration {
    ticks("/proc/self/stat")
}

fn ticks(path: &str) -> Duration {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The name stands in brackets and may hold blanks; time is the 12th and 13th field behind it.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let times = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|time| time.parse::<u64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_micros(ticks * (1_000_000 / per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_cpu_used() {
        let before = own();
        let mut sum = 0_u64;
        let began = std::time::Instant::now();
        while own() < before + Duration::from_millis(30) {
            assert!(began.elapsed() < Duration::from_secs(30), "no CPU time is counted");
            (0..100_000).for_each(|n| sum = std::hint::black_box(sum ^ n));
        }
        assert_eq!(used(0), Duration::ZERO);
    }
}
