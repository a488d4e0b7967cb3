//! Snapshot files: what is written is read, what is torn is refused, old ones go.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    limits::{SNAPSHOT_CUT_BYTES, SNAPSHOT_SYNC_BYTES},
    raft::{LeaderId, LogId, StoredMembership},
    records::{self, HeadRecord, Kind, LogIdRecord, SnapshotBlock},
    state::Head,
};
use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tradewind_domain::{
    control::{Machine, Row},
    ids::RegisterId,
    time::UnixNanos,
};
use tradewind_journal::{Disk, disk::SimulatedDisk};

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
    let (number, mut offset) = offer(file, to)?;
    while offset < file.bytes() {
        let piece = file.chunk(offset, chunk)?;
        let crc = Some(crc32fast::hash(&piece));
        to.incoming(number, |incoming| incoming.write(offset, &piece, crc))?;
        offset += piece.len() as u64;
    }
    to.arrived(number)?.finish(file.crc()?)
}

/// Number of the transfer, and how much of it is there.
fn offer(file: &SnapshotFile, to: &Shelf) -> std::io::Result<(u64, u64)> {
    to.receive(1, file.head().clone(), file.bytes(), Some(file.crc()?))
}

#[test]
fn a_transfer_that_was_interrupted_goes_on_behind_what_is_there() {
    // given
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (Shelf::open(near.path()).unwrap(), Shelf::open(far.path()).unwrap());
    let file = from.build(&machine(1_000), head(10)).unwrap();
    let (first, held) = offer(&file, &to).unwrap();
    assert_eq!(held, 0);
    let half = file.chunk(0, 100_000).unwrap();
    let write = |number, offset, bytes: &[u8]| {
        to.incoming(number, |incoming| incoming.write(offset, bytes, Some(crc32fast::hash(bytes))))
    };
    write(first, 0, &half).unwrap();
    // when: the same is offered again
    let (second, held) = offer(&file, &to).unwrap();
    assert_eq!(held, 100_000);
    assert!(write(first, held, b"late").is_err(), "the transfer before has ended");
    let rest = file.chunk(held, usize::MAX).unwrap();
    for (place, piece) in rest.chunks(50_000).enumerate() {
        write(second, held + 50_000 * place as u64, piece).unwrap();
    }
    // then
    let received = to.arrived(second).unwrap().finish(file.crc().unwrap()).unwrap();
    assert_eq!(rows(&received.load().unwrap().0), rows(&machine(1_000)));
    drop(received);
    // and another snapshot begins anew, and leaves nothing of one that was begun
    offer(&file, &to).unwrap();
    let other = from.build(&machine(999), head(11)).unwrap();
    assert_eq!(offer(&other, &to).unwrap().1, 0);
    assert_eq!(names(far.path()).len(), 1, "{:?}", names(far.path()));
}

#[test]
fn a_snapshot_that_was_damaged_where_it_came_from_is_refused_at_the_door() {
    let (near, far) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (from, to) = (Shelf::open(near.path()).unwrap(), Shelf::open(far.path()).unwrap());
    let file = from.build(&machine(1_000), head(10)).unwrap();
    let mut bytes = fs::read(&file.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file.path, &bytes).unwrap();
    let refused = send(&file, &to, 10_000).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::Other, "{refused}");
    assert_eq!(names(far.path()), Vec::<String>::new());
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
    let begin = |head| shelf.receive(1, head, file.bytes(), None).unwrap().0;
    let write = |number, offset, bytes: &[u8], crc| {
        shelf.incoming(number, |incoming| incoming.write(offset, bytes, crc))
    };
    let finish = |number, crc| shelf.arrived(number).and_then(|incoming| incoming.finish(crc));
    let sum = crc32fast::hash(&whole);

    assert!(write(begin(head(10)), 1, &whole, None).is_err());
    let twice = begin(head(10));
    write(twice, 0, &whole[..5], None).unwrap();
    assert!(write(twice, 0, &whole[..5], None).is_err());
    assert!(finish(twice, sum).is_err());
    let damaged = begin(head(10));
    assert!(write(damaged, 0, &whole, Some(sum ^ 1)).is_err());
    write(damaged, 0, &whole, Some(sum)).unwrap();
    assert!(finish(damaged, sum ^ 1).is_err());
    let other_head = begin(head(11));
    write(other_head, 0, &whole, None).unwrap();
    assert!(finish(other_head, sum).is_err());
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

