//! The log by itself: what is there after it was closed and opened again.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::raft::{LeaderId, Proposal, TypeConfig};
use futures_util::StreamExt;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use tradewind_domain::{
    control::{Command, IdempotencyKey, Request, Stamped},
    ids::{ClientId, RegisterId},
};
use tradewind_journal::disk::SimulatedDisk;

fn id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

fn blank(term: u64, index: u64) -> Entry {
    Entry { log_id: id(term, index), payload: Payload::Blank }
}

async fn fill(log: &mut LogStore, term: u64, indices: std::ops::Range<u64>) {
    let entries: Vec<_> = indices.map(|index| blank(term, index)).collect();
    RaftLogStorageExt::<TypeConfig>::blocking_append(log, entries).await.unwrap();
}

async fn indices(log: &mut LogStore) -> Vec<u64> {
    let entries = log.try_get_log_entries(..).await.unwrap();
    entries.iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    {
        let mut log = LogStore::open(home.path()).unwrap();
        fill(&mut log, 1, 0..5).await;
        log.truncate_after(Some(id(1, 2))).await.unwrap();
        fill(&mut log, 2, 3..6).await;
        log.save_vote(&Vote::new_committed(2, 1)).await.unwrap();
    }
    let mut log = LogStore::open(home.path()).unwrap();
    assert_eq!(indices(&mut log).await, [0, 1, 2, 3, 4, 5]);
    let state = log.get_log_state().await.unwrap();
    assert_eq!((state.last_purged_log_id, state.last_log_id), (None, Some(id(2, 5))));
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(2, 1)));
    assert_eq!(log.read_committed().await.unwrap(), None);
}

#[tokio::test]
async fn the_commit_index_is_saved_once_its_entries_are_given_out_for_applying() {
    let home = tempfile::tempdir().unwrap();
    {
        let mut log = LogStore::open(home.path()).unwrap();
        fill(&mut log, 1, 0..5).await;
        log.save_committed(Some(id(1, 4))).await.unwrap();
        let given: Vec<_> = log.entries_stream(0..3).await.collect().await;
        assert_eq!(given.len(), 3);
    }
    let mut log = LogStore::open(home.path()).unwrap();
    assert_eq!(log.read_committed().await.unwrap(), Some(id(1, 2)));
}

/// Openraft may ask for entries to apply before it is told that their append failed: whichever error ends the
/// member, the operator reads what the disk said.
#[tokio::test]
async fn what_the_disk_said_is_told_to_whoever_waits_for_an_entry() {
    let disk = SimulatedDisk::new(1);
    let environment = Environment { disk: Arc::new(disk.clone()), ..Environment::default() };
    let mut log = LogStore::open_in(&environment, std::path::Path::new("log")).unwrap();
    fill(&mut log, 1, 0..5).await;
    disk.fail_syncs(true);
    log.append([blank(1, 5)], IOFlushed::noop()).await.unwrap();
    let given: Vec<_> = log.entries_stream(5..6).await.collect().await;
    let error = given.into_iter().next().unwrap().unwrap_err();
    let told = crate::state::Chain(&error).to_string();
    assert!(told.contains("cannot sync log/entries"), "{told}");
    assert!(told.contains("Input/output error (os error 5)"), "{told}");
}

/// A follower that lags as far as memory reaches is sent entries of which some are leaving it meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_entry_is_missing_between_what_is_read_from_disk_and_what_memory_still_holds() {
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(home.path()).unwrap();
    let (cached, more) = (crate::limits::LOG_CACHE_ENTRIES as u64, 3_000);
    fill(&mut log, 1, 0..cached + 10).await;
    let mut writing = log.clone();
    let writer = tokio::spawn(async move {
        for index in cached + 10..cached + 10 + more {
            fill(&mut writing, 1, index..index + 1).await;
        }
    });
    while !writer.is_finished() {
        let (from, end) = {
            let tail = log.tail();
            (tail.kept_from().saturating_sub(3), tail.bounds().end)
        };
        let read = log.limited_get_log_entries(from, end).await.unwrap();
        let indices: Vec<u64> = read.iter().map(|entry| entry.log_id.index).collect();
        assert!(
            indices.iter().copied().eq(from..from + indices.len() as u64),
            "{from}: {:?}",
            &indices[..6]
        );
    }
    writer.await.unwrap();
}

#[test]
fn a_log_that_is_in_use_no_more_can_be_opened_at_once() {
    let home = tempfile::tempdir().unwrap();
    for _ in 0..50 {
        let log = LogStore::open(home.path()).unwrap();
        let usage = log.usage();
        // The last handle may go anywhere, and closing takes a while.
        let dropping = std::thread::spawn(move || drop(log));
        while !usage.ended() {
            std::thread::yield_now();
        }
        drop(LogStore::open(home.path()).unwrap());
        dropping.join().unwrap();
    }
}

