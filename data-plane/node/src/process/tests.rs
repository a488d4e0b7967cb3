//! Claims about processes, with real ones.

#![allow(clippy::unwrap_used)]
use super::*;
use std::{os::unix::process::ExitStatusExt as _, process::Command, time::Instant};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come true in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_program_with_blanks_and_brackets_in_its_name_is_read_right() {
    let line =
        "17120 (a) b (c) Z 17079 17074 8896 0 -1 4227084 76 0 1 0 0 0 0 0 20 0 1 0 185465 0 0";
    let stat = Stat::parse(line).unwrap();
    assert_eq!((stat.state, stat.start_ticks), ('Z', 185_465));
    assert!(Stat::parse("17120 (a").is_none());
}

#[test]
fn only_what_the_kernel_does_not_know_is_gone_and_what_could_not_be_read_is_an_error() {
    let failed = |errno: Errno| Err(io::Error::from(errno));
    for gone in [Errno::NOENT, Errno::SRCH] {
        assert!(Stat::judge(failed(gone), || false).unwrap().is_none());
        // Given out anew meanwhile, or hidden: a look at it has failed.
        assert!(Stat::judge(failed(gone), || true).is_err());
    }
    for unseen in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS, Errno::IO] {
        assert!(Stat::judge(failed(unseen), || false).is_err(), "{unseen}");
    }
    assert!(Stat::judge(Ok("17120 (a".to_owned()), || true).is_err());
    assert!(is_same_boot("one", "one").unwrap() && is_same_boot("", "").unwrap());
    assert!(!is_same_boot("another", "one").unwrap());
    assert!(is_same_boot("", "one").is_err(), "without /proc nothing is known");
    let line = "1 (a) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 185465 0 0".to_owned();
    assert_eq!(Stat::judge(Ok(line), || true).unwrap().unwrap().start_ticks, 185_465);
}

#[tokio::test]
async fn the_end_of_a_child_is_told_with_its_status_and_leaves_no_zombie() {
    // given
    let mut process = Process::spawn(shell("exit 3")).unwrap();
    // when
    let exit = process.exited().await;
    // then
    assert_eq!(exit.to_string(), "exit status: 3");
    assert!(Stat::of(process.pid()).unwrap().is_none(), "a zombie is left");
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_with_its_whole_group() {
    // given
    let dir = tempfile::tempdir().unwrap();
    let told = dir.path().join("pid");
    let script = format!(
        "trap '' TERM; sleep 100 & echo $! > {}; while :; do sleep 100; done",
        told.display()
    );
    let mut process = Process::spawn(shell(&script)).unwrap();
    let grandchild = || fs::read_to_string(&told).unwrap_or_default().trim().parse::<u32>().ok();
    eventually(|| grandchild().is_some()).await;
    // when
    let exit = process.end(Duration::from_millis(100)).await;
    // then
    assert_eq!(exit.0.unwrap().signal(), Some(9));
    let grandchild = grandchild().unwrap();
    eventually(|| Stat::of(grandchild).unwrap().is_none_or(|stat| stat.state == 'Z')).await;
}

#[tokio::test]
async fn only_the_very_process_is_adopted_and_a_zombie_is_not() {
    // given
    let mut process = Process::spawn(shell("sleep 100")).unwrap();
    let identity = process.identity().clone();
    // when, then
    assert!(Process::adopt(&identity).unwrap().is_some());
    assert!(is_alive(&identity).unwrap());
    let earlier = Identity { start_ticks: identity.start_ticks - 1, ..identity.clone() };
    assert!(Process::adopt(&earlier).unwrap().is_none());
    let other_boot = Identity { boot: "another".to_string(), ..identity.clone() };
    assert!(Process::adopt(&other_boot).unwrap().is_none());
    // when: it is ended and not yet reaped
    process.signal_group(Signal::KILL);
    let _ = process.ended.readable().await;
    // then
    assert!(Process::adopt(&identity).unwrap().is_none());
    assert!(!is_alive(&identity).unwrap());
    process.exited().await;
    assert!(Process::adopt(&identity).unwrap().is_none());
}

#[tokio::test]
async fn the_end_of_an_adopted_process_is_seen() {
    // given
    let mut process = Process::spawn(shell("sleep 100")).unwrap();
    let mut adopted = Process::adopt(process.identity()).unwrap().unwrap();
    // when
    let exit = tokio::time::timeout(Duration::from_secs(5), adopted.end(Duration::from_secs(5)));
    // then
    assert_eq!(exit.await.unwrap(), Exit(None));
    assert_eq!(process.exited().await.0.unwrap().signal(), Some(15));
}

#[tokio::test]
async fn what_is_left_of_a_group_is_ended_and_a_later_one_of_the_same_number_is_not() {
    // given
    let mut process = Process::spawn(shell("sleep 100")).unwrap();
    let identity = process.identity().clone();
    // when
    let earlier = Identity { start_ticks: identity.start_ticks - 1, ..identity.clone() };
    Process::kill_left_over(&earlier).unwrap();
    Process::kill_left_over(&Identity { boot: "another".to_string(), ..identity.clone() }).unwrap();
    // then
    assert!(is_alive(&identity).unwrap());
    // when
    Process::kill_left_over(&identity).unwrap();
    // then
    assert_eq!(process.exited().await.0.unwrap().signal(), Some(9));
}
