//! What happens when the disk refuses, and when the process dies between the steps of a change.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{indices, inline, records, small};
use crate::disk::SimulatedDisk;
use crate::{Disk, Failure, Journal, SubmitError};

#[test]
fn a_failed_sync_stops_the_journal_for_good() {
    let disk = SimulatedDisk::new(1);
    let journal = Journal::open_on(small(Path::new("/log")), Arc::new(disk.clone())).unwrap();
    journal.append(records(1..3, 0)).unwrap().wait().unwrap();
    disk.fail_syncs(true);
    let (told, callback) = (Arc::new(Mutex::new(Vec::new())), |told: &Arc<Mutex<Vec<bool>>>| {
        let told = Arc::clone(told);
        move |outcome: Result<(), Failure>| told.lock().unwrap().push(outcome.is_ok())
    });
    journal.append_then(records(3..4, 0), callback(&told)).unwrap();
    let second = journal.append(records(4..5, 0));
    if let Ok(ticket) = second {
        ticket.wait().unwrap_err();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let failure = runtime.block_on(journal.stopped());
    assert!(matches!(&failure, Failure::Storage(error) if error.action == "sync"), "{failure}");

    // Not even when the disk is well again.
    disk.fail_syncs(false);
    let before = disk.operations();
    assert!(matches!(journal.flush().unwrap_err(), SubmitError::Failed(Failure::Storage(_))));
    assert!(matches!(journal.reset(9).unwrap_err(), SubmitError::Failed(_)));
    assert!(journal.failed().is_some());
    drop(journal);
    assert_eq!(*told.lock().unwrap(), [false]);
    assert_eq!(disk.operations(), before);
}

#[test]
fn a_failed_sync_fails_everything_queued_behind_it() {
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    let mut tickets = vec![journal.append(records(1..2, 0)).unwrap()];
    tickets.push(journal.truncate_after(0).unwrap());
    tickets.push(journal.append(records(1..2, 0)).unwrap());
    tickets.push(journal.purge_to(1).unwrap());
    tickets.push(journal.flush().unwrap());
    disk.fail_syncs(true);
    assert!(!writer.turn());
    for mut ticket in tickets {
        ticket.outcome().expect("everybody is told").unwrap_err();
    }
    assert!(!writer.turn());
}

#[test]
fn a_refused_sync_of_the_directory_is_fatal_too() {
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    drop(journal.append(records(1..20, 500)).unwrap());
    while writer.turn() {}
    let mut purge = journal.purge_to(15).unwrap();
    disk.fail_syncs(true);
    writer.turn();
    purge.outcome().unwrap().unwrap_err();
    assert!(journal.failed().is_some());
}

/// Does a change of which only the first `steps` operations on the disk happen. Gives the disk,
/// whether the change was reported done, and the log before and after it.
fn interrupted(seed: u64, change: Change, steps: u64) -> (SimulatedDisk, bool, Log, Log) {
    let disk = SimulatedDisk::new(seed);
    let (journal, mut writer) = inline(&disk);
    drop(journal.append(records(1..30, 500)).unwrap());
    while writer.turn() {}
    let before = log(&journal);
    let mut ticket = change(&journal);
    let after = log(&journal);
    disk.lose_power_at(disk.operations() + steps + 1);
    while writer.turn() {}
    let done = ticket.outcome().unwrap().is_ok();
    (disk, done, before, after)
}

type Log = (Option<u64>, Vec<u64>);

fn log(journal: &Journal) -> Log {
    (journal.next_index(), indices(journal))
}

#[test]
fn a_change_interrupted_anywhere_is_finished_or_undone_at_the_next_start() {
    for (name, change) in CHANGES {
        let finished = (0..40).find(|steps| {
            let (disk, done, before, after) = interrupted(1, change, *steps);
            disk.restart();
            let (journal, _writer) = inline(&disk);
            let found = log(&journal);
            let undone = !done && found == before;
            assert!(found == after || undone, "{name} after {steps} steps: {found:?}");
            let left = disk.list(Path::new("/log")).unwrap();
            assert!(left.iter().all(|name| name.ends_with(".segment")), "{left:?}");
            done
        });
        assert!(finished.is_some_and(|steps| steps > 3), "{name}");
    }
}

#[test]
fn what_was_seen_after_a_kill_is_still_there_after_a_power_loss() {
    let append: Change = |journal| journal.append(records(30..50, 500)).unwrap();
    let purge: Change = |journal| journal.purge_to(20).unwrap();
    for (name, change) in CHANGES.into_iter().chain([("append", append), ("purge", purge)]) {
        for (seed, steps) in (0..8).flat_map(|seed| (0..20).map(move |steps| (seed, steps))) {
            let (disk, ..) = interrupted(seed, change, steps);
            disk.restart_process();
            let (journal, writer) = inline(&disk);
            let seen = log(&journal);
            drop((journal, writer));
            disk.restart();
            assert_eq!(log(&inline(&disk).0), seen, "{name}, {steps} steps, seed {seed}");
        }
    }
}

type Change = fn(&Journal) -> crate::Ticket;

const CHANGES: [(&str, Change); 4] = [
    ("truncate in the middle", |journal| journal.truncate_after(11).unwrap()),
    ("truncate to nothing", |journal| journal.truncate_after(0).unwrap()),
    ("reset above", |journal| journal.reset(1000).unwrap()),
    ("reset to the same beginning", |journal| journal.reset(1).unwrap()),
];

#[test]
fn a_callback_that_panics_ends_the_journal_and_everybody_is_told() {
    let disk = SimulatedDisk::new(1);
    let journal = Journal::open_on(small(Path::new("/log")), Arc::new(disk)).unwrap();
    journal.append_then(records(1..2, 0), |_| panic!("planted")).unwrap();
    while let Ok(ticket) = journal.flush() {
        let _ = ticket.wait();
    }
    assert!(matches!(journal.failed(), Some(Failure::Closed)));
}
