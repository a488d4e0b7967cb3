//! The library in programs every system has: `dd`, `date`, `sh`.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Instant, SystemTime, UNIX_EPOCH},
};
use tradewind_faulty_disk::{FaultyDisk, Kind, Random, Replay};

fn run(disk: &FaultyDisk, program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).envs(disk.environment()).output().unwrap()
}

/// Writes three blocks and syncs them.
fn dd(disk: &FaultyDisk, to: &Path) -> Output {
    let to = format!("of={}", to.display());
    run(disk, "dd", &["if=/dev/zero", &to, "bs=5000", "count=3", "conv=fdatasync"])
}

#[test]
fn calls_fail_and_wait_as_the_rules_of_the_moment_say() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::of(home.path()).unwrap();
    let file = home.path().join("file");
    assert!(dd(&disk, &file).status.success());

    for (rule, said) in [
        ("fail sync EIO file", "Input/output error"),
        ("fail fdatasync EIO", "Input/output error"),
        ("fail write ENOSPC file", "No space left"),
    ] {
        disk.rules(rule).unwrap();
        let output = dd(&disk, &file);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(said), "{rule}: {text}");
    }
    disk.rules("fail sync EIO another-file\nfail fsync EIO").unwrap();
    assert!(dd(&disk, &file).status.success());

    disk.rules("slow fdatasync 300").unwrap();
    let begun = Instant::now();
    assert!(dd(&disk, &file).status.success());
    assert!(begun.elapsed().as_millis() >= 300);
}

#[test]
fn the_clock_is_moved() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::of(home.path()).unwrap();
    disk.rules("clock -3600").unwrap();
    let told = String::from_utf8(run(&disk, "date", &["+%s"]).stdout).unwrap();
    let told: u64 = told.trim().parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((3595..=3600).contains(&(now - told)), "{told} at {now}");
}

/// What is left of three files.
type Left = (Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

#[test]
fn what_was_synced_is_left_by_every_power_loss_and_what_was_not_is_not_by_some() {
    let home = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::of(home.path()).unwrap().recorded();
    let (synced, lost) = (home.path().join("synced"), home.path().join("lost"));
    // A name is durable with its directory: `sync FILE` calls fsync on what it names.
    let script = format!(
        "yes abc | dd of={} bs=5000 count=3 iflag=fullblock conv=fsync; sync {}; echo x > {}; \
         mv {} {}.moved",
        synced.display(),
        home.path().display(),
        lost.display(),
        lost.display(),
        lost.display()
    );
    let output = run(&disk, "sh", &["-c", &script]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tape = disk.tape().unwrap();
    let kinds: Vec<Kind> = tape.iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == Kind::Sync).count(), 2, "{kinds:?}");
    assert!(tape.iter().all(|event| event.begun <= event.ended && event.begun > 0));

    let image = |ignore: bool, seed: u64| {
        let mut replay = Replay::new(home.path());
        if ignore {
            replay = replay.ignoring_syncs();
        }
        tape.iter().for_each(|event| replay.step(event));
        let into = tempfile::tempdir().unwrap();
        replay.lose_power(&mut Random(seed), into.path()).unwrap();
        let read = |name: &str| fs::read(into.path().join(name)).ok();
        (read("synced"), read("lost"), read("lost.moved"))
    };
    let whole = fs::read(&synced).unwrap();
    assert_eq!(whole.len(), 15_000);
    let images: Vec<_> = (0..100).map(|seed| image(false, seed)).collect();
    assert!(images.iter().all(|(synced, _, _)| synced.as_ref() == Some(&whole)));
    let found = |of: &dyn Fn(&Left) -> bool| images.iter().any(of);
    assert!(found(&|(_, lost, moved)| lost.is_none() && moved.is_none()));
    assert!(found(&|(_, lost, _)| lost.is_some()));
    assert!(found(&|(_, _, moved)| moved.as_deref() == Some(b"x\n")));
    assert!(found(&|(_, _, moved)| moved.as_deref().is_some_and(|bytes| bytes != b"x\n")));
    // The planted bug shows.
    assert!((0..100).any(|seed| image(true, seed).0.as_ref() != Some(&whole)));
}
