//! Claims about a log that is followed: how soon its words are told, and when it ends.

#![allow(clippy::unwrap_used)]
use super::*;
use crate::log_file::LogFile;
use futures_util::StreamExt as _;
use std::{
    fs::File,
    io::Write as _,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{sync::Semaphore, time::timeout};

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

#[tokio::test]
async fn as_long_as_pieces_are_full_the_next_one_is_told_without_a_pause() {
    // given: what was written since it was looked at fills so many
    const PIECES: u32 = 40;
    let (_dir, log, mut file) = log();
    let (text, follower) = last_lines(&log, 0).unwrap();
    let written = u64::from(PIECES) * limits::LOG_PIECE_BYTES;
    file.write_all(&vec![b'x'; usize::try_from(written).unwrap()]).unwrap();
    // when
    let (began, mut told) = (Instant::now(), 0);
    let seat = seats().try_acquire_owned().unwrap();
    let mut words = followed(text, follower, seat, || true).into_data_stream();
    while told < written {
        told += words.next().await.unwrap().unwrap().len() as u64;
    }
    // then
    assert_eq!(told, written);
    assert!(began.elapsed() < limits::LOG_FOLLOW_EVERY * PIECES / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn it_ends_and_takes_no_seat_once_the_service_has_gone_and_its_last_words_were_told() {
    // given: a service that says its last words when it goes
    let (_dir, log, mut file) = log();
    file.write_all(b"first words\n").unwrap();
    let (text, follower) = last_lines(&log, 9).unwrap();
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
    let mut words = followed(text, follower, seat, runs_here).into_data_stream();
    // then
    assert_eq!(words.next().await.unwrap().unwrap(), "first words\n");
    assert_eq!(words.next().await.unwrap().unwrap(), "last words\n");
    assert_eq!(seats.available_permits(), 0);
    assert!(timeout(PATIENCE, words.next()).await.unwrap().is_none());
    assert_eq!(seats.available_permits(), 1);
}