#[test]
fn a_transfer_whose_disk_has_failed_is_begun_anew() {
    // given: a sync of it fails once
    let near = tempfile::tempdir().unwrap();
    let file = Shelf::open(near.path()).unwrap().build(&machine(2_000), head(10)).unwrap();
    let disk = SimulatedDisk::new(1);
    let far: Arc<dyn Disk> = Arc::new(disk.clone());
    let shelf = Shelf::open_on(&far, Path::new("/far")).unwrap();
    let begin = || shelf.receive(1, head(10), file.bytes(), Some(file.crc().unwrap())).unwrap();
    let (number, _) = begin();
    let piece = file.chunk(0, SNAPSHOT_SYNC_BYTES).unwrap();
    disk.fail_syncs(true);
    shelf.incoming(number, |incoming| incoming.write(0, &piece, None)).unwrap_err();
    // when: a sync would tell now that all is well
    disk.fail_syncs(false);
    // then
    shelf.incoming(number, |incoming| incoming.write(0, &piece, None)).unwrap_err();
    let (number, here) = begin();
    assert_eq!(here, 0, "nothing of it is relied on");
    shelf.incoming(number, |incoming| incoming.write(0, &piece, None)).unwrap();
}

#[test]
fn a_large_file_that_is_not_wanted_goes_once_its_last_reader_is_done() {
    // given
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    let first = shelf.build(&machine(40_000), head(1)).unwrap();
    assert!(first.bytes() > SNAPSHOT_CUT_BYTES, "it is cut before it is removed");
    // when
    shelf.build(&machine(1), head(2)).unwrap();
    shelf.build(&machine(2), head(3)).unwrap();
    // then: it has no name that a start would take, and is whole for whoever reads it
    assert!(!names(home.path()).iter().any(|name| name.ends_with("1-3-2.snapshot")));
    assert_eq!(first.load().unwrap().0.state_hash(), machine(40_000).state_hash());
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(20);
    while names(home.path()).len() > 2 {
        assert!(Instant::now() < deadline, "{:?}", names(home.path()));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(shelf.newest().unwrap().head(), &head(3));
}

#[test]
fn a_row_that_memory_altered_before_it_was_written_does_not_fit_the_states_hash() {
    // given: a snapshot whose every block is as it was written, one row of which is not what it was
    let home = tempfile::tempdir().unwrap();
    let shelf = Shelf::open(home.path()).unwrap();
    let file = shelf.build(&machine(5), head(9)).unwrap();
    let bytes = fs::read(&file.path).unwrap();
    let (magic, mut rest) = bytes.split_at(8);
    let mut altered = magic.to_vec();
    while let Some(length) = rest.first_chunk::<4>() {
        let end = 4 + u32::from_be_bytes(*length) as usize;
        let mut block = records::decode(Kind::SnapshotBlock, &rest[4..end]).unwrap();
        if let SnapshotBlock::Rows(rows) = &mut block {
            let registers = rows.iter_mut().filter_map(|row| match row {
                Row::Register(row) => Some(row),
                _ => None,
            });
            registers.for_each(|row| row.value.replace_range(7..8, "w"));
        }
        let block = records::encode(Kind::SnapshotBlock, &block).unwrap();
        altered.extend_from_slice(&(block.len() as u32).to_be_bytes());
        altered.extend_from_slice(&block);
        rest = &rest[end..];
    }
    assert_ne!(altered, bytes);
    assert!(read(&bytes[..]).is_ok());
    // when, then
    let refused = read(&altered[..]).unwrap_err();
    assert!(refused.to_string().contains("not those of the state"), "{refused}");
}
