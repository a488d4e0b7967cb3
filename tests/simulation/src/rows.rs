//! The rows of a state as an ordered map in memory. Decides what a crash leaves of it: everything flushed,
//! and of the batches since then all up to a random one. Wholly durable or wholly lost would hide every
//! fault in the order of state and journal.

use crate::{chance::Chance, log_id::LogId, planted::Planted};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tradewind_domain::{control::Row, ids::Epoch};
use tradewind_journal::codec;
use tradewind_replication::{Batch, Kv, StateError, Visit};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The member's head stands under this key, its rows under keys that begin with 1.
const HEAD: &[u8] = &[0];

/// As `cluster/replication` numbers its records.
const ROW_KIND: u8 = 6;

/// Clones are the same map.
#[derive(Clone, Default)]
pub(crate) struct Rows(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    now: Map,
    durable: Map,
    /// Applied since the last flush, oldest first.
    unflushed: Vec<Batch>,
    /// Ids of the last entries of batches applied, since somebody looked.
    applied: Vec<LogId>,
    /// The generation of rows that counts.
    generation: Vec<u8>,
    installs: u64,
    opened: u64,
    planted: Option<Planted>,
}

fn put(map: &mut Map, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(map.insert(key.clone(), value.clone())),
            None => drop(map.remove(key)),
        }
    }
}

impl Rows {
    pub(crate) fn new(planted: Option<Planted>) -> Self {
        Self(Arc::new(Mutex::new(Inner { planted, ..Inner::default() })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens it for a process; what an earlier one still holds is dead from now on.
    pub(crate) fn open(&self) -> Box<dyn Kv> {
        let mut inner = self.inner();
        inner.opened += 1;
        Box::new(Opened { rows: self.clone(), opened: inner.opened })
    }

    /// Ids of entries applied since the last call.
    pub(crate) fn take_applied(&self) -> Vec<LogId> {
        std::mem::take(&mut self.inner().applied)
    }

    pub(crate) fn installs(&self) -> u64 {
        self.inner().installs
    }

    /// The process is gone; a part of what was not flushed goes with it.
    pub(crate) fn crash(&self, chance: &Chance) {
        let mut inner = self.inner();
        inner.opened += 1;
        let batches = std::mem::take(&mut inner.unflushed);
        let kept = chance.below(batches.len() as u64 + 1) as usize;
        let unordered = inner.planted == Some(Planted::RowsUnordered);
        for (at, batch) in batches.iter().enumerate() {
            if if unordered { chance.percent(50) } else { at < kept } {
                put(&mut inner.durable, batch);
            }
        }
        inner.now = inner.durable.clone();
    }
}

struct Opened {
    rows: Rows,
    opened: u64,
}

impl Opened {
    fn inner(&self) -> Result<MutexGuard<'_, Inner>, StateError> {
        let inner = self.rows.inner();
        if inner.opened == self.opened {
            Ok(inner)
        } else {
            Err(StateError::Io(std::io::Error::other("the process is dead")))
        }
    }
}

fn is_answer(value: &[u8]) -> bool {
    matches!(
        codec::decode(ROW_KIND, value),
        Ok(Row::Answered(_) | Row::AnsweredTo(_) | Row::Client(_))
    )
}

/// Every Manager gets one and the same epoch.
fn with_epoch_of_another(value: &[u8]) -> Option<Vec<u8>> {
    let Ok(Row::Manager(mut row)) = codec::decode(ROW_KIND, value) else { return None };
    row.epoch = Epoch(1);
    codec::encode(ROW_KIND, &Row::Manager(row)).ok()
}

impl Kv for Opened {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.inner()?.now.get(key).cloned())
    }

    fn range(&self, from: &[u8], to: &[u8], visit: &mut Visit) -> Result<(), StateError> {
        let inner = self.inner()?;
        let forgets = inner.planted == Some(Planted::AnswersForgotten);
        let twice = inner.planted == Some(Planted::EpochTwice);
        for (key, value) in inner.now.range(from.to_vec()..to.to_vec()) {
            if forgets && is_answer(value) {
                continue;
            }
            let forged = if twice { with_epoch_of_another(value) } else { None };
            if !visit(key, forged.as_ref().unwrap_or(value))? {
                break;
            }
        }
        Ok(())
    }

    fn apply(&self, batch: Batch) -> Result<(), StateError> {
        let mut inner = self.inner()?;
        put(&mut inner.now, &batch);
        let head = batch.iter().find(|(key, _)| key == HEAD).and_then(|(_, head)| head.as_ref());
        if let Some(head) = head {
            let id = LogId::in_head(head);
            inner.applied.extend(id);
            let generation = head[..8].to_vec();
            if !inner.generation.is_empty() && inner.generation != generation {
                inner.installs += 1;
            }
            inner.generation = generation;
        }
        inner.unflushed.push(batch);
        Ok(())
    }

    fn flush(&self) -> Result<(), StateError> {
        let mut inner = self.inner()?;
        if matches!(inner.planted, Some(Planted::RowsNotFlushed | Planted::RowsUnordered)) {
            return Ok(());
        }
        for batch in std::mem::take(&mut inner.unflushed) {
            put(&mut inner.durable, &batch);
        }
        Ok(())
    }
}
