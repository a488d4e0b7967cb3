//! One log, judged: every invariant of the machine after every entry, and at the end three machines that must
//! be one, byte by byte: the one that was watched, one that read the log from its records, and one that began
//! with a snapshot of the first and had the tail. Decides what is compared.

use super::{draw::Draw, planted::LogBug};
use crate::chance::Chance;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Applied, Command, IdempotencyKey, Machine, Outcome, Refusal, RequestHash, Row, RowKey,
        Stamped, StateHash, desired,
        invariants::{Epochs, violations},
        plan,
    },
    ids::Revision,
    time::Monotonic,
};
use tradewind_journal::codec;

/// What came of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    pub entries: u64,
    pub accepted: u64,
    /// Everything that does not hold.
    pub violations: Vec<String>,
    /// Of the last state: the same for the same seed.
    pub hash: Option<StateHash>,
}

/// As records of this test are numbered; nobody else reads them.
const ENTRY: u8 = 1;
const ROW: u8 = 2;

const ENTRIES_MAX: u64 = 80;
const VIOLATIONS_MAX: usize = 10;

struct Log {
    machine: Machine,
    /// Every entry as it is kept, and what came of it.
    entries: Vec<(Vec<u8>, Applied)>,
    epochs: Epochs,
    /// The first answer of each key, and to which request, if that was said.
    answered: BTreeMap<IdempotencyKey, (Outcome, Option<RequestHash>)>,
    /// What a member would have stored: rows that it was told have changed.
    stored: BTreeMap<RowKey, Row>,
    /// After so many entries, the rows as records.
    snapshot: Option<(usize, Vec<Vec<u8>>)>,
    judged: Judged,
    planted: Option<LogBug>,
    chance: Chance,
}

/// Draws the log of a seed and judges it. `seen` is shown every command and its answer.
pub fn judge(
    seed: u64,
    planted: Option<LogBug>,
    mut seen: impl FnMut(&Command, &Outcome),
) -> Judged {
    let chance = Chance::new(seed);
    let mut draw = Draw::new(chance.fork());
    let length = 1 + chance.below(ENTRIES_MAX);
    let snapshot_after = chance.below(length);
    let mut log = Log::new(planted, chance);
    while log.judged.entries < length {
        for entry in draw.next(&log.machine, log.judged.entries) {
            let outcome = log.apply(&entry);
            seen(&entry.request.command, &outcome);
            if log.judged.entries > snapshot_after && log.snapshot.is_none() {
                log.take_snapshot();
            }
        }
    }
    log.compare(&draw);
    log.judged
}

impl Log {
    fn new(planted: Option<LogBug>, chance: Chance) -> Self {
        Self {
            machine: Machine::default(),
            entries: Vec::new(),
            epochs: Epochs::default(),
            answered: BTreeMap::new(),
            stored: BTreeMap::new(),
            snapshot: None,
            judged: Judged::default(),
            planted,
            chance,
        }
    }

    fn violation(&mut self, what: impl Into<String>) {
        if self.judged.violations.len() < VIOLATIONS_MAX {
            let entry = self.judged.entries;
            self.judged.violations.push(format!("{} (entry {entry})", what.into()));
        }
    }

    fn apply(&mut self, entry: &Stamped) -> Outcome {
        self.judged.entries += 1;
        let revision = Revision(self.judged.entries);
        let before = self.machine.clone();
        let bytes = codec::encode(ENTRY, entry).unwrap_or_default();
        let mut applied = self.machine.apply(revision, entry);
        self.entries.push((bytes, applied.clone()));
        self.plant(&before, revision, &mut applied);
        for what in violations(&before, &self.machine, revision) {
            self.violation(what);
        }
        for what in self.epochs.note(&self.machine) {
            self.violation(what);
        }
        self.answers(entry, &before, revision, &applied);
        self.events(&before, revision, &applied);
        for key in applied.changed {
            match self.machine.row(&key) {
                Some(row) => drop(self.stored.insert(key, row)),
                None => drop(self.stored.remove(&key)),
            }
        }
        self.judged.accepted += u64::from(matches!(applied.outcome, Outcome::Accepted { .. }));
        applied.outcome
    }

    fn plant(&mut self, before: &Machine, revision: Revision, applied: &mut Applied) {
        let Some(bug) = self.planted.filter(|_| self.chance.percent(20)) else { return };
        if bug.spoils(&self.chance, revision, applied) {
            self.planted = None;
        } else if let Some(spoiled) = bug.spoil(&self.chance, before, &self.machine, revision) {
            self.machine = spoiled;
            self.planted = None;
        }
    }

