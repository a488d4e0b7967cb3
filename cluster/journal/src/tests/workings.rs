//! What appending, reading, truncating, purging and resetting do while nothing goes wrong.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::{SMALL, body, eventually, indices, inline, records, small};
use crate::disk::SimulatedDisk;
use crate::{
    Journal, OpenError, Options, RECORD_BYTES_MAX, ReadError, Record, SEGMENT_BYTES, SubmitError,
};

#[test]
fn what_was_appended_is_there_after_reopening() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("deep/er");
    let journal = Journal::open(Options::at(&directory)).unwrap();
    assert_eq!((journal.first_index(), journal.next_index()), (None, None));
    journal.append(records(5..8, 0)).unwrap().wait().unwrap();
    drop(journal);

    let journal = Journal::open(Options::at(&directory)).unwrap();
    assert_eq!((journal.first_index(), journal.last_index()), (Some(5), Some(7)));
    let expected: Vec<_> = (5..8).map(|index| (index, body(index, 0))).collect();
    assert_eq!(journal.read(0..0, 1).unwrap(), []);
    assert_eq!(journal.read(5..100, usize::MAX).unwrap(), expected);
    let file = directory.join("00000000000000000005.segment");
    assert_eq!(std::fs::metadata(file).unwrap().len(), SEGMENT_BYTES);
}

#[test]
fn a_log_over_many_segments_reads_as_one() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    for index in 1..=100 {
        drop(journal.append(records(index..index + 1, 500)).unwrap());
    }
    journal.flush().unwrap().wait().unwrap();

    assert_eq!(indices(&journal), (1..=100).collect::<Vec<_>>());
    assert!(std::fs::read_dir(home.path()).unwrap().count() > 10);
    let some = journal.read(7..20, 1200).unwrap();
    assert_eq!(some, [(7, body(7, 500)), (8, body(8, 500))]);
    assert_eq!(journal.read(7..20, 0).unwrap().len(), 1, "one record always comes");
    assert_eq!(journal.read(7..20, usize::MAX).unwrap().len(), 13);
    assert_eq!(journal.read(101..200, 1).unwrap(), []);
    drop(journal);
    assert_eq!(indices(&Journal::open(small(home.path())).unwrap()).len(), 100);
}

#[test]
fn a_submitted_record_can_be_read_before_it_is_durable() {
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    drop(journal.append(records(1..4, 0)).unwrap());
    while writer.turn() {}
    let mut ticket = journal.append(records(4..6, 0)).unwrap();

    assert_eq!(indices(&journal), [1, 2, 3, 4, 5]);
    assert_eq!(journal.read(5..6, 100).unwrap(), [(5, body(5, 0))]);
    assert!(ticket.outcome().is_none());
    while writer.turn() {}
    assert!(ticket.outcome().unwrap().is_ok());
    assert_eq!(indices(&journal), [1, 2, 3, 4, 5]);
}

#[test]
fn truncation_and_reset_are_seen_at_once_and_written_in_order() {
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    drop(journal.append(records(1..20, 500)).unwrap());
    drop(journal.truncate_after(9).unwrap());
    drop(journal.append(vec![Record::new(10, "new")]).unwrap());
    drop(journal.truncate_after(5).unwrap());
    drop(journal.append(vec![Record::new(6, "newer")]).unwrap());
    let check = || {
        assert_eq!(indices(&journal), [1, 2, 3, 4, 5, 6]);
        assert_eq!(journal.read(6..7, 100).unwrap(), [(6, Bytes::from("newer"))]);
    };
    check();
    while writer.turn() {
        check();
    }
    drop(journal.reset(50).unwrap());
    assert_eq!((journal.last_index(), journal.next_index()), (None, Some(50)));
    drop(journal.append(records(50..52, 0)).unwrap());
    assert_eq!(indices(&journal), [50, 51]);
    while writer.turn() {}
    assert_eq!(indices(&journal), [50, 51]);
    drop((journal, writer));
    assert_eq!(indices(&inline(&disk).0), [50, 51]);
}

#[test]
fn appending_goes_on_where_truncation_cut() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    journal.append(records(1..101, 500)).unwrap().wait().unwrap();
    journal.truncate_after(42).unwrap().wait().unwrap();
    journal.append(vec![Record::new(43, "other")]).unwrap().wait().unwrap();
    drop(journal);

    let journal = Journal::open(small(home.path())).unwrap();
    assert_eq!(indices(&journal), (1..=43).collect::<Vec<_>>());
    assert_eq!(journal.read(43..44, 10).unwrap(), [(43, Bytes::from("other"))]);
    journal.truncate_after(0).unwrap().wait().unwrap();
    assert_eq!((journal.last_index(), journal.next_index()), (None, Some(1)));
    assert!(matches!(
        journal.append(records(7..8, 0)).unwrap_err(),
        SubmitError::OutOfOrder { expected: 1, given: 7 }
    ));
}

