//! Power cut anywhere: everything acknowledged is there again, and nothing that was never written.
//! The same search must find a journal whose syncs do nothing.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::small;
use crate::disk::SimulatedDisk;
use crate::{Journal, Record, Ticket, Writer};

const SEEDS: u64 = 600;
const CUTS_A_SEED: u64 = 3;

/// A log as it may be found: from `start`, of which records up to `purged` may be gone.
#[derive(Clone)]
struct State {
    start: u64,
    bodies: Vec<Bytes>,
    purged: u64,
}

impl State {
    fn next(&self) -> u64 {
        self.start + self.bodies.len() as u64
    }

    fn is(&self, journal: &Journal) -> bool {
        if journal.next_index() != Some(self.next()) {
            return false;
        }
        let Some(first) = journal.first_index() else {
            return self.bodies.is_empty() || self.purged + 1 >= self.next();
        };
        let Ok(found) = journal.read(first..u64::MAX, usize::MAX) else { return false };
        let beginning = first >= self.start && first <= self.start.max(self.purged + 1);
        beginning
            && found.iter().all(|(index, body)| self.bodies[(index - self.start) as usize] == body)
    }
}

/// Every state the log has been asked to take, and how far that was acknowledged.
struct History {
    states: Vec<State>,
    waiting: Vec<(Ticket, usize)>,
    acknowledged: usize,
}

impl History {
    fn new(state: State) -> Self {
        Self { states: vec![state], waiting: Vec::new(), acknowledged: 0 }
    }

    fn latest(&self) -> &State {
        self.states.last().unwrap()
    }

    fn hear(&mut self) {
        self.waiting.retain_mut(|(ticket, state)| match ticket.outcome() {
            Some(Ok(())) => {
                self.acknowledged = self.acknowledged.max(*state);
                false
            }
            Some(Err(_)) => false,
            None => true,
        });
    }

    fn check(&self, journal: &Journal) -> Result<usize, String> {
        let allowed = &self.states[self.acknowledged..];
        allowed.iter().position(|state| state.is(journal)).ok_or_else(|| {
            let ends: Vec<u64> = allowed.iter().map(State::next).collect();
            let bounds = (journal.first_index(), journal.next_index());
            format!("found the log with bounds {bounds:?}, allowed are ends {ends:?}")
        })
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// One operation of any kind. Refusals are fine: they change nothing.
fn submit(journal: &Journal, history: &mut History, random: &mut Random) {
    let mut state = history.latest().clone();
    let ticket = match random.below(20) {
        0 => journal.reset(state.next() + random.below(20)).inspect(|_| {
            let start = journal.next_index().unwrap();
            state = State { start, bodies: Vec::new(), purged: 0 };
        }),
        1 | 2 => {
            let after = (state.next() - 1).saturating_sub(random.below(9));
            let kept = (after + 1).saturating_sub(state.start) as usize;
            journal.truncate_after(after).inspect(|_| state.bodies.truncate(kept))
        }
        3 | 4 => {
            let to = (state.next() - 1).saturating_sub(random.below(9));
            journal.purge_to(to).inspect(|_| state.purged = state.purged.max(to))
        }
        _ => {
            let mut records = Vec::new();
            for _ in 0..random.below(5) {
                let size = if random.below(30) == 0 { 9000 } else { random.below(1800) };
                let body = Bytes::from(vec![random.below(255) as u8 + 1; size as usize]);
                records.push(Record::new(state.next(), body.clone()));
                state.bodies.push(body);
                // A write may be torn between its records.
                history.states.push(state.clone());
            }
            journal.append(records)
        }
    };
    if let Ok(ticket) = ticket {
        history.states.push(state);
        history.waiting.push((ticket, history.states.len() - 1));
    }
}

fn open(disk: &SimulatedDisk) -> Result<(Journal, Writer), String> {
    let mut options = small(Path::new("/log"));
    options.first_index = Some(1);
    Journal::open_inline(options, Arc::new(disk.clone())).map_err(|error| error.to_string())
}

fn work(
    disk: &SimulatedDisk,
    history: &mut History,
    random: &mut Random,
    steps: usize,
) -> Result<(), String> {
    let (journal, mut writer) = open(disk)?;
    for _ in 0..steps {
        if journal.failed().is_some() {
            break;
        }
        submit(&journal, history, random);
        if random.below(3) == 0 {
            while writer.turn() {}
        }
        history.hear();
    }
    while writer.turn() {}
    history.hear();
    Ok(())
}

/// Works, loses power somewhere (often again while opening), opens, and goes on, three times over.
/// Gives how often the power went before the work was done.
fn search(seed: u64, plant: impl Fn(&SimulatedDisk)) -> Result<u64, String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let disk = SimulatedDisk::new(seed);
    plant(&disk);
    let mut history = History::new(State { start: 1, bodies: Vec::new(), purged: 0 });
    let mut cuts = 0;
    for _ in 0..CUTS_A_SEED {
        disk.lose_power_at(disk.operations() + 1 + random.below(120));
        // Opening may be what the power loss interrupts: that is no verdict yet.
        let _ = work(&disk, &mut history, &mut random, 40);
        cuts += u64::from(!disk.has_power());
        disk.restart();
        while random.below(2) == 0 {
            disk.lose_power_at(disk.operations() + 1 + random.below(6));
            let _ = open(&disk);
            disk.restart();
        }
        let (journal, _writer) = open(&disk)?;
        let found = history.acknowledged + history.check(&journal)?;
        let mut state = history.states[found].clone();
        // What is gone for good is no longer a question.
        let start = journal.first_index().or(journal.next_index()).unwrap_or(1);
        let gone = (start - state.start).min(state.bodies.len() as u64);
        state.bodies.drain(..gone as usize);
        (state.start, state.purged) = (start, 0);
        history = History::new(state);
    }
    Ok(cuts)
}

#[test]
fn everything_acknowledged_survives_a_power_loss_anywhere() {
    let mut cuts = 0;
    for seed in 1..=SEEDS {
        match search(seed, |_| {}) {
            Ok(more) => cuts += more,
            Err(what) => panic!("{what}; replay: search({seed}, |_| {{}}) in tests/power_loss.rs"),
        }
    }
    assert!(cuts > SEEDS * CUTS_A_SEED / 2, "the power went only {cuts} times");
}

#[test]
fn the_same_search_finds_a_journal_that_does_not_sync() {
    let caught = (1..=30).filter(|seed| search(*seed, SimulatedDisk::ignore_syncs).is_err());
    assert!(caught.count() >= 25);
}
