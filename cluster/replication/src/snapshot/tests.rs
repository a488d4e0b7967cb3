//! Snapshot files: what is written is read, what is torn is refused, old ones go.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    raft::{LeaderId, LogId, StoredMembership},
    records::{HeadRecord, LogIdRecord},
    state::Head,
};
use std::{fs, path::Path};
use tradewind_domain::{
    control::{Machine, Row},
    ids::RegisterId,
    time::UnixNanos,
};

fn machine(registers: u64) -> Machine {
    let row = |n: u64| {
        let register = RegisterId::new(&format!("r{n}")).unwrap();
        let value = "v".repeat(300);
        Row::Register(tradewind_domain::control::row::RegisterRow { register, value })
    };
    Machine::from_rows((0..registers).map(row))
}

fn head(index: u64) -> HeadRecord {
    let applied = Some(LogId::new(LeaderId { term: 3, node_id: 2 }, index));
    let membership = StoredMembership::default();
    HeadRecord::from(&Head { applied, membership, stamped: UnixNanos(index) })
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn rows(machine: &Machine) -> Vec<Row> {
    machine.rows().collect()
}

#[test]
fn a_machine_comes_back_from_its_snapshot() {
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    for size in [0, 1, 5_000] {
        let file = shelf.build(&machine(size), head(size)).unwrap();
        let (read, told) = file.load().unwrap();
        assert_eq!(rows(&read), rows(&machine(size)));
        assert_eq!(told, head(size));
    }
}

#[test]
fn the_two_newest_are_kept_and_found_again() {
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    for index in [9, 10, 11] {
        shelf.build(&machine(3), head(index)).unwrap();
    }
    fs::write(home.path().join("building-7.tmp"), b"half").unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    let applied = shelf.newest().unwrap().head().applied;
    assert_eq!(applied, Some(LogIdRecord { term: 3, node: 2, index: 11 }));
    assert_eq!(
        names(home.path()),
        ["00000000000000000010-3-2.snapshot", "00000000000000000011-3-2.snapshot"]
    );
}

#[test]
fn a_damaged_snapshot_is_set_aside_and_the_one_before_counts() {
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    shelf.build(&machine(3), head(10)).unwrap();
    let newest = shelf.build(&machine(3), head(11)).unwrap();
    fs::write(&newest.path, b"TWSNAP01").unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    assert_eq!(shelf.newest().unwrap().head(), &head(10));
    assert!(names(home.path())[1].ends_with(".damaged"));
}

#[test]
fn any_byte_changed_in_a_snapshot_is_found_when_it_is_loaded() {
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    let file = shelf.build(&machine(3), head(10)).unwrap();
    let sound = fs::read(&file.path).unwrap();
    for place in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x10;
        fs::write(&file.path, &bytes).unwrap();
        assert!(file.load().is_err(), "byte {place}");
        fs::write(&file.path, &sound[..place]).unwrap();
        assert!(file.load().is_err(), "cut at {place}");
    }
}

fn send(file: &SnapshotFile, to: &Shelf, chunk: usize) -> std::io::Result<SnapshotFile> {
    let mut incoming = to.receive(1, file.head().clone(), file.bytes())?;
    let (mut crc, mut offset) = (crc32fast::Hasher::new(), 0);
    while offset < file.bytes() {
        let piece = file.chunk(offset, chunk)?;
        crc.update(&piece);
        incoming.write(offset, &piece)?;
        offset += piece.len() as u64;
    }
    incoming.finish(crc.finalize())
}

#[test]
fn a_snapshot_received_in_pieces_is_the_one_that_was_sent() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (Shelf::open(near.path()).unwrap(), Shelf::open(far.path()).unwrap());
    let file = from.build(&machine(1_000), head(10)).unwrap();
    let received = to.keep(send(&file, &to, 10_000).unwrap()).unwrap();
    assert_eq!(rows(&received.load().unwrap().0), rows(&machine(1_000)));
    assert_eq!(names(far.path()), ["00000000000000000010-3-2.snapshot"]);
}

#[test]
fn pieces_missing_repeated_or_damaged_are_refused_and_leave_nothing() {
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    let file = shelf.build(&machine(3), head(10)).unwrap();
    let whole = file.chunk(0, usize::MAX).unwrap();
    let incoming = || shelf.receive(1, head(10), file.bytes()).unwrap();

    assert!(incoming().write(1, &whole).is_err());
    let mut twice = incoming();
    twice.write(0, &whole[..5]).unwrap();
    assert!(twice.write(0, &whole[..5]).is_err());
    assert!(twice.finish(crc32fast::hash(&whole)).is_err());
    let mut damaged = incoming();
    damaged.write(0, &whole).unwrap();
    assert!(damaged.finish(crc32fast::hash(&whole) ^ 1).is_err());
    let mut other_head = shelf.receive(1, head(11), file.bytes()).unwrap();
    other_head.write(0, &whole).unwrap();
    assert!(other_head.finish(crc32fast::hash(&whole)).is_err());
    assert_eq!(names(home.path()), ["00000000000000000010-3-2.snapshot"]);
}

#[test]
fn a_received_snapshot_that_is_not_kept_leaves_nothing() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (Shelf::open(near.path()).unwrap(), Shelf::open(far.path()).unwrap());
    let file = from.build(&machine(3), head(10)).unwrap();
    let received = send(&file, &to, 10_000).unwrap();
    let clone = received.clone();
    drop(received);
    assert_eq!(rows(&clone.load().unwrap().0), rows(&machine(3)));
    drop(clone);
    assert_eq!(names(far.path()), Vec::<String>::new());
}
