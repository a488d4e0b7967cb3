//! A member that must not start, or cannot, ends with a message that says what to do and changes nothing on its
//! disk; the others go on meanwhile. Put right, it comes back.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tradewind_tests_cluster::{
    binary,
    group::{Group, copy_directory},
    load::{Load, all_hold},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// All files below a directory with their bytes.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(contents(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

/// Member 3, which was killed and changed, does not start, says all this in its last line, and leaves its log
/// as it was; the others go on.
async fn refuses(group: &mut Group, load: &Load, says: &[&str]) {
    let log = group.member(3).raft().join("log");
    let before = log.exists().then(|| contents(&log));
    group.spawn(3);
    let status = group.member(3).ended(PATIENCE);
    let said = group.member(3).log();
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(status.code(), Some(1), "{last}");
    for words in says {
        assert!(last.contains(words), "{words:?} is not in the last line: {last}");
    }
    assert_eq!(log.exists().then(|| contents(&log)), before, "the log was changed");
    load.goes_on(50, PATIENCE).await;
}

async fn working() -> (Group, Load) {
    let group = Group::started().await;
    let load = Load::start(&group, 8, 200);
    load.goes_on(300, PATIENCE).await;
    (group, load)
}

async fn comes_back(mut group: Group, load: Load) {
    group.start(3).await;
    load.goes_on(50, PATIENCE).await;
    let registers = load.finish().await;
    all_hold(&group, &registers, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_on_a_directory_that_is_not_its_own_refuses_to_start() {
    let (mut group, load) = working().await;
    group.member(3).kill();
    let (own, lost) = (group.member(3).data.clone(), group.home.path().join("log-elsewhere"));

    // Another node's, another cluster's, and its own without the log and its votes.
    let foreign = group.home.path().join("foreign");
    copy_directory(&group.member(2).data, &foreign);
    group.member(3).data = foreign;
    refuses(&mut group, &load, &["belongs to node 2", "not to node 3", "own directory"]).await;
    group.member(3).data = own;
    group.member(3).cluster = "another".to_owned();
    refuses(&mut group, &load, &["of cluster \"tested\"", "\"another\"", "own directory"]).await;
    group.member(3).cluster = "tested".to_owned();
    let log = group.member(3).raft().join("log");
    fs::rename(&log, &lost).unwrap();
    refuses(&mut group, &load, &["log is gone", "bring it back", "new member"]).await;
    fs::rename(&lost, &log).unwrap();
    comes_back(group, load).await;
}

/// Changes one bit of the file.
fn flip(file: &Path, offset: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_a_damaged_segment_in_the_middle_of_its_journal_refuses_to_start() {
    let group = Group::started().await;
    // Large values, so that the journal soon has three segments of 4 MiB.
    let load = Load::start(&group, 48, 1_000);
    let mut group = group;
    while group.member(3).segments().len() < 3 {
        load.goes_on(500, Duration::from_secs(60)).await;
    }
    group.member(3).kill();
    let segments = group.member(3).segments();
    let middle = &segments[1];
    flip(middle, 1 << 20);
    let name = middle.file_name().unwrap().to_str().unwrap().to_owned();
    let says = ["log of this member cannot be used", &name, "is damaged at byte", "new member"];
    refuses(&mut group, &load, &says).await;
    flip(middle, 1 << 20);

    // The vote is as much worth as the log.
    let vote = group.member(3).raft().join("log/vote");
    flip(&vote, 20);
    refuses(&mut group, &load, &["vote", "is damaged", "new member"]).await;
    flip(&vote, 20);
    comes_back(group, load).await;
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How to run a program as nobody in particular, if root can do that here.
fn as_nobody(group: &Group) -> Option<Vec<String>> {
    let words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let prefix: Vec<String> = words.map(str::to_owned).to_vec();
    // The way to its directory and the program itself must be open to him.
    fs::set_permissions(group.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut tried = Command::new(words[0]);
    tried.args(&words[1..]).arg(binary()).arg("--version");
    tried.output().is_ok_and(|output| output.status.success()).then_some(prefix)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_may_not_use_its_directory_refuses_to_start() {
    let (mut group, load) = working().await;
    group.member(3).kill();
    let says = ["Permission denied", "chown"];
    if is_root() {
        match as_nobody(&group) {
            Some(prefix) => {
                group.member(3).prefix = prefix;
                refuses(&mut group, &load, &says).await;
                group.member(3).prefix = Vec::new();
            }
            None => println!("skipped: root cannot run {} as nobody here", binary().display()),
        }
    } else {
        let entries = group.member(3).raft().join("log/entries");
        let permit =
            |mode| fs::set_permissions(&entries, fs::Permissions::from_mode(mode)).unwrap();
        permit(0o000);
        group.spawn(3);
        assert_eq!(group.member(3).ended(PATIENCE).code(), Some(1));
        let last = group.member(3).log().lines().last().unwrap_or_default().to_owned();
        permit(0o755);
        assert!(says.iter().all(|words| last.contains(words)), "{last}");
    }
    comes_back(group, load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_on_a_read_only_directory_refuses_to_start() {
    let (mut group, load) = working().await;
    group.member(3).kill();
    let data = group.member(3).data.clone();
    let mount = |arguments: &[&str]| {
        let done = Command::new("mount").args(arguments).arg(&data).output();
        done.is_ok_and(|output| output.status.success())
    };
    let place = data.to_str().unwrap().to_owned();
    if is_root() && mount(&["--bind", &place]) {
        let read_only = mount(&["-o", "remount,ro,bind"]);
        if read_only {
            refuses(&mut group, &load, &["Read-only file system", "mount it writable"]).await;
        } else {
            println!("skipped: nothing can be mounted read-only here");
        }
        assert!(Command::new("umount").arg(&data).status().unwrap().success());
    } else {
        println!("skipped: nothing can be mounted here; run as root");
    }
    comes_back(group, load).await;
}