    /// R1: a key is answered once, whatever else it is used for; of two requests that are named the first alone.
    fn answers(&mut self, entry: &Stamped, before: &Machine, at: Revision, applied: &Applied) {
        let (key, outcome) = (&entry.request.key, &applied.outcome);
        let told = match outcome {
            // Of these nothing is remembered: they tell that nothing is known.
            Outcome::Refused { refusal: Refusal::KeyExpired | Refusal::KeyFromFuture } => return,
            told => told,
        };
        let asked = entry.request.command.asked();
        match self.answered.get(key) {
            None if *told == USED => {
                self.violation(format!("R1: {key:?} is new and was told as used"));
            }
            None => {
                if let Outcome::Accepted { revision } = told
                    && *revision != at
                {
                    self.violation(format!("R1: {key:?} is new and was answered with {revision}"));
                }
                self.answered.insert(key.clone(), (told.clone(), asked));
            }
            Some((first, of)) if told != answer(first, *of, asked) => {
                let first = first.clone();
                self.violation(format!("R1: {key:?} was answered {first:?}, then {told:?}"));
            }
            Some(_) => {
                // But for the log's time, and for answers that have become too old.
                if !applied.events.is_empty()
                    || before.cluster().incarnation != self.machine.cluster().incarnation
                {
                    self.violation(format!("R1: {key:?} was repeated and carried out again"));
                }
            }
        }
    }

    /// W1 and time: events are of the entry that made them, and neither runs backwards.
    fn events(&mut self, before: &Machine, revision: Revision, applied: &Applied) {
        let at = self.machine.cluster().at;
        if at < before.cluster().at {
            self.violation("time: the log's ran backwards");
        }
        if applied.events.iter().any(|event| event.revision != revision || event.at != at) {
            self.violation(format!("W1: events of {revision} tell of another entry"));
        }
        if matches!(applied.outcome, Outcome::Refused { .. }) && !applied.events.is_empty() {
            self.violation(format!("W1: {revision} was refused, and something happened"));
        }
    }

    fn take_snapshot(&mut self) {
        let mut rows: Vec<Vec<u8>> = records(&self.machine);
        if self.planted == Some(LogBug::RowLeftOut) && !rows.is_empty() {
            rows.remove(self.chance.below(rows.len() as u64) as usize);
        }
        self.snapshot = Some((self.entries.len(), rows));
    }

    /// Three machines are one.
    fn compare(&mut self, draw: &Draw) {
        self.judged.hash = Some(self.machine.state_hash());
        let other = self.replayed(Machine::default(), 0, "equal");
        self.same(&other, "equal", "read the log from its records");
        let (from, rows) = self.snapshot.take().unwrap_or_default();
        let rows = rows.iter().filter_map(|row| codec::decode::<Row>(ROW, row).ok());
        let restored = self.replayed(Machine::from_rows(rows), from, "snapshot");
        self.same(&restored, "snapshot", "began with a snapshot");
        // What is derived from rows shows in what is decided: it must not depend on how they came to be.
        let (observed, now) = (draw.observed(&self.machine), Monotonic(10_000_000_000));
        if plan(&restored, &observed, now) != plan(&self.machine, &observed, now) {
            self.violation("snapshot: the machine that began with it plans otherwise");
        }
        let last = Revision(self.judged.entries);
        let orders = |machine: &Machine| -> Vec<_> {
            machine.managers().map(|row| desired(machine, last, &row.manager)).collect()
        };
        if orders(&restored) != orders(&self.machine) {
            self.violation("snapshot: the machine that began with it wants something else");
        }
        if self.machine.rows().map(|row| (row.key(), row)).collect::<BTreeMap<_, _>>()
            != self.stored
        {
            self.violation("stored: the rows that were told as changed are not the machine");
        }
        if StateHash::of_rows(self.machine.rows()) != self.machine.state_hash() {
            self.violation("equal: the hash is not that of the rows");
        }
    }

    /// The tail of the log, read from its records, on a machine; every answer must be the first one's.
    fn replayed(&mut self, mut machine: Machine, from: usize, sentence: &str) -> Machine {
        let mut other = None;
        let skipped = match self.planted {
            Some(LogBug::EntrySkipped) if from == 0 => self.entries.len() / 2,
            _ => usize::MAX,
        };
        for (at, (bytes, applied)) in self.entries.iter().enumerate().skip(from) {
            let Ok(entry) = codec::decode::<Stamped>(ENTRY, bytes) else {
                other = other.or(Some(at));
                continue;
            };
            if at != skipped && machine.apply(Revision(at as u64 + 1), &entry) != *applied {
                other = other.or(Some(at));
            }
        }
        if let Some(at) = other {
            self.violation(format!("{sentence}: entry {} came out otherwise", at + 1));
        }
        machine
    }

    fn same(&mut self, other: &Machine, sentence: &str, which: &str) {
        if records(other) != records(&self.machine)
            || other.state_hash() != self.machine.state_hash()
        {
            self.violation(format!("{sentence}: the machine that {which} holds something else"));
        }
    }
}

const USED: Outcome = Outcome::Refused { refusal: Refusal::KeyUsed };

/// What a key is told again.
fn answer(first: &Outcome, of: Option<RequestHash>, asked: Option<RequestHash>) -> &Outcome {
    match (of, asked) {
        (Some(of), Some(asked)) if of != asked => &USED,
        (Some(_) | None, _) => first,
    }
}

fn records(machine: &Machine) -> Vec<Vec<u8>> {
    machine.rows().map(|row| codec::encode(ROW, &row).unwrap_or_default()).collect()
}
