//! Writing the log as openraft asks. Decides the order in which things become durable (G1): the journal
//! keeps that of its own operations, and a vote waits for all of them.

use super::LogStore;
use crate::{
    raft::{Entry, LogId, TypeConfig, Vote},
    records::{self, EntryRecord, Kind, VoteRecord},
    runtime::spawn_blocking,
};
use openraft::{
    OptionalSend,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};
use tradewind_journal::{Failure, Record, SubmitError};

/// Openraft's callback, kept until the journal has taken the append.
type Callback = Arc<Mutex<Option<IOFlushed<TypeConfig>>>>;

impl LogStore {
    /// Hands records to the journal, waiting for room while its queue is full.
    async fn submit(
        &self,
        records: Vec<Record>,
        append: u64,
        callback: &Callback,
    ) -> Result<(), SubmitError> {
        loop {
            self.0.journal.room().await;
            let (shared, callback) = (Arc::downgrade(&self.0), callback.clone());
            let done = move |outcome: Result<(), Failure>| {
                if let Some(shared) = shared.upgrade() {
                    shared.durable.send_modify(|durable| match outcome {
                        Ok(()) => durable.append = append,
                        Err(_) => durable.failed = true,
                    });
                }
                let told = callback.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(told) = told {
                    told.io_completed(outcome.map_err(io::Error::other));
                }
            };
            match self.0.journal.append_then(records.clone(), done) {
                Err(SubmitError::Busy) => {}
                other => return other,
            }
        }
    }

    /// Puts the entries into the tail, where they can be read from now on; gives the append's number.
    fn take_in(&self, entries: Vec<Entry>, records: &[Record]) -> u64 {
        let durable = self.0.durable.borrow().append;
        let mut tail = self.tail();
        tail.appends += 1;
        let append = tail.appends;
        for (entry, record) in entries.into_iter().zip(records) {
            tail.push(entry, record.body.len(), append);
        }
        tail.evict(durable);
        append
    }

    /// A journal whose next index is another one than the first entry of an empty log starts anew there.
    fn align(&self, first: u64) -> Result<(), SubmitError> {
        let empty = self.tail().is_empty();
        match self.0.journal.next_index() {
            Some(next) if empty && next != first => {
                // Nobody waits: what is appended next is durable only after this is.
                drop(self.0.journal.reset(first)?);
            }
            _ => {}
        }
        Ok(())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let tail = self.tail();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        // Openraft takes a saved vote as proof that every append before it is durable too.
        self.0.journal.flush().map_err(io::Error::other)?.await.map_err(io::Error::other)?;
        let body =
            records::encode(Kind::Vote, &VoteRecord::from(*vote)).map_err(io::Error::other)?;
        let shared = self.0.clone();
        spawn_blocking(move || shared.vote_slot.store(&body))
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        self.tail().vote = Some(*vote);
        Ok(())
    }

    /// Kept in memory; it is written when the entries are given out for applying (see `entries_stream`).
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.tail().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.tail().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut records = Vec::with_capacity(entries.len());
        for entry in &entries {
            let body = records::encode(Kind::Entry, &EntryRecord::from(entry))
                .map_err(io::Error::other)?;
            records.push(Record::new(entry.log_id.index, body));
        }
        let Some(first) = records.first().map(|record| record.index) else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        self.0.stamped.note(&entries);
        self.align(first).map_err(io::Error::other)?;
        let append = self.take_in(entries, &records);
        let callback = Arc::new(Mutex::new(Some(callback)));
        self.submit(records, append, &callback).await.map_err(io::Error::other)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let journal = &self.0.journal;
        let next = {
            let mut tail = self.tail();
            tail.truncate_after(last);
            tail.bounds().end
        };
        // Appends that follow are durable only after this is: nobody needs to wait here.
        let done = match next.checked_sub(1).map(|after| journal.truncate_after(after)) {
            None | Some(Err(SubmitError::Purged { .. })) => journal.reset(next),
            Some(done) => done,
        };
        done.map(drop).map_err(io::Error::other)
    }

    async fn purge(&mut self, purged: LogId) -> Result<(), io::Error> {
        if !self.tail().purge(purged) {
            // The disk follows when state and snapshot are durable: `release`.
            return Ok(());
        }
        // A snapshot reaches beyond the log. It was installed durably before openraft asks for this.
        let shared = self.0.clone();
        spawn_blocking(move || shared.purged_slot.raise(purged))
            .await
            .map_err(io::Error::other)??;
        self.0.journal.reset(purged.index + 1).map(drop).map_err(io::Error::other)
    }
}