#[test]
fn a_purge_removes_whole_segments_and_nothing_else() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    journal.append(records(1..101, 500)).unwrap().wait().unwrap();
    let before = journal.size_bytes();
    journal.purge_to(50).unwrap().wait().unwrap();

    let first = journal.first_index().unwrap();
    assert!((44..=51).contains(&first), "segments hold seven records, the log begins at {first}");
    assert!(journal.size_bytes() < before);
    assert!(matches!(journal.read(1..2, 1), Err(ReadError::Purged { asked: 1, .. })));
    assert!(matches!(
        journal.truncate_after(49).unwrap_err(),
        SubmitError::Purged { after: 49, purged: 50 }
    ));
    journal.purge_to(u64::MAX).unwrap().wait().unwrap();
    assert_eq!(journal.last_index(), Some(100), "the last segment stays");
    drop(journal);
    let journal = Journal::open(small(home.path())).unwrap();
    assert_eq!(journal.next_index(), Some(101));
    assert!(journal.first_index().unwrap() > first);
}

#[test]
fn a_purge_submitted_before_a_reset_does_not_move_the_new_beginning() {
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    drop(journal.append(records(1..40, 500)).unwrap());
    while writer.turn() {}
    drop(journal.purge_to(30).unwrap());
    drop(journal.reset(3).unwrap());
    drop(journal.append(records(3..5, 0)).unwrap());
    while writer.turn() {
        assert_eq!(indices(&journal), [3, 4]);
    }
}

#[test]
fn a_reader_keeps_what_he_found_while_the_log_changes_under_him() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    journal.append(records(1..8, 500)).unwrap().wait().unwrap();
    let mut stream = journal.stream_from(1);
    assert_eq!(stream.next().unwrap().unwrap().0, 1);
    journal.reset(100).unwrap().wait().unwrap();

    let rest: Vec<_> = stream.by_ref().take(6).map(|record| record.unwrap().0).collect();
    assert_eq!(rest, [2, 3, 4, 5, 6, 7]);
    assert!(matches!(stream.next(), Some(Err(ReadError::Purged { asked: 8, first: 100 }))));
    assert!(stream.next().is_none());
}

#[test]
fn a_record_larger_than_a_segment_gets_one_of_its_own_size() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    journal.append(records(1..3, 0)).unwrap().wait().unwrap();
    journal.append(records(3..4, 3 * SMALL as usize)).unwrap().wait().unwrap();
    journal.append(records(4..6, 0)).unwrap().wait().unwrap();
    drop(journal);

    let journal = Journal::open(small(home.path())).unwrap();
    assert_eq!(indices(&journal), [1, 2, 3, 4, 5]);
    assert_eq!(journal.read(3..4, 1).unwrap()[0].1, body(3, 3 * SMALL as usize));
    let own = std::fs::metadata(home.path().join("00000000000000000003.segment")).unwrap();
    assert_eq!(own.len(), 32 + 16 + 3 * SMALL);
}

#[test]
fn a_record_too_large_for_the_empty_last_segment_takes_its_place() {
    // Found by the search of `power_loss`: two segments of one name, and a purge removed the living
    // one.
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    drop(journal.reset(27).unwrap());
    drop(journal.append(records(27..28, 2 * SMALL as usize)).unwrap());
    drop(journal.append(records(28..29, 0)).unwrap());
    drop(journal.purge_to(27).unwrap());
    while writer.turn() {}
    assert_eq!(indices(&journal), [28]);
    drop((journal, writer));
    let (journal, mut writer) = inline(&disk);
    assert_eq!(indices(&journal), [28]);
    drop(journal.reset(40).unwrap());
    drop(journal.append(records(40..41, 2 * SMALL as usize)).unwrap());
    drop(journal.purge_to(40).unwrap());
    while writer.turn() {}
    assert_eq!(indices(&journal), [40]);
    drop((journal, writer));
    assert_eq!(indices(&inline(&disk).0), [40]);
}

#[test]
fn an_oversize_record_is_refused_and_nothing_of_its_append_is_taken() {
    let disk = SimulatedDisk::new(1);
    let (journal, _writer) = inline(&disk);
    let mut batch = records(1..2, 0);
    batch.push(Record::new(2, vec![0; RECORD_BYTES_MAX + 1]));
    let refused = journal.append(batch).unwrap_err();
    assert!(matches!(refused, SubmitError::TooLarge { index: 2, .. }), "{refused}");
    assert_eq!(journal.next_index(), None);
    drop(journal.append(vec![Record::new(1, vec![0; RECORD_BYTES_MAX])]).unwrap());
}

