//! One register: write, read, compare-and-set. Decides what each does to a value and which of those with an unknown
//! end can be left out of the search.

use super::{Entry, Model};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterOperation {
    Write(i64),
    /// What was seen; `None`: no value was there.
    Read(Option<i64>),
    /// A value that was replaced, and by what.
    Cas(i64, i64),
}

/// Without a value at the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

impl Model for Register {
    type State = Option<i64>;
    type Operation = RegisterOperation;

    fn start(&self) -> Option<i64> {
        None
    }

    fn step(&self, held: &Option<i64>, operation: &RegisterOperation) -> Option<Option<i64>> {
        match *operation {
            RegisterOperation::Write(value) => Some(Some(value)),
            RegisterOperation::Read(seen) => (seen == *held).then_some(*held),
            RegisterOperation::Cas(from, to) => (Some(from) == *held).then_some(Some(to)),
        }
    }
}

/// Leaves out what may have happened and what nobody can have noticed: reads, and writes of values that no read and no
/// compare-and-set found. Whatever order explains the rest with one of them explains it without, too.
#[must_use]
pub fn noticed(entries: Vec<Entry<RegisterOperation>>) -> Vec<Entry<RegisterOperation>> {
    let mut left = entries;
    loop {
        let found = |value: i64| {
            left.iter().any(|entry| match entry.operation {
                RegisterOperation::Read(seen) => entry.ended.is_some() && seen == Some(value),
                RegisterOperation::Cas(from, _) => from == value,
                RegisterOperation::Write(_) => false,
            })
        };
        let kept = |entry: &&Entry<RegisterOperation>| {
            entry.ended.is_some()
                || match entry.operation {
                    RegisterOperation::Read(_) => false,
                    RegisterOperation::Write(value) | RegisterOperation::Cas(_, value) => {
                        found(value)
                    }
                }
        };
        let fewer: Vec<_> = left.iter().filter(kept).cloned().collect();
        if fewer.len() == left.len() {
            return fewer;
        }
        left = fewer;
    }
}
