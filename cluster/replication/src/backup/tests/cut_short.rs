//! Recovering that is cut short, at whatever moment: what the member had lived on is still there, whole, and the
//! next attempt ends what this one has begun.

use super::{Backup, Survivor, World, open, value};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tradewind_domain::ids::NodeId;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// What makes a directory this member's memory: its log with its votes, and the identity of its disk.
fn memory(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![directory.join("log")]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(directory).unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files.insert("disk".into(), fs::read(directory.join("disk")).unwrap());
    files
}

fn beside(directory: &Path, word: &str) -> PathBuf {
    directory.with_file_name(format!("{}.{word}", directory.file_name().unwrap().to_str().unwrap()))
}

/// A member that is left of three and does not run.
async fn survivor() -> (World, NodeId) {
    let mut world = World::serving(3).await;
    open(&world, 500).await;
    for n in 0..20 {
        world.put(&format!("r{n}"), "kept").await;
    }
    let node = world.follower().await.node();
    world.settled().await;
    world.stop_all().await;
    (world, node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_attempt_after_one_cut_short_keeps_what_was_lived_on() {
    let (mut world, node) = survivor().await;
    let directory = world.directory(node);
    let before = memory(&directory);
    // given: cut off when the places were exchanged and the old directory had no name of its own yet
    let kept = Survivor::examine(&directory).unwrap().found_anew(None).unwrap();
    fs::rename(&kept, beside(&directory, "recovering")).unwrap();
    // when
    let kept = Survivor::examine(&directory).unwrap().found_anew(None).unwrap();
    // then
    assert_eq!(memory(&kept), before);
    assert!(!beside(&directory, "recovering").exists());
    world.start(node).await;
    assert_eq!(value(&world.settled().await[0], "r19").as_deref(), Some("kept"));
}

/// The steps of an attempt, or those up to the one at which it is cut short.
fn attempt(directory: &Path, cut_at: Option<usize>) -> (Vec<&'static str>, Option<PathBuf>) {
    let mut steps = Vec::new();
    let survivor = Survivor::examine(directory).unwrap();
    let done = survivor.found_by_steps(None, &mut |step| {
        steps.push(step);
        if cut_at == Some(steps.len()) { Err(io::Error::other("cut short")) } else { Ok(()) }
    });
    assert_eq!(done.is_err(), cut_at == Some(steps.len()));
    (steps, done.ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_cut_short_after_any_step_loses_nothing_and_the_next_ends_it() {
    let (mut world, node) = survivor().await;
    let directory = world.directory(node);
    let home = tempfile::tempdir().unwrap();
    let template = home.path().join("template");
    copy(&directory, &template);
    let before = memory(&template);
    let (steps, _) = attempt(&directory, None);
    assert_eq!(steps, ["log made", "state made", "made", "exchanged", "kept"]);
    for first in 1..=steps.len() {
        for second in 0..=steps.len() + 1 {
            let place = home.path().join(format!("{first}-{second}"));
            copy(&template, &place);
            attempt(&place, Some(first));
            if first == steps.len() {
                // Cut off when all was done: it is told that there is nothing left to recover.
                let refused = Survivor::examine(&place).err().unwrap().to_string();
                assert!(refused.contains("cannot be opened"), "{refused}");
                continue;
            }
            if second > 0 {
                let (told, done) = attempt(&place, Some(second));
                if done.is_some() || told.last() == Some(&"kept") {
                    assert_eq!(memory(&beside(&place, "before-recovery-1")), before);
                    continue;
                }
            }
            let (told, kept) = attempt(&place, None);
            assert_eq!(memory(&kept.unwrap()), before, "cut after {first} and {second}: {told:?}");
            assert!(!beside(&place, "recovering").exists() && place.join("identity").exists());
            assert!(!beside(&place, "before-recovery-2").exists(), "{first} and {second}");
        }
    }
    world.start(node).await;
    assert_eq!(value(&world.settled().await[0], "r19").as_deref(), Some("kept"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_started_after_an_attempt_was_cut_short_keeps_both_of_its_lives() {
    let (mut world, node) = survivor().await;
    let directory = world.directory(node);
    let before = memory(&directory);
    attempt(&directory, Some(4));
    assert!(beside(&directory, "recovering").join("disk").exists());
    // given: it serves in its new life, and that one is recovered in its turn
    world.start(node).await;
    world.put("later", "1").await;
    world.stop_all().await;
    let later = memory(&directory);
    let (_, kept) = attempt(&directory, None);
    // then
    assert_eq!(memory(&beside(&directory, "before-recovery-1")), before);
    assert_eq!(memory(&kept.unwrap()), later);
    world.start(node).await;
    assert_eq!(value(&world.settled().await[0], "later").as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_without_the_identity_of_its_disk_is_refused_and_says_so() {
    let (world, node) = survivor().await;
    let directory = world.directory(node);
    fs::remove_file(directory.join("disk")).unwrap();
    let refused = Survivor::examine(&directory).err().unwrap();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("disk is missing, the identity of this member's disk"), "{why}");
    // Nor is it looked into as if it were a backup.
    let refused = Backup::open(&directory).unwrap_err().to_string();
    assert!(refused.contains("is a directory"), "{refused}");
    assert!(
        refused.contains("the identity of its disk") && refused.contains("is missing"),
        "{refused}"
    );
}
