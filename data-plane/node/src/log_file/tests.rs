//! Claims about logs: what is told of them, how they are bounded, and what a full disk does to them.

#![allow(clippy::unwrap_used)]
use super::{reader::MISSING, *};
use std::{io::Write as _, ops::Range};
use tempfile::TempDir;

fn log() -> (TempDir, LogFile) {
    let dir = tempfile::tempdir().unwrap();
    let log = LogFile::at(dir.path().join("logs/x.log"));
    (dir, log)
}

fn too_long() -> Vec<u8> {
    vec![b'x'; usize::try_from(limits::LOG_BYTES).unwrap() + 1]
}

fn told(log: &LogFile, lines: usize) -> String {
    String::from_utf8(last_lines(log, lines).unwrap().text).unwrap()
}

fn more(follower: &mut Follower) -> String {
    String::from_utf8(follower.more().unwrap()).unwrap()
}

/// Lines of a hundred bytes, each its number.
fn numbered(numbers: Range<u32>) -> Vec<u8> {
    let mut lines: Vec<u8> = Vec::new();
    for number in numbers {
        writeln!(lines, "{number:099}").unwrap();
    }
    lines
}

/// All that a follower is told, in pieces of which the last alone is not full.
fn all_told(follower: &mut Follower) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let piece = follower.more().unwrap();
        let full = piece.len() as u64 >= limits::LOG_PIECE_BYTES;
        all.extend(piece);
        if !full {
            return all;
        }
    }
}

#[test]
fn the_tail_begins_behind_the_given_byte_and_ends_with_the_newest_line() {
    // given
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    file.write_all(b"of an earlier life\n").unwrap();
    let from = log.bytes();
    file.write_all(b"one\ntwo\nthree\n").unwrap();
    // when, then
    assert_eq!(log.tail(from, 2), "two\nthree");
    assert_eq!(log.tail(from, 9), "one\ntwo\nthree");
}

#[test]
fn a_log_over_its_limit_is_emptied_under_the_writer_and_kept_aside_so_many_times() {
    // given
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    for number in 0..limits::LOGS_ASIDE + 2 {
        file.write_all(&too_long()).unwrap();
        file.write_all(format!("round {number}\n").as_bytes()).unwrap();
        // when
        log.bound().unwrap();
        file.write_all(b"after\n").unwrap();
        // then
        assert_eq!(fs::read_to_string(log.path()).unwrap(), "after\n");
        let aside = fs::read_to_string(log.older(1)).unwrap();
        assert!(aside.ends_with(&format!("xround {number}\n")));
        file.set_len(0).unwrap();
    }
    let kept = fs::read_dir(log.path().parent().unwrap()).unwrap().count();
    assert_eq!(kept, 1 + limits::LOGS_ASIDE);
}

#[test]
fn the_last_lines_are_told_also_from_before_it_was_emptied_and_while_one_is_being_written() {
    let (_dir, log) = log();
    assert_eq!(last_lines(&log, 3).unwrap_err().kind(), io::ErrorKind::NotFound);
    let mut file = log.open().unwrap();
    file.write_all(b"one\ntwo\nthree\n").unwrap();
    assert_eq!(told(&log, 2), "two\nthree\n");
    assert_eq!(told(&log, 200), "one\ntwo\nthree\n");
    assert_eq!(told(&log, 0), "");
    fs::copy(log.path(), log.older(1)).unwrap();
    file.set_len(0).unwrap();
    file.write_all(b"four\nfi").unwrap();
    assert_eq!(told(&log, 3), "three\nfour\nfi");
}

/// Lines of two hundred bytes, each its number.
fn wide(numbers: Range<u32>) -> Vec<u8> {
    numbers.flat_map(|number| format!("{number:0199}\n").into_bytes()).collect()
}

#[test]
fn between_the_last_lines_that_are_told_there_is_no_hole_and_they_are_no_more_than_their_bound() {
    for (aside, held) in [(45_000, 26_000), (45_000, 3_000), (3_000, 2_000), (45_000, 0)] {
        // given: so many lines are set aside, and so many were written since
        let (_dir, log) = log();
        log.open().unwrap().write_all(&wide(aside..aside + held)).unwrap();
        fs::write(log.older(1), wide(0..aside)).unwrap();
        // when
        let last = last_lines(&log, limits::LOG_LINES_MAX).unwrap();
        // then
        let told = String::from_utf8(last.text).unwrap();
        let all = aside + held;
        let first: u32 = told.lines().next().unwrap().parse().unwrap();
        assert!(told.into_bytes() == wide(first..all), "{first} to {all} with a hole");
        let bytes = u64::from(all - first) * 200;
        assert!(bytes <= limits::LOG_TOLD_BYTES, "{bytes} with {aside} set aside");
        // and as many as may be, with a word on whether these are all
        let most = u32::try_from(limits::LOG_TOLD_BYTES / 200).unwrap();
        assert!(all - first + 2 >= most.min(all), "{first} to {all}");
        assert_eq!(last.cut, first > 0);
    }
}

