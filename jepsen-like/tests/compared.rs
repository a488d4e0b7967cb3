//! The search's verdict is that of stateright's tester, on thousands of small histories, good and bad.
#![allow(clippy::unwrap_used)]

use jepsen_like::linear::{
    Entry, Verdict,
    register::{Register, RegisterOperation, noticed},
    search,
};
use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester, SequentialSpec};
use tradewind_launcher::Draw;

const HISTORIES: u64 = 20_000;

/// The register as stateright wants to have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Cell(Option<i64>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ask {
    Write(i64),
    Read,
    Cas(i64, i64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Told {
    Written,
    Read(Option<i64>),
    /// Whether it was replaced.
    Replaced(bool),
}

impl SequentialSpec for Cell {
    type Op = Ask;
    type Ret = Told;
    fn invoke(&mut self, ask: &Ask) -> Told {
        match *ask {
            Ask::Write(value) => {
                self.0 = Some(value);
                Told::Written
            }
            Ask::Read => Told::Read(self.0),
            Ask::Cas(from, to) => {
                let replaced = self.0 == Some(from);
                if replaced {
                    self.0 = Some(to);
                }
                Told::Replaced(replaced)
            }
        }
    }
}

/// One event of a random history.
enum Event {
    Asked(usize, Ask),
    Told(usize, Told),
}

/// Threads that ask at random moments, of a cell that answers at some moment in between; with a fault now and then: an
/// answer that never comes, a read of something that was there or never was.
fn draw(seed: u64) -> Vec<Event> {
    let mut draw = Draw::new(seed);
    let mut cell = Cell::default();
    let threads = 2 + usize::try_from(draw.below(3)).unwrap();
    let faulty = draw.below(3) > 0;
    // Of each thread: nothing, asked, or done and not yet told.
    let mut asked: Vec<Option<(Ask, Option<Told>)>> = vec![None; threads];
    let mut silent = vec![false; threads];
    let mut events = Vec::new();
    let value = |draw: &mut Draw| i64::try_from(draw.below(3)).unwrap();
    for _ in 0..18 {
        let thread = usize::try_from(draw.below(threads as u64)).unwrap();
        if silent[thread] {
            continue;
        }
        match asked[thread].take() {
            None => {
                let ask = match draw.below(3) {
                    0 => Ask::Write(value(&mut draw)),
                    1 => Ask::Read,
                    _ => Ask::Cas(value(&mut draw), value(&mut draw)),
                };
                events.push(Event::Asked(thread, ask.clone()));
                asked[thread] = Some((ask, None));
            }
            Some((ask, None)) => {
                // Sometimes the answer is lost, before or after it was done.
                if faulty && draw.below(8) == 0 {
                    silent[thread] = true;
                    if draw.below(2) == 0 {
                        cell.invoke(&ask);
                    }
                    continue;
                }
                let mut told = cell.invoke(&ask);
                if faulty && draw.below(6) == 0 {
                    told = match told {
                        Told::Read(_) => Told::Read(Some(value(&mut draw))),
                        Told::Replaced(_) => Told::Replaced(true),
                        Told::Written => Told::Written,
                    };
                }
                asked[thread] = Some((ask, Some(told)));
            }
            Some((_, Some(told))) => events.push(Event::Told(thread, told)),
        }
    }
    events
}

/// As our own history has it: a compare-and-set that was refused did not happen.
fn entries(events: &[Event]) -> Vec<Entry<RegisterOperation>> {
    let mut entries = Vec::new();
    for (begun, event) in events.iter().enumerate() {
        let Event::Asked(thread, ask) = event else { continue };
        let told = events[begun..].iter().enumerate().find_map(|(later, event)| match event {
            Event::Told(of, told) if of == thread => Some((begun + later, told)),
            _ => None,
        });
        let operation = match (ask, told) {
            (_, Some((_, Told::Replaced(false)))) => continue,
            (Ask::Write(value), _) => RegisterOperation::Write(*value),
            (Ask::Cas(from, to), _) => RegisterOperation::Cas(*from, *to),
            (Ask::Read, Some((_, Told::Read(seen)))) => RegisterOperation::Read(*seen),
            (Ask::Read, _) => RegisterOperation::Read(None),
        };
        let ended = told.map(|(at, _)| at as u64);
        entries.push(Entry { operation, begun: begun as u64, ended });
    }
    entries
}

fn by_stateright(events: &[Event]) -> bool {
    let mut tester = LinearizabilityTester::new(Cell::default());
    // A refused compare-and-set is left out here, too: what it says of the value is more than the format tells.
    let refused = |begun: usize, thread: usize| {
        let told = events[begun..].iter().find_map(|event| match event {
            Event::Told(of, told) if *of == thread => Some(told),
            _ => None,
        });
        told == Some(&Told::Replaced(false))
    };
    let mut left_out = std::collections::BTreeSet::new();
    for (place, event) in events.iter().enumerate() {
        match event {
            Event::Asked(thread, ask) => {
                if refused(place, *thread) {
                    left_out.insert(*thread);
                } else {
                    tester.on_invoke(*thread, ask.clone()).unwrap();
                }
            }
            Event::Told(thread, told) => {
                if !left_out.remove(thread) {
                    tester.on_return(*thread, told.clone()).unwrap();
                }
            }
        }
    }
    tester.is_consistent()
}

#[test]
fn every_verdict_is_that_of_staterights_tester() {
    let (mut good, mut bad) = (0_u64, 0_u64);
    for seed in 1..=HISTORIES {
        let events = draw(seed);
        let expected = by_stateright(&events);
        let all = entries(&events);
        for entries in [noticed(all.clone()), all] {
            let found = search(&Register, &entries, usize::MAX);
            let linearizable = found == Verdict::Linearizable;
            assert_eq!(linearizable, expected, "seed {seed}: {entries:?}, found {found:?}");
        }
        if expected {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good >= 2_500 && bad >= 2_500, "too few of one kind: {good} good, {bad} bad");
    println!("{good} good, {bad} bad");
}
