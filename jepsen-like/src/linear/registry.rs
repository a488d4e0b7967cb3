//! One Manager's registration: acquire (check in with a new incarnation, which gives an epoch), check in again, read.
//! Decides what fencing means: R2 epochs and incarnations only grow, R1 whoever is told that he is registered was.

use super::{Entry, Model};

/// Incarnations by their place in the order of their numbers.
pub type Life = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryOperation {
    /// A life registered; the epoch it was given, or `None` where the answer did not come.
    Acquire(Life, Option<u64>),
    /// It was told that it still holds this epoch.
    CheckIn(Life, u64),
    Read(Option<(Life, u64)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Epoch {
    Known(u64),
    /// Nobody was told it yet: this one or a higher one.
    AtLeast(u64),
}

/// Nobody registered at the start.
#[derive(Clone, Copy, Debug)]
pub struct Registry {
    /// Whether lives are numbers of which the lower is the older: it is then refused beside a newer one.
    pub ages: bool,
}

impl Model for Registry {
    type State = Option<(Life, Epoch)>;
    type Operation = RegistryOperation;

    fn start(&self) -> Self::State {
        None
    }

    fn step(&self, held: &Self::State, operation: &RegistryOperation) -> Option<Self::State> {
        match *operation {
            RegistryOperation::Acquire(life, epoch) => {
                let lowest = match *held {
                    None => 0,
                    Some((before, _)) if self.ages && before > life => return None,
                    Some((_, Epoch::Known(epoch) | Epoch::AtLeast(epoch))) => epoch + 1,
                };
                match epoch {
                    None => Some(Some((life, Epoch::AtLeast(lowest)))),
                    Some(epoch) if epoch < lowest => None,
                    Some(epoch) => Some(Some((life, Epoch::Known(epoch)))),
                }
            }
            RegistryOperation::CheckIn(life, epoch)
            | RegistryOperation::Read(Some((life, epoch))) => {
                let holds = |(held, known): (Life, Epoch)| {
                    held == life
                        && match known {
                            Epoch::Known(known) => known == epoch,
                            Epoch::AtLeast(lowest) => epoch >= lowest,
                        }
                };
                held.filter(|held| holds(*held)).map(|_| Some((life, Epoch::Known(epoch))))
            }
            RegistryOperation::Read(None) => held.is_none().then_some(None),
        }
    }
}

/// Leaves out reads of which no answer came: whatever they saw, nobody was told.
#[must_use]
pub fn noticed(entries: Vec<Entry<RegistryOperation>>) -> Vec<Entry<RegistryOperation>> {
    let read = |entry: &Entry<RegistryOperation>| {
        entry.ended.is_none() && matches!(entry.operation, RegistryOperation::Read(_))
    };
    entries.into_iter().filter(|entry| !read(entry)).collect()
}
