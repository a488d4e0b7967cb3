//! Claims about a log that is followed: how soon its words are told, and when it ends.

#![allow(clippy::unwrap_used)]
use super::*;
use futures_util::StreamExt as _;
use std::{fs::File, io::Write as _, time::Duration};
use tempfile::TempDir;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn log() -> (TempDir, LogFile, File) {
    let dir = tempfile::tempdir().unwrap();
    let log = LogFile::at(dir.path().join("x.log"));
    let file = log.open().unwrap();
    (dir, log, file)
}

fn seats() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(1))
}

/// On a clock that goes on only where one of its moments is waited for, whatever the machine does.
#[tokio::test(start_paused = true)]
async fn as_long_as_pieces_are_full_the_next_one_is_told_without_a_pause() {
    // given: what was written since it was looked at fills so many
    const PIECES: u32 = 40;
    let (_dir, log, mut file) = log();
    let last = last_lines(&log, 0).unwrap();
    let written = u64::from(PIECES) * limits::LOG_PIECE_BYTES;
    file.write_all(&vec![b'x'; usize::try_from(written).unwrap()]).unwrap();
    // when
    let (began, mut told) = (Instant::now(), 0);
    let seat = seats().try_acquire_owned().unwrap();
    let mut words = followed(last, false, seat, || true).into_data_stream();
    while told < written {
        told += words.next().await.unwrap().unwrap().len() as u64;
    }
    // then
    assert_eq!(told, written);
    assert!(began.elapsed() <= limits::LOG_FOLLOW_EVERY, "{:?}", began.elapsed());
}

#[tokio::test]
async fn it_ends_and_takes_no_seat_once_the_service_has_gone_and_its_last_words_were_told() {
    // given: a service that says its last words when it goes
    let (_dir, log, mut file) = log();
    file.write_all(b"first words\n").unwrap();
    let last = last_lines(&log, 9).unwrap();
    let before = log.bytes();
    let runs_here = move || {
        if log.bytes() == before {
            (&file).write_all(b"last words\n").unwrap();
        }
        false
    };
    // when
    let seats = seats();
    let seat = seats.clone().try_acquire_owned().unwrap();
    let mut words = followed(last, false, seat, runs_here).into_data_stream();
    // then
    assert_eq!(words.next().await.unwrap().unwrap(), "first words\n");
    assert_eq!(words.next().await.unwrap().unwrap(), "last words\n");
    assert_eq!(seats.available_permits(), 0);
    assert!(timeout(PATIENCE, words.next()).await.unwrap().is_none());
    assert_eq!(seats.available_permits(), 1);
}

#[tokio::test]
async fn behind_the_place_that_stands_before_a_piece_a_later_life_goes_on() {
    // given: a reader who asked for places, and is told one also of a log in which nothing stands
    let (_dir, log, mut file) = log();
    let seats = seats();
    let read = |last: Last| {
        let seat = seats.clone().try_acquire_owned().unwrap();
        followed(last, true, seat, || true).into_data_stream()
    };
    let mut words = read(begin(&log, 9, None).unwrap());
    assert_eq!(words.next().await.unwrap().unwrap(), "0-0-cbf29ce484222325 0\n");
    file.write_all(b"one\n").unwrap();
    assert_eq!(words.next().await.unwrap().unwrap(), "4-4-0715adb46adb6c5f 4\none\n");
    // when: it breaks, more is written, and he comes back
    drop(words);
    file.write_all(b"two\n").unwrap();
    let mut words = read(begin(&log, 9, Some("4-4-0715adb46adb6c5f")).unwrap());
    // then
    assert_eq!(words.next().await.unwrap().unwrap(), "4-4-0715adb46adb6c5f 0\n");
    let next = words.next().await.unwrap().unwrap();
    assert!(next.starts_with(b"8-8-") && next.ends_with(b" 4\ntwo\n"), "{next:?}");
}

#[test]
fn of_a_place_that_is_not_kept_the_last_lines_are_told_as_cut() {
    // given
    let (_dir, log, mut file) = log();
    file.write_all(b"one\n").unwrap();
    // when, then: also of one in a form that only another build knows
    for lost in ["4-4-0000000000000000", "9-4-0715adb46adb6c5f", "later.form"] {
        let last = begin(&log, 9, Some(lost)).unwrap();
        assert!(last.cut && last.text == b"one\n", "{lost}: {last:?}");
    }
    assert!(!begin(&log, 9, None).unwrap().cut);
}
