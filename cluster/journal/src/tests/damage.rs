//! What opening and reading do with files that are not as they were written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{indices, inline, records, small};
use crate::disk::SimulatedDisk;
use crate::{Disk, Journal, OpenError, ReadError, SlotError, SlotFile};

/// A journal of 20 records in three segments of seven, each record its own sync; where its files
/// are.
fn written() -> (tempfile::TempDir, Vec<PathBuf>) {
    let home = tempfile::tempdir().unwrap();
    let journal = Journal::open(small(home.path())).unwrap();
    for index in 1..=20 {
        journal.append(records(index..index + 1, 500)).unwrap().wait().unwrap();
    }
    drop(journal);
    let mut files: Vec<_> = fs::read_dir(home.path()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    files.sort();
    assert_eq!(files.len(), 3);
    (home, files)
}

/// Offset of a record in its segment.
const fn at(position: usize) -> usize {
    32 + position * 516
}

fn change(path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    with(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn refused(home: &Path) -> OpenError {
    Journal::open(small(home)).err().expect("the journal should not open")
}

#[test]
fn the_torn_end_of_the_last_write_is_cut_and_the_log_goes_on() {
    let torn_how: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[at(5) + 20] ^= 1,
        |bytes| bytes[at(5)..at(5) + 16].fill(0),
        |bytes| bytes[at(5) + 100..].fill(0),
        |bytes| bytes.truncate(at(5) + 100),
    ];
    for torn in torn_how {
        let (home, files) = written();
        change(&files[2], torn);
        let journal = Journal::open(small(home.path())).unwrap();
        assert_eq!(indices(&journal), (1..=19).collect::<Vec<_>>());
        journal.append(records(20..22, 0)).unwrap().wait().unwrap();
        drop(journal);
        let journal = Journal::open(small(home.path())).unwrap();
        assert_eq!(indices(&journal), (1..=21).collect::<Vec<_>>());
    }
}

#[test]
fn leftovers_of_a_torn_write_never_become_records_again() {
    // One write of five records loses its first block and keeps the others.
    let disk = SimulatedDisk::new(1);
    let (journal, mut writer) = inline(&disk);
    drop(journal.append(records(1..6, 100)).unwrap());
    while writer.turn() {}
    drop((journal, writer));
    let file = Path::new("/log/00000000000000000001.segment");
    disk.flip(file, 32 + 20);
    let (journal, mut writer) = inline(&disk);
    assert_eq!(journal.last_index(), None);

    // A new record in the place of the lost one ends just where the old second one began.
    drop(journal.append(records(1..2, 100)).unwrap());
    while writer.turn() {}
    drop((journal, writer));
    assert_eq!(indices(&inline(&disk).0), [1]);
}

#[test]
fn damage_before_the_last_write_is_refused_with_what_to_do() {
    for (file, offset) in [(0, at(3) + 20), (0, at(6) + 20), (1, at(0) + 3), (2, at(4) + 20)] {
        let (home, files) = written();
        let whole = fs::read(&files[file]).unwrap();
        change(&files[file], |bytes| bytes[offset] ^= 1);
        let damaged = fs::read(&files[file]).unwrap();
        let error = refused(home.path());
        let OpenError::Corrupt { file: named, offset: found, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!((named, *found as usize / 516), (&files[file], (offset - 32) / 516));
        let text = error.to_string();
        assert!(text.contains("restore") && text.contains("rejoin as a new member"), "{text}");
        assert_eq!(fs::read(&files[file]).unwrap(), damaged, "nothing was changed");
        fs::write(&files[file], whole).unwrap();
        assert_eq!(indices(&Journal::open(small(home.path())).unwrap()).len(), 20);
    }
}

#[test]
fn a_record_lost_as_zeros_is_missed_when_a_later_one_proves_it_was_durable() {
    let (home, files) = written();
    change(&files[2], |bytes| bytes[at(3)..at(4)].fill(0));
    assert!(matches!(refused(home.path()), OpenError::Corrupt { .. }));
}

#[test]
fn a_missing_segment_is_refused() {
    let (home, files) = written();
    fs::remove_file(&files[1]).unwrap();
    let error = refused(home.path());
    assert!(matches!(&error, OpenError::Corrupt { file, .. } if *file == files[2]), "{error}");
}

#[test]
fn a_damaged_or_foreign_header_is_refused() {
    for offset in [0, 9, 17, 25] {
        let (home, files) = written();
        change(&files[2], |bytes| bytes[offset] ^= 1);
        assert!(matches!(refused(home.path()), OpenError::Corrupt { offset: 0, .. }));
    }
    let (home, files) = written();
    fs::rename(&files[0], home.path().join("00000000000000000000.segment")).unwrap();
    assert!(matches!(refused(home.path()), OpenError::Corrupt { offset: 0, .. }));
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let (home, files) = written();
    change(&files[2], |bytes| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(refused(home.path()), OpenError::UnknownFormat { found: 2, known: 1, .. }));
}

#[test]
fn the_bytes_of_a_segment_never_change() {
    let header = crate::segment::header(7);
    let mut golden = *b"TWJOURNL\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    golden[24..28].copy_from_slice(&0x1FC1_2586_u32.to_le_bytes());
    assert_eq!(header, golden);
}

#[test]
fn a_record_damaged_after_opening_is_refused_to_the_reader() {
    let (home, files) = written();
    let journal = Journal::open(small(home.path())).unwrap();
    use std::os::unix::fs::FileExt;
    let file = fs::OpenOptions::new().write(true).open(&files[1]).unwrap();
    file.write_all_at(b"!", at(2) as u64 + 100).unwrap();
    let error = journal.read(8..15, usize::MAX).unwrap_err();
    assert!(matches!(error, ReadError::Corrupt { index: 10, .. }), "{error}");
    assert_eq!(journal.read(8..10, usize::MAX).unwrap().len(), 2);
}

#[test]
fn foreign_files_in_the_directory_are_left_alone() {
    let (home, _) = written();
    for name in ["vote", "notes.txt", "1.segment", "00000000000000000001.segment.bak"] {
        fs::write(home.path().join(name), "mine").unwrap();
    }
    fs::write(home.path().join("00000000000000000021.new"), "half made").unwrap();
    Journal::open(small(home.path())).unwrap();
    let left = fs::read_dir(home.path()).unwrap().count();
    assert_eq!(left, 3 + 1 + 4, "only the half made segment went");
}

#[test]
fn a_slot_gives_back_what_was_stored_last() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("vote");
    let slot = SlotFile::new(&path);
    assert_eq!(slot.load().unwrap(), None);
    slot.store(b"one").unwrap();
    slot.store(b"second").unwrap();
    assert_eq!(SlotFile::new(&path).load().unwrap().unwrap(), b"second");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    let refused = slot.store(&vec![0; crate::SLOT_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(refused, SlotError::TooLarge { .. }));
    slot.store(b"").unwrap();
    assert_eq!(slot.load().unwrap().unwrap(), b"");
}

#[test]
fn a_damaged_slot_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("vote");
    let slot = SlotFile::new(&path);
    slot.store(b"promise").unwrap();
    let whole = fs::read(&path).unwrap();
    assert_eq!(whole, *b"TWSLOT01\x07\0\0\0\x90\x23\x0c\x9bpromise");
    for bit in 0..whole.len() * 8 {
        change(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        assert!(matches!(slot.load(), Err(SlotError::Corrupt { .. })), "bit {bit}");
        fs::write(&path, &whole).unwrap();
    }
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(slot.load(), Err(SlotError::Corrupt { .. })), "length {length}");
    }
}

#[test]
fn a_slot_holds_the_old_or_the_new_fact_wherever_a_power_loss_comes() {
    for cut in 1..=5 {
        for seed in 0..20 {
            let disk = SimulatedDisk::new(seed);
            let shared: Arc<dyn Disk> = Arc::new(disk.clone());
            let slot = SlotFile::on("/vote", Arc::clone(&shared));
            slot.store(b"old").unwrap();
            disk.lose_power_at(disk.operations() + cut);
            slot.store(b"new").unwrap_err();
            assert!(matches!(slot.store(b"again"), Err(SlotError::Stopped { .. })));
            let slot = SlotFile::on("/vote", Arc::clone(&shared));
            if seed % 2 == 0 {
                // A mere kill first: what was loaded then may have been acted upon.
                disk.restart_process();
                let seen = slot.load().unwrap();
                disk.restart();
                assert_eq!(slot.load().unwrap(), seen, "cut {cut}, seed {seed}");
            }
            disk.restart();
            let seen = slot.load().unwrap().unwrap();
            assert!(seen == b"old" || seen == b"new", "cut {cut}, seed {seed}: {seen:?}");
        }
    }
}