#[tokio::test]
async fn a_purge_leaves_the_disk_only_when_it_is_released() {
    let home = tempfile::tempdir().unwrap();
    {
        let mut log = LogStore::open(home.path()).unwrap();
        fill(&mut log, 1, 0..10).await;
        log.purge(id(1, 6)).await.unwrap();
        assert_eq!(indices(&mut log).await, [7, 8, 9]);
        log.release(id(1, 3)).unwrap();
    }
    let mut log = LogStore::open(home.path()).unwrap();
    assert_eq!(log.get_log_state().await.unwrap().last_purged_log_id, Some(id(1, 3)));
    assert_eq!(indices(&mut log).await, [4, 5, 6, 7, 8, 9]);
}

#[tokio::test]
async fn a_snapshot_beyond_the_log_starts_it_anew() {
    let home = tempfile::tempdir().unwrap();
    {
        let mut log = LogStore::open(home.path()).unwrap();
        fill(&mut log, 1, 0..3).await;
        log.purge(id(4, 20)).await.unwrap();
        assert_eq!(indices(&mut log).await, [0; 0]);
        fill(&mut log, 4, 21..23).await;
    }
    let mut log = LogStore::open(home.path()).unwrap();
    assert_eq!(indices(&mut log).await, [21, 22]);
    assert_eq!(log.get_log_state().await.unwrap().last_purged_log_id, Some(id(4, 20)));
}

#[tokio::test]
async fn a_reset_that_a_crash_prevented_is_made_up_for() {
    let home = tempfile::tempdir().unwrap();
    {
        let mut log = LogStore::open(home.path()).unwrap();
        fill(&mut log, 1, 0..3).await;
        // The mark is durable, the journal not yet reset: as if the power went between the two.
        log.0.purged_slot.raise(id(4, 20)).unwrap();
    }
    let mut log = LogStore::open(home.path()).unwrap();
    assert_eq!(indices(&mut log).await, [0; 0]);
    assert_eq!(log.get_log_state().await.unwrap().last_log_id, Some(id(4, 20)));
    fill(&mut log, 4, 21..22).await;
    assert_eq!(indices(&mut log).await, [21]);
}

