//! `bench journal`: the journal's group commit against a bare loop of pwrite and fdatasync, in turns.
//! Decides what is compared: the same bytes a sync, on the same file system, both on preallocated files;
//! the journal is given the next append while it syncs one, as Raft does.

use super::{
    args::JournalArgs,
    measured::{Latencies, Measured, Ratio},
};
use crate::cli::Output;
use anyhow::Context as _;
use rustix::fs::{FallocateFlags, fallocate};
use serde::Serialize;
use std::{
    collections::VecDeque,
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};
use tradewind_journal::{Journal, Options, Record, SEGMENT_BYTES, Ticket};
use tradewind_launcher::DataDirectory;

const BODY_BYTES: usize = 256;
/// What the journal writes before each body.
const RECORD_HEADER_BYTES: usize = 16;
/// Both take turns of this length, so that a disk that slows down slows both.
const TURN: Duration = Duration::from_millis(500);
/// Appends under way: one is being synced, one waits.
const UNDER_WAY: usize = 2;

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
        Output::Json => println!("{}", serde_json::to_string(&report)?),
        Output::Table => table(&report),
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
        let mut under_way = VecDeque::<(Instant, Ticket)>::new();
        while begin.elapsed() < TURN {
            if under_way.len() == UNDER_WAY
                && let Some((begun, ticket)) = under_way.pop_front()
            {
                ticket.wait()?;
                latencies.note(begun.elapsed());
            }
            let indices = self.next..self.next + u64::from(self.batch);
            self.next = indices.end;
            let records = indices.map(|index| Record::new(index, self.body.clone())).collect();
            under_way.push_back((Instant::now(), self.journal.append(records)?));
        }
        for (begun, ticket) in under_way {
            ticket.wait()?;
            latencies.note(begun.elapsed());
        }
        let took = begin.elapsed();
        // What was written is of no more use; the last segment stays.
        self.journal.purge_to(self.next - 1)?.wait()?;
        Ok(took)
    }
}

/// The bare loop, on a file of a segment's size, begun anew when it is full.
struct Raw {
    file: File,
    offset: u64,
    bytes: Vec<u8>,
}

impl Raw {
    fn create(directory: &Path, batch: u32) -> anyhow::Result<Self> {
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

    fn turn(&mut self, latencies: &mut Latencies) -> anyhow::Result<Duration> {
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
