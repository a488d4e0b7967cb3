//! Tests of the journal as its callers see it, on the real disk and on the simulated one.

mod crash;
mod damage;
mod model;
mod power_loss;
mod workings;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::disk::SimulatedDisk;
use crate::{Journal, Options, Record, Writer};

/// Small segments, so that a few records fill many.
const SMALL: u64 = 4096;

fn small(directory: &Path) -> Options {
    Options { segment_bytes: SMALL, ..Options::at(directory) }
}

fn records(indices: std::ops::Range<u64>, bytes: usize) -> Vec<Record> {
    indices.map(|index| Record::new(index, body(index, bytes))).collect()
}

fn body(index: u64, bytes: usize) -> Bytes {
    let mut text = format!("record {index} ").into_bytes();
    text.resize(bytes.max(text.len()), b'.');
    text.into()
}

fn indices(journal: &Journal) -> Vec<u64> {
    let Some(first) = journal.first_index() else { return Vec::new() };
    journal.stream_from(first).map(|record| record.unwrap().0).collect()
}

fn inline(disk: &SimulatedDisk) -> (Journal, Writer) {
    Journal::open_inline(small(Path::new("/log")), Arc::new(disk.clone())).unwrap()
}

fn eventually(condition: impl Fn() -> bool, deadline: Duration) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < deadline, "not within {deadline:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