#[tokio::test]
async fn entries_older_than_the_memory_are_read_from_disk() {
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(home.path()).unwrap();
    let all = crate::limits::LOG_CACHE_ENTRIES as u64 + 500;
    fill(&mut log, 1, 0..all).await;
    fill(&mut log, 1, all..all + 1).await;
    assert!(log.tail().kept_from() > 0);
    let read = log.try_get_log_entries(0..=all).await.unwrap();
    assert!(read.iter().enumerate().all(|(place, entry)| entry.log_id.index == place as u64));
    assert_eq!(read.len() as u64, all + 1);
    assert!(!log.limited_get_log_entries(0, all).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_long_log_is_given_out_for_applying_piece_by_piece() {
    // given: more than one piece holds
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(home.path()).unwrap();
    let large = "x".repeat(1_000);
    let entry = |index| {
        let register = RegisterId::new("r").unwrap();
        let command = Command::PutRegister { register, value: large.clone(), expected: None };
        let client = ClientId::new("test").unwrap();
        let key = IdempotencyKey { client, issued_at: UnixNanos(1), n: index };
        let stamped = Stamped { at: UnixNanos(1), request: Request { key, command } };
        let payload = Payload::Normal(Proposal::new(stamped).unwrap());
        Entry { log_id: id(1, index), payload }
    };
    let all = 3 * crate::limits::APPEND_BYTES_MAX as u64 / 1_000;
    let entries: Vec<_> = (0..all).map(entry).collect();
    RaftLogStorageExt::<TypeConfig>::blocking_append(&mut log, entries).await.unwrap();
    log.save_committed(Some(id(1, all - 1))).await.unwrap();
    // when: a part is taken and the rest not yet
    let mut reader = log.clone();
    let mut given = Box::pin(reader.entries_stream(0..all).await);
    let first = given.next().await.unwrap().unwrap();
    // then: only that part is told as given, in the end all, in order
    assert_eq!(first.log_id.index, 0);
    let part = log.0.committed_file.newest().unwrap().index;
    assert!(part < all / 2, "{part} of {all}");
    let rest: Vec<_> = given.map(|entry| entry.unwrap().log_id.index).collect().await;
    assert_eq!(rest, (1..all).collect::<Vec<_>>());
    assert_eq!(log.0.committed_file.newest(), Some(id(1, all - 1)));
}

#[tokio::test]
async fn nothing_is_given_out_for_applying_before_it_is_durable_here() {
    // Given a journal that writes only when it is told to, and an entry committed by others.
    let home = tempfile::tempdir().unwrap();
    let options = Options::at(home.path().join("entries"));
    let disk = Arc::new(tradewind_journal::RealDisk);
    let (journal, mut writer) = Journal::open_inline(options, disk).unwrap();
    let mut log = LogStore::over(journal, &Environment::default().disk, home.path()).unwrap();
    RaftLogStorage::append(&mut log, [blank(1, 0)], IOFlushed::noop()).await.unwrap();
    log.save_committed(Some(id(1, 0))).await.unwrap();
    assert_eq!(indices(&mut log).await, [0], "it can be read, and sent to followers");

    // When it is asked for to be applied, then it comes only after the journal has synced it.
    let mut reader = log.clone();
    let given = tokio::spawn(async move { reader.entries_stream(0..1).await.count().await });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!given.is_finished());
    assert_eq!(log.0.committed_file.newest(), None);
    while writer.turn() {}
    assert_eq!(given.await.unwrap(), 1);
    assert_eq!(log.0.committed_file.newest(), Some(id(1, 0)));
}

fn on_disk(home: &std::path::Path) -> (Option<LogId>, Option<u64>, Option<Vote>) {
    let log = LogStore::open(home).unwrap();
    assert_eq!(log.vote_lost_in(), None);
    let tail = log.tail();
    (tail.purged, tail.last.map(|last| last.index), tail.vote)
}

#[tokio::test]
async fn a_log_whose_past_the_state_has_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(home.path()).unwrap();
    log.save_vote(&Vote::new(1, 0)).await.unwrap();
    fill(&mut log, 1, 0..20).await;
    log.fit(id(1, 12)).await.unwrap();
    assert_eq!(indices(&mut log).await, (0..20).collect::<Vec<_>>());
    drop(log);
    assert_eq!(on_disk(home.path()), (None, Some(19), Some(Vote::new(1, 0))));
}

#[tokio::test]
async fn a_log_that_ends_before_the_state_goes_on_behind_it_and_its_vote_reaches_the_states_term() {
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(home.path()).unwrap();
    log.save_vote(&Vote::new(1, 0)).await.unwrap();
    fill(&mut log, 1, 0..20).await;
    log.fit(id(3, 30)).await.unwrap();
    assert_eq!(indices(&mut log).await, [0; 0]);
    fill(&mut log, 3, 31..33).await;
    drop(log);
    let vote = Vote::new(3, id(3, 30).leader_id.node_id);
    assert_eq!(on_disk(home.path()), (Some(id(3, 30)), Some(32), Some(vote)));
}

#[tokio::test]
async fn a_log_with_another_entry_at_the_states_index_loses_it_and_all_behind_it() {
    // given: entries that were never committed, more of them than memory holds
    for all in [20, crate::limits::LOG_CACHE_ENTRIES as u64 + 500] {
        let home = tempfile::tempdir().unwrap();
        let mut log = LogStore::open(home.path()).unwrap();
        log.save_vote(&Vote::new(7, 0)).await.unwrap();
        fill(&mut log, 1, 0..10).await;
        fill(&mut log, 2, 10..all).await;
        fill(&mut log, 2, all..all + 1).await;
        // when: the state holds another leader's
        log.fit(id(3, 12)).await.unwrap();
        // then
        assert_eq!(indices(&mut log).await, [0; 0]);
        fill(&mut log, 3, 13..15).await;
        assert_eq!(indices(&mut log).await, [13, 14]);
        drop(log);
        assert_eq!(on_disk(home.path()), (Some(id(3, 12)), Some(14), Some(Vote::new(7, 0))));
    }
}

#[tokio::test]
async fn a_log_that_knows_another_entry_to_be_committed_is_not_cut() {
    let home = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(home.path()).unwrap();
    fill(&mut log, 1, 0..20).await;
    log.save_committed(Some(id(1, 12))).await.unwrap();
    let refused = log.fit(id(3, 12)).await.unwrap_err();
    assert!(refused.to_string().contains("another entry 12"), "{refused}");
    assert_eq!(indices(&mut log).await, (0..20).collect::<Vec<_>>());
    log.fit(id(1, 12)).await.unwrap();
    assert!(log.contradicts(id(2, 3)).unwrap() && !log.contradicts(id(2, 13)).unwrap());
}
