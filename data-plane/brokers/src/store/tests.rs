//! Claims about opening: what is kept, and what is refused rather than guessed.

#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_journal::disk::SimulatedDisk;

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

/// Told of no copy.
fn alone() -> (Fence, Naming<ManagerId>) {
    (Fence::default(), Naming { since: Fence::default(), holder: None })
}

fn open(disk: &SimulatedDisk, name: &str) -> Result<Opened, StoreError> {
    let directory = Path::new("/ledger");
    Store::open(directory, &account(name), Arc::new(disk.clone()), UnixNanos(1), alone())
}

#[test]
fn a_ledger_draws_its_stream_epoch_once() {
    // given
    let disk = SimulatedDisk::new(1);
    let first = open(&disk, "sim-1").unwrap();
    let epoch = first.ledger.stream_epoch().clone();
    drop(first);
    // when
    disk.restart();
    // then
    let again = open(&disk, "sim-1").unwrap();
    assert_eq!(again.ledger.stream_epoch(), &epoch);
    assert_eq!(again.store.last(), 1);
    let other = open(&SimulatedDisk::new(1), "sim-1").unwrap();
    assert_ne!(other.ledger.stream_epoch(), &epoch, "another ledger is another source");
}

#[test]
fn another_account_s_ledger_is_refused_by_name() {
    let disk = SimulatedDisk::new(1);
    drop(open(&disk, "sim-1").unwrap());
    disk.restart();
    let refused = open(&disk, "sim-2").map(drop).unwrap_err();
    let said = format!("{refused}: {}", std::error::Error::source(&refused).unwrap());
    assert!(said.contains("record 1") && said.contains("sim-1"), "{said}");
}

#[test]
fn a_record_nobody_can_read_stops_the_start_and_changes_nothing() {
    let disk = SimulatedDisk::new(1);
    let opened = open(&disk, "sim-1").unwrap();
    let newer = Bytes::from_static(b"\x01\x01\xff\xff\xff\xff");
    opened.store.journal().append_next(vec![newer]).unwrap().1.wait().unwrap();
    drop(opened);
    disk.restart();
    for _ in 0..2 {
        let refused = open(&disk, "sim-1").map(drop).unwrap_err();
        assert!(matches!(refused, StoreError::Decode { index: 2, .. }), "{refused}");
        disk.restart();
    }
}