#[test]
fn where_a_line_is_too_long_to_be_told_what_was_set_aside_is_not_put_in_its_place() {
    // given
    let (_dir, log) = log();
    let long = vec![b'x'; usize::try_from(limits::LOG_TOLD_BYTES).unwrap()];
    log.open().unwrap().write_all(&[&long[..], b"\none\ntwo\n"].concat()).unwrap();
    fs::write(log.older(1), "zero\n").unwrap();
    // when, then
    assert_eq!(told(&log, 9), "one\ntwo\n");
}

#[test]
fn the_last_lines_are_cut_where_more_stands_before_them_or_is_set_aside() {
    let (_dir, log) = log();
    let cut = |lines| last_lines(&log, lines).unwrap().cut;
    let mut file = log.open().unwrap();
    file.write_all(b"one\ntwo\n").unwrap();
    assert!(cut(1));
    assert!(!cut(2) && !cut(3));
    fs::write(log.older(1), "zero\n").unwrap();
    assert!(cut(2));
    assert!(!cut(3) && !cut(4));
    fs::write(log.older(2), "before\n").unwrap();
    assert!(cut(3) && cut(4));
}

#[test]
fn a_follower_goes_on_where_it_was_and_behind_the_end_of_what_was_set_aside() {
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    file.write_all(b"one\n").unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    assert_eq!(more(&mut follower), "");
    file.write_all(b"two\n").unwrap();
    assert_eq!(more(&mut follower), "two\n");
    // when: what it has not read is set aside
    file.write_all(b"three\n").unwrap();
    fs::copy(log.path(), log.older(1)).unwrap();
    file.set_len(0).unwrap();
    // then
    assert_eq!(more(&mut follower), "three\n");
    assert_eq!(more(&mut follower), "");
    file.write_all(b"4\n").unwrap();
    assert_eq!(more(&mut follower), "4\n");
    assert_eq!(more(&mut follower), "");
}

#[test]
fn a_follower_that_lags_is_told_what_was_set_aside_in_its_order_and_then_what_was_begun_since() {
    // given: two files are set aside since it was told a piece, and there is more in the third than it was told
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    let (lines, mut told) = (numbered(0..180_000), Vec::new());
    for part in lines.chunks(84_000 * 100) {
        file.write_all(part).unwrap();
        if told.is_empty() {
            told = follower.more().unwrap();
        }
        log.bound().unwrap();
    }
    assert!(log.older(limits::LOGS_ASIDE).exists() && log.bytes() > told.len() as u64);
    // when
    told.extend(all_told(&mut follower));
    // then
    assert!(told == lines, "{} bytes are told of {}", told.len(), lines.len());
    assert_eq!(more(&mut follower), "");
}

#[test]
fn who_began_on_an_empty_log_and_lags_behind_two_that_were_set_aside_is_told_all_of_them() {
    // given
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    let lines = numbered(0..180_000);
    for part in lines.chunks(84_000 * 100) {
        file.write_all(part).unwrap();
        log.bound().unwrap();
    }
    assert!(log.older(limits::LOGS_ASIDE).exists() && log.bytes() > 0);
    // when
    let told = all_told(&mut follower);
    // then
    assert!(told == lines, "{} bytes are told of {}", told.len(), lines.len());
}

#[test]
fn who_began_on_an_empty_log_waits_for_a_copy_and_is_told_of_one_that_could_not_be_made() {
    // given: the first words are set aside, and the next are about to be
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    fs::write(log.older(2), "one\n").unwrap();
    file.write_all(&too_long()).unwrap();
    // when, then
    assert_eq!(more(&mut follower), "");
    // when: it is not made
    file.set_len(0).unwrap();
    assert_eq!(more(&mut follower), "");
    file.write_all(b"three\n").unwrap();
    // then
    assert_eq!(more(&mut follower), format!("{MISSING}three\n"));
    assert_eq!(more(&mut follower), "");
}

#[test]
fn at_a_place_that_was_told_a_later_life_goes_on_whatever_was_set_aside_since() {
    // given
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    let start = last_lines(&log, 0).unwrap().follower.place();
    file.write_all(b"one\ntw").unwrap();
    let place = last_lines(&log, 9).unwrap().follower.place();
    let goes_on = |place: Place| {
        let written = place.to_string().parse().unwrap();
        Follower::at(&log, written).unwrap().map(|mut follower| more(&mut follower))
    };
    assert_eq!(goes_on(place).as_deref(), Some(""));
    // when, then: more was written
    file.write_all(b"o\n").unwrap();
    assert_eq!(goes_on(place).as_deref(), Some("o\n"));
    assert_eq!(goes_on(start).as_deref(), Some("one\ntwo\n"));
    // when, then: it was set aside twice
    fs::copy(log.path(), log.older(2)).unwrap();
    fs::write(log.older(1), "three\n").unwrap();
    fs::write(log.path(), "four\n").unwrap();
    assert_eq!(goes_on(place).as_deref(), Some("o\nthree\nfour\n"));
    // when, then: other words stand there
    fs::write(log.older(2), "one\ntxo\n").unwrap();
    assert_eq!(goes_on(place), None);
}

