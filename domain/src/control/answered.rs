//! The answers that are remembered, by key and by age. Decides nothing about how many; `idempotency` does.
//! Every command asks here several times: where keys are compared, it is mostly their numbers that are, and
//! the names of one client are one text in memory.

use super::{
    asked::RequestHash,
    command::IdempotencyKey,
    row::{AnsweredRow, AnsweredToRow, Row, RowKey},
};
use crate::{ids::ClientId, time::UnixNanos};
use imbl::{OrdMap, OrdSet};

#[derive(Clone, Debug, Default)]
pub(super) struct Answered {
    by_key: OrdMap<IdempotencyKey, Remembered>,
    by_age: OrdSet<Aged>,
}

/// An answer, and the request it answers, as far as that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub answered: AnsweredRow,
    pub request: Option<RequestHash>,
}

impl Remembered {
    /// As it stands in the state.
    #[must_use]
    pub fn row(self) -> Row {
        match self {
            Self { answered, request: None } => Row::Answered(answered),
            Self { answered, request: Some(request) } => {
                Row::AnsweredTo(AnsweredToRow { answered, request })
            }
        }
    }

    pub(super) fn row_key(&self) -> RowKey {
        let key = self.answered.key.clone();
        match self.request {
            None => RowKey::Answered(key),
            Some(_) => RowKey::AnsweredTo(key),
        }
    }
}

impl From<AnsweredRow> for Remembered {
    fn from(answered: AnsweredRow) -> Self {
        Self { answered, request: None }
    }
}

impl From<AnsweredToRow> for Remembered {
    fn from(AnsweredToRow { answered, request }: AnsweredToRow) -> Self {
        Self { answered, request: Some(request) }
    }
}

/// An answer by its age. Those of one age are in the order of their numbers: names are compared last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Aged {
    from: UnixNanos,
    n: u64,
    issued_at: UnixNanos,
    client: ClientId,
}

impl Aged {
    fn new(row: &AnsweredRow) -> Self {
        let IdempotencyKey { client, issued_at, n } = row.key.clone();
        Self { from: row.remembered_from(), n, issued_at, client }
    }
}

impl Answered {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, key: &IdempotencyKey) -> Option<&Remembered> {
        self.by_key.get(key)
    }

    /// Gives the row that was in its place.
    pub(super) fn insert(&mut self, row: impl Into<Remembered>) -> Option<Remembered> {
        let row = row.into();
        let aged = Aged::new(&row.answered);
        let replaced = self.by_key.insert(row.answered.key.clone(), row);
        if let Some(replaced) = &replaced {
            self.by_age.remove(&Aged::new(&replaced.answered));
        }
        self.by_age.insert(aged);
        replaced
    }

    pub(super) fn remove(&mut self, key: &IdempotencyKey) -> Option<Remembered> {
        let row = self.by_key.remove(key)?;
        self.by_age.remove(&Aged::new(&row.answered));
        Some(row)
    }

    /// In the order of their keys.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Remembered> + '_ {
        self.by_key.values()
    }

    /// From when on the oldest of all has been remembered.
    pub(super) fn oldest_from(&self) -> Option<UnixNanos> {
        self.by_age.get_min().map(|oldest| oldest.from)
    }

    /// Key of the oldest of all.
    pub(super) fn oldest(&self) -> Option<IdempotencyKey> {
        let Aged { client, issued_at, n, .. } = self.by_age.get_min().cloned()?;
        Some(IdempotencyKey { client, issued_at, n })
    }

    /// Key of a client's first, by its own clock.
    pub(super) fn first_of(&self, client: &ClientId) -> Option<IdempotencyKey> {
        let first = IdempotencyKey { client: client.clone(), issued_at: UnixNanos(0), n: 0 };
        self.by_key.range(first..).next().map(|(oldest, _)| oldest.clone())
    }

    #[cfg(test)]
    pub(super) fn aged(&self) -> usize {
        self.by_age.len()
    }
}
