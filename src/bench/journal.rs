//! `bench journal`: the journal's group commit against a bare loop of pwrite and fdatasync, in turns.
//! Decides what is compared: the same bytes a sync, on the same file system, both on preallocated files, one
//! append under way. The journal is given the next one in the callback that says the last is durable, so
//! that each has a sync of its own.

use super::{
    args::JournalArgs,
    measured::{Latencies, Measured, Ratio},
};
use crate::cli::Format;
use anyhow::{Context as _, ensure};
use rustix::fs::{FallocateFlags, fallocate};
use serde::Serialize;
use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::mpsc::{Sender, channel},
    time::{Duration, Instant},
};
use tradewind_journal::{Failure, Journal, Options, Record, SEGMENT_BYTES, SubmitError};
use tradewind_launcher::DataDirectory;

const BODY_BYTES: usize = 256;
/// What the journal writes before each body.
const RECORD_HEADER_BYTES: usize = 16;
/// Both take turns of this length, so that a disk that slows down slows both.
const TURN: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize)]
struct Report {
    runs: Vec<Run>,
}

/// Rates are in records, latencies those of an append of `batch` records.
#[derive(Debug, Serialize)]
struct Run {
    batch: u32,
    journal: Measured,
    raw: Measured,
    ratio: Ratio,
}

pub(crate) fn run(args: &JournalArgs) -> anyhow::Result<()> {
    let data = DataDirectory::open(args.data.clone())?;
    let mut report = Report { runs: Vec::new() };
    for batch in &args.batch {
        let of = data.path().join(format!("batch-{batch}"));
        report.runs.push(one(&of, *batch, Duration::from_secs(args.seconds))?);
    }
    match args.output {
        Format::Json | Format::Jsonl => println!("{}", serde_json::to_string(&report)?),
        Format::Table => table(&report),
    }
    Ok(())
}

fn one(directory: &Path, batch: u32, length: Duration) -> anyhow::Result<Run> {
    let mut journal = Appender::open(&directory.join("journal"), batch)?;
    let mut raw = Raw::create(directory, batch)?;
    let (mut ours, mut theirs) = (Latencies::default(), Latencies::default());
    let mut measured = (Duration::ZERO, Duration::ZERO);
    // One turn each that is not counted.
    journal.turn(&mut Latencies::default())?;
    raw.turn(&mut Latencies::default())?;
    while measured.0 < length {
        measured.0 += journal.turn(&mut ours)?;
        measured.1 += raw.turn(&mut theirs)?;
    }
    let (mut journal, mut raw) = (ours.measured(measured.0), theirs.measured(measured.1));
    journal.per_s *= f64::from(batch);
    raw.per_s *= f64::from(batch);
    let ratio = Ratio::of(&journal, &raw);
    Ok(Run { batch, journal, raw, ratio })
}

struct Appender {
    journal: Journal,
    next: u64,
    batch: u32,
    body: bytes::Bytes,
}

impl Appender {
    fn open(directory: &Path, batch: u32) -> anyhow::Result<Self> {
        let journal = Journal::open(Options::at(directory)).context("the journal")?;
        Ok(Self { journal, next: 1, batch, body: vec![0x5a; BODY_BYTES].into() })
    }

    fn turn(&mut self, latencies: &mut Latencies) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        let (told, ends) = channel();
        let lap = Lap { until: begin + TURN, batch: self.batch, body: self.body.clone(), told };
        let taken = Latencies::default();
        let syncs = self.journal.stats().syncs;
        append(self.journal.clone(), lap, self.next, taken)?;
        let (next, taken) = ends.recv().context("the journal told no end")??;
        let took = begin.elapsed();
        let syncs = self.journal.stats().syncs - syncs;
        ensure!(syncs >= taken.len() as u64, "{syncs} syncs for {} appends", taken.len());
        latencies.extend(taken);
        self.next = next;
        // What was written is of no more use; the last segment stays.
        self.journal.purge_to(next - 1)?.wait()?;
        Ok(took)
    }
}

/// Where a turn ended: the next index, and what its appends took.
type End = Result<(u64, Latencies), Failure>;

/// What all appends of a turn have in common.
struct Lap {
    until: Instant,
    batch: u32,
    body: bytes::Bytes,
    told: Sender<End>,
}

/// Appends a batch; its callback appends the next, until the turn is over.
fn append(
    journal: Journal,
    lap: Lap,
    first: u64,
    mut latencies: Latencies,
) -> Result<(), SubmitError> {
    let begun = Instant::now();
    let next = first + u64::from(lap.batch);
    let records = (first..next).map(|index| Record::new(index, lap.body.clone())).collect();
    journal.clone().append_then(records, move |outcome| {
        latencies.note(begun.elapsed());
        let over = begun >= lap.until;
        match outcome {
            // A failure to submit is told by the channel: its other end is dropped with the lap.
            Ok(()) if !over => drop(append(journal, lap, next, latencies)),
            // Whoever waited may be gone: then nobody wants to know.
            ended => drop(lap.told.send(ended.map(|()| (next, latencies)))),
        }
    })
}

/// The bare loop, on a file of a segment's size, begun anew when it is full.
pub(super) struct Raw {
    file: File,
    offset: u64,
    bytes: Vec<u8>,
}

impl Raw {
    pub(super) fn create(directory: &Path, batch: u32) -> anyhow::Result<Self> {
        let file = File::create(directory.join("raw")).context("the file of the bare loop")?;
        let bytes = vec![0xa5; batch as usize * (RECORD_HEADER_BYTES + BODY_BYTES)];
        let mut raw = Self { file, offset: 0, bytes };
        raw.renew()?;
        Ok(raw)
    }

    /// Fresh space, as the journal's segments are.
    fn renew(&mut self) -> anyhow::Result<()> {
        self.file.set_len(0)?;
        fallocate(&self.file, FallocateFlags::empty(), 0, SEGMENT_BYTES)?;
        self.file.sync_all()?;
        self.offset = 0;
        Ok(())
    }

    pub(super) fn turn(&mut self, latencies: &mut Latencies) -> anyhow::Result<Duration> {
        let begin = Instant::now();
        while begin.elapsed() < TURN {
            if self.offset + self.bytes.len() as u64 > SEGMENT_BYTES {
                self.renew()?;
            }
            let begun = Instant::now();
            self.file.write_all_at(&self.bytes, self.offset)?;
            self.file.sync_data()?;
            self.offset += self.bytes.len() as u64;
            latencies.note(begun.elapsed());
        }
        Ok(begin.elapsed())
    }
}

fn table(report: &Report) {
    println!("BATCH  SYSTEM    RECORDS/S   P50 us   P99 us");
    for Run { batch, journal, raw, ratio } in &report.runs {
        for (name, measured) in [("journal", journal), ("raw", raw)] {
            let Measured { per_s, p50_us, p99_us, .. } = measured;
            println!("{batch:<7}{name:<8}{per_s:>11.0}{p50_us:>9}{p99_us:>9}");
        }
        println!("{:<7}{:<8}{:>11.2}{:>9}{:>9.2}", "", "ratio", ratio.per_s, "", ratio.p99);
    }
}
