//! The journal against a vector: whatever is asked of it, in whatever order, it holds the same
//! records.

use bytes::Bytes;
use proptest::prelude::*;

use super::small;
use crate::{Journal, ReadError, Record};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<usize>),
    TruncateBack(u64),
    PurgeBack(u64),
    Reset(u64),
    Flush,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(0..1500usize, 0..8).prop_map(Step::Append),
        1 => Just(Step::Append(vec![9000])),
        3 => (0..12u64).prop_map(Step::TruncateBack),
        2 => (0..12u64).prop_map(Step::PurgeBack),
        1 => (1..100u64).prop_map(Step::Reset),
        1 => Just(Step::Flush),
        2 => Just(Step::Reopen),
    ]
}

/// The same log as a vector; `purged` is the last index that may be gone.
struct Model {
    start: u64,
    bodies: Vec<Bytes>,
    purged: u64,
}

impl Model {
    fn next(&self) -> u64 {
        self.start + self.bodies.len() as u64
    }

    fn check(&self, journal: &Journal) -> Result<(), TestCaseError> {
        prop_assert_eq!(journal.next_index().unwrap_or(1), self.next());
        let Some(first) = journal.first_index() else {
            // Purged up to where a truncation then cut.
            prop_assert!(self.bodies.is_empty() || self.purged + 1 >= self.next());
            return Ok(());
        };
        prop_assert!(first >= self.start && first <= self.start.max(self.purged + 1));
        let expected = (self.start..).zip(&self.bodies).filter(|(index, _)| *index >= first);
        let expected: Vec<(u64, Bytes)> = expected.map(|(i, body)| (i, body.clone())).collect();
        match journal.read(first..u64::MAX, usize::MAX) {
            // The writer purges in its own time: it has just done so, and the next look is at what is left.
            Err(ReadError::Purged { first: now, .. }) if now > first => self.check(journal)?,
            found => prop_assert_eq!(found.expect("the log reads"), expected),
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(48)
    })]

    #[test]
    fn the_journal_holds_what_a_vector_would(steps in prop::collection::vec(step(), 1..40)) {
        let home = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(small(home.path())).unwrap();
        let mut model = Model { start: 1, bodies: Vec::new(), purged: 0 };
        let mut stamp = 0u8;
        for step in steps {
            match step {
                Step::Append(sizes) => {
                    stamp = stamp.wrapping_add(1);
                    let body = |size| Bytes::from(vec![stamp; size]);
                    let bodies: Vec<_> = sizes.into_iter().map(body).collect();
                    let numbered = (model.next()..).zip(&bodies);
                    let records = numbered.map(|(index, body)| Record::new(index, body.clone()));
                    drop(journal.append(records.collect()).unwrap());
                    model.bodies.extend(bodies);
                }
                Step::TruncateBack(by) => {
                    let after = (model.next() - 1).saturating_sub(by);
                    let refused = journal.truncate_after(after).is_err();
                    prop_assert_eq!(refused, after < model.purged.max(model.start - 1));
                    if !refused {
                        model.bodies.truncate((after + 1 - model.start) as usize);
                    }
                }
                Step::PurgeBack(by) => {
                    let to = (model.next() - 1).saturating_sub(by);
                    drop(journal.purge_to(to).unwrap());
                    if !model.bodies.is_empty() && to >= model.start {
                        model.purged = model.purged.max(to);
                    }
                }
                Step::Reset(first) => {
                    drop(journal.reset(first).unwrap());
                    model = Model { start: first, bodies: Vec::new(), purged: 0 };
                }
                Step::Flush => journal.flush().unwrap().wait().unwrap(),
                Step::Reopen => {
                    drop(journal);
                    journal = Journal::open(small(home.path())).unwrap();
                    // What is purged for good is where the log now begins.
                    let first = journal.first_index().or(journal.next_index()).unwrap_or(1);
                    let gone = (first - model.start).min(model.bodies.len() as u64);
                    model.bodies.drain(..gone as usize);
                    model.start = first;
                    model.purged = 0;
                }
            }
            model.check(&journal)?;
        }
    }
}
