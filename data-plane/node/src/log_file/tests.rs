//! Claims about logs: what is told of them, how they are bounded, and what a full disk does to them.

#![allow(clippy::unwrap_used)]
use super::*;
use std::io::Write as _;
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
    String::from_utf8(last_lines(log, lines).unwrap().0).unwrap()
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

#[test]
fn a_follower_goes_on_where_it_was_and_at_the_start_of_an_emptied_file() {
    let (_dir, log) = log();
    let mut file = log.open().unwrap();
    file.write_all(b"one\n").unwrap();
    let (_, mut follower) = last_lines(&log, 0).unwrap();
    assert_eq!(follower.more().unwrap(), b"");
    file.write_all(b"two\n").unwrap();
    assert_eq!(follower.more().unwrap(), b"two\n");
    file.set_len(0).unwrap();
    file.write_all(b"3\n").unwrap();
    assert_eq!(follower.more().unwrap(), b"3\n");
    assert_eq!(follower.more().unwrap(), b"");
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
