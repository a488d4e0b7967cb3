//! A log that begins behind a state there was before, and all that a log still holds. Decides what a member
//! of a new group has promised: nothing but never to vote in a term that the state has seen.

use super::{LogError, LogStore, PurgedSlot};
use crate::{
    raft::{Entry, LogId, Vote},
    records::{self, EntryRecord, Kind, VoteRecord},
};
use std::{fs, io, path::Path};
use tradewind_journal::SlotFile;

impl LogStore {
    /// Makes the files of an empty log whose next entry is the one after `at`. Blocks.
    pub(crate) fn begin_behind(directory: &Path, at: LogId) -> Result<(), LogError> {
        fs::create_dir_all(directory)?;
        let vote = VoteRecord::from(Vote::new(at.leader_id.term, at.leader_id.node_id));
        let vote = records::encode(Kind::Vote, &vote)?;
        SlotFile::new(directory.join("vote")).store(&vote)?;
        PurgedSlot::open(SlotFile::new(directory.join("purged")))?.raise(at)?;
        Ok(())
    }

    /// Every entry from that index on, committed or not, read bit by bit. Blocks.
    pub(crate) fn all_from(&self, index: u64) -> impl Iterator<Item = io::Result<Entry>> {
        let from = self.0.journal.first_index().map_or(index, |first| first.max(index));
        self.0.journal.stream_from(from).map(|record| {
            let (_, body) = record.map_err(io::Error::other)?;
            let record: EntryRecord =
                records::decode(Kind::Entry, &body).map_err(io::Error::other)?;
            Entry::try_from(record).map_err(io::Error::other)
        })
    }

    /// Up to where entries were known to be committed when the log was opened.
    pub(crate) fn committed(&self) -> Option<LogId> {
        self.tail().committed
    }
}