#[test]
fn records_out_of_order_are_refused() {
    let disk = SimulatedDisk::new(1);
    let (journal, _writer) = inline(&disk);
    drop(journal.append(records(10..12, 0)).unwrap());
    for given in [0, 10, 13, u64::MAX] {
        let refused = journal.append(vec![Record::new(given, "")]).unwrap_err();
        assert!(matches!(refused, SubmitError::OutOfOrder { expected: 12, .. }), "{refused}");
    }
    let hole = vec![Record::new(12, ""), Record::new(14, "")];
    assert!(matches!(
        journal.append(hole).unwrap_err(),
        SubmitError::OutOfOrder { expected: 13, given: 14 }
    ));
    assert_eq!(indices(&journal), [10, 11]);
}

#[test]
fn the_journal_numbers_records_for_those_who_do_not() {
    let home = tempfile::tempdir().unwrap();
    let options = Options { first_index: Some(7), ..small(home.path()) };
    let journal = Journal::open(options).unwrap();
    let bodies = |text: &'static str| vec![Bytes::from(text), Bytes::from(text)];
    assert_eq!(journal.append_next(bodies("a")).unwrap().0, 7);
    let (first, ticket) = journal.append_next(bodies("b")).unwrap();
    ticket.wait().unwrap();
    assert_eq!(first, 9);
    assert_eq!(indices(&journal), [7, 8, 9, 10]);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    let clone = journal.clone();
    drop(journal);
    let refused = Journal::open(small(home.path())).err().unwrap();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    drop(clone);
    Journal::open(small(home.path())).unwrap();
}

#[test]
fn senseless_options_are_refused() {
    let options = Options { segment_bytes: 10, ..Options::at("/nowhere") };
    assert!(matches!(Journal::open(options).err().unwrap(), OpenError::Options { .. }));
}

#[test]
fn concurrent_appenders_share_syncs_and_complete_in_order() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(Options::at(home.path())).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (threads, each) = (8, 200);
    let turn = Mutex::new(1..);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..each {
                    let told = Arc::clone(&told);
                    // The order of submission is whoever gets the next index.
                    let mut turn = turn.lock().unwrap();
                    let index: u64 = turn.next().unwrap();
                    let done = move |outcome: Result<(), _>| {
                        outcome.unwrap();
                        told.lock().unwrap().push(index);
                    };
                    journal.append_then(records(index..index + 1, 0), done).unwrap();
                }
            });
        }
    });
    journal.flush().unwrap().wait().unwrap();

    let all: Vec<u64> = (1..=threads * each).collect();
    assert_eq!(*told.lock().unwrap(), all);
    assert_eq!(indices(&journal), all);
    let stats = journal.stats();
    assert_eq!(stats.records, threads * each);
    assert!(stats.syncs < stats.records / 2, "{stats:?}");
}

#[test]
fn a_full_queue_refuses_and_room_tells_when_it_no_longer_does() {
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    let mut next = 1;
    let refused = loop {
        match journal.append(vec![Record::new(next, vec![0; 1 << 20])]) {
            Ok(_) => next += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, SubmitError::Busy), "{refused}");
    assert_eq!(journal.last_index(), Some(next - 1));

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut room = Box::pin(journal.room());
    let mut poll = || {
        runtime.block_on(async {
            tokio::select! { biased; () = &mut room => true, () = async {} => false }
        })
    };
    assert!(!poll());
    while writer.turn() {}
    assert!(poll());
    drop(journal.append(records(next..next + 1, 0)).unwrap());
}

#[test]
fn a_ticket_can_be_awaited_and_the_last_handle_may_go_in_a_callback() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(journal.append(records(1..2, 0)).unwrap()).unwrap();

    let last = journal.clone();
    journal.append_then(records(2..3, 0), move |_| drop(last)).unwrap();
    drop(journal);
    let reopens = || match Journal::open(small(home.path())) {
        Ok(journal) => indices(&journal) == [1, 2],
        Err(error) => {
            assert!(matches!(error, OpenError::Locked { .. }), "{error}");
            false
        }
    };
    eventually(reopens, Duration::from_secs(10));
}

#[test]
fn dropping_the_last_handle_writes_what_is_queued() {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    let tickets: Vec<_> =
        (1..50).map(|index| journal.append(records(index..index + 1, 900)).unwrap()).collect();
    drop(journal);
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert_eq!(indices(&Journal::open(small(home.path())).unwrap()).len(), 49);
}

#[test]
fn dropping_an_inline_writer_tells_those_who_wait() {
    let disk = SimulatedDisk::new(1);
    let (journal, writer) = inline(&disk);
    let ticket = journal.append(records(1..2, 0)).unwrap();
    drop(writer);
    assert!(ticket.wait().is_err());
    assert!(journal.failed().is_some());
    assert!(matches!(journal.flush().unwrap_err(), SubmitError::Failed(_)));
}