#[test]
fn while_a_log_is_being_set_aside_nothing_of_it_is_told_twice_or_left_out() {
    // given: the place is in the older of two set aside, and the copy that is the younger is not whole
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    file.write_all(b"one\n").unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    fs::copy(log.path(), log.older(2)).unwrap();
    file.set_len(0).unwrap();
    file.write_all(b"two\nthree\n").unwrap();
    fs::write(log.older(1), "two\n").unwrap();
    // when, then
    assert_eq!(more(&mut follower), "two\nthree\n");
    // when: it is whole, and the log is emptied
    file.write_all(b"four\n").unwrap();
    fs::copy(log.path(), log.older(1)).unwrap();
    file.set_len(0).unwrap();
    file.write_all(b"five\n").unwrap();
    // then
    assert_eq!(more(&mut follower), "four\nfive\n");
    assert_eq!(more(&mut follower), "");
}

#[test]
fn a_follower_waits_for_the_copy_of_a_log_that_is_too_large_rather_than_pass_over_it() {
    // given: the place is in the older of two set aside, and the copy that is the younger is not begun
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    file.write_all(b"one\n").unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    fs::copy(log.path(), log.older(2)).unwrap();
    file.set_len(0).unwrap();
    file.write_all(&too_long()).unwrap();
    // when, then
    assert_eq!(more(&mut follower), "");
    // when
    fs::copy(log.path(), log.older(1)).unwrap();
    file.set_len(0).unwrap();
    // then
    assert!(all_told(&mut follower) == too_long());
}

#[test]
fn who_begins_to_follow_a_log_that_is_empty_is_told_all_that_comes_however_late_he_looks() {
    for emptied in [true, false] {
        // given: it was emptied a moment ago, or nothing was ever written
        let (_dir, log) = log();
        let mut file = log.open().unwrap();
        if emptied {
            fs::write(log.older(1), "one\n").unwrap();
        }
        let mut follower = last_lines(&log, 0).unwrap().follower;
        assert_eq!(more(&mut follower.clone()), "");
        // when: it is set aside before he looks
        if emptied {
            fs::rename(log.older(1), log.older(2)).unwrap();
        }
        file.write_all(b"two\n").unwrap();
        fs::copy(log.path(), log.older(1)).unwrap();
        file.set_len(0).unwrap();
        file.write_all(b"three\n").unwrap();
        // then
        assert_eq!(more(&mut follower), "two\nthree\n", "{emptied}");
        assert_eq!(more(&mut follower), "");
    }
}

#[test]
fn of_words_that_are_kept_nowhere_a_follower_is_told_that_they_may_be_missing() {
    // given
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    fs::write(log.older(1), "zero\n").unwrap();
    file.write_all(b"one\ntw").unwrap();
    let mut follower = last_lines(&log, 0).unwrap().follower;
    // when: it is emptied, and no copy was made
    file.set_len(0).unwrap();
    // then
    assert_eq!(more(&mut follower), format!("\n{MISSING}"));
    assert_eq!(more(&mut follower), "");
    file.write_all(b"3\n").unwrap();
    assert_eq!(more(&mut follower), "3\n");
    // when: once more than copies are kept
    for _ in 0..=limits::LOGS_ASIDE {
        file.write_all(&too_long()).unwrap();
        log.bound().unwrap();
    }
    file.write_all(b"last\n").unwrap();
    // then
    assert_eq!(more(&mut follower), format!("{MISSING}last\n"));
    assert_eq!(more(&mut follower), "");
    // when: of what came next there is no copy, of what was told there is
    fs::copy(log.path(), log.older(2)).unwrap();
    fs::remove_file(log.older(1)).unwrap();
    file.set_len(0).unwrap();
    // then
    assert_eq!(more(&mut follower), MISSING);
    assert_eq!(more(&mut follower), "");
}

#[test]
fn where_no_copy_can_be_made_it_is_emptied_all_the_same() {
    // given: a name so long that none with `.1` behind it can be
    let dir = tempfile::tempdir().unwrap();
    let log = LogFile::at(dir.path().join("x".repeat(254)));
    let mut file = log.open().unwrap();
    file.write_all(&too_long()).unwrap();
    // when
    let bounded = log.bound();
    // then
    assert!(bounded.is_err());
    assert_eq!(log.bytes(), 0);
    file.write_all(b"after\n").unwrap();
    assert_eq!(told(&log, 9), "after\n");
}
