//! A damaged state directory stops nobody: it is set aside and reported, and the state is made anew from this
//! member's own snapshot and journal, with no other member there to help; from another's if those are lost.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{fs, net::TcpStream, path::Path, time::Duration};
use tradewind_protocol::control::{RegisterAnswer, Stand};
use tradewind_tests_cluster::{
    eventually, eventually_async,
    group::{Group, copy_directory},
    load::{Load, all_hold},
    send,
};

const PATIENCE: Duration = Duration::from_secs(30);

type Way = (&'static str, bool, fn(&Path));

/// What is done to the directory, and whether it must then be set aside: sled itself copes with the rest.
const WAYS: [Way; 7] = [
    ("noise in the place of the database", false, |state| {
        let noise: Vec<u8> =
            (0..600_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) as u8).collect();
        fs::write(state.join("db"), noise).unwrap();
    }),
    ("noise in the place of its configuration", true, |state| {
        fs::write(state.join("conf"), "nothing of the kind").unwrap();
    }),
    ("a directory in the place of the database", true, |state| {
        fs::remove_file(state.join("db")).unwrap();
        fs::create_dir(state.join("db")).unwrap();
    }),
    ("a file in the place of the directory", true, |state| {
        fs::remove_dir_all(state).unwrap();
        fs::write(state, "in the way").unwrap();
    }),
    ("the database cut in half", false, |state| {
        let file = fs::OpenOptions::new().write(true).open(state.join("db")).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    }),
    ("the database emptied", false, |state| fs::write(state.join("db"), "").unwrap()),
    ("the directory gone", false, |state| fs::remove_dir_all(state).unwrap()),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_state_is_made_anew_from_the_members_own_snapshot_and_journal() {
    let mut group = Group::new();
    for member in &mut group.members {
        member.options = vec!["--snapshot-every".to_owned(), "4000".to_owned()];
    }
    group.start_all().await;
    // Beyond the first snapshot, so that it is needed as well as the journal.
    let load = Load::start(&group, 48, 20);
    load.goes_on(5_000, Duration::from_secs(120)).await;
    let registers = load.finish().await;
    all_hold(&group, &registers, PATIENCE).await;
    let before: Stand = group.told_by(3, "/livez").await.unwrap();
    for node in [1, 2, 3] {
        group.member(node).kill();
    }
    let snapshots = group.member(3).raft().join("snapshots");
    assert!(fs::read_dir(&snapshots).unwrap().count() > 0, "there is no snapshot yet");
    let sound = group.home.path().join("sound");
    copy_directory(&group.member(3).data, &sound);

    for (way, aside, damage) in WAYS {
        let data = group.member(3).data.clone();
        fs::remove_dir_all(&data).unwrap();
        copy_directory(&sound, &data);
        damage(&data.join("raft/state"));
        let said_before = group.member(3).log().len();
        // Alone: nobody can send it anything.
        group.spawn(3);
        let reached = || async {
            let stand: Option<Stand> = group.told_by(3, "/livez").await;
            stand.is_some_and(|stand| stand.revision >= before.revision)
        };
        eventually_async(&format!("member 3 has all of its state again: {way}"), PATIENCE, reached)
            .await;
        for (register, value) in &registers {
            let path = format!("/v1/registers/{register}?consistency=stale");
            let answer: RegisterAnswer = group.told_by(3, &path).await.unwrap();
            assert_eq!(answer.register.map(|row| row.value).as_ref(), Some(value), "{way}");
        }
        let said = group.member(3).log()[said_before..].to_owned();
        assert!(said.contains("state rebuilt from a snapshot"), "{way}: {said}");
        let moved = data.join("raft/state.damaged-1");
        if aside {
            assert!(said.contains("state set aside, rebuilding"), "{way}: {said}");
            assert!(moved.exists(), "{way}");
        }
        group.member(3).kill();
    }

    // With the others it goes on as if nothing had been.
    group.start_all().await;
    all_hold(&group, &registers, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_state_and_snapshots_is_given_them_by_another() {
    // given: a journal that begins behind what is lost
    let mut group = Group::new();
    for member in &mut group.members {
        member.options = vec!["--snapshot-every".to_owned(), "500".to_owned()];
    }
    group.start_all().await;
    let load = Load::start(&group, 48, 20);
    let purged = group.member(3).raft().join("log/purged");
    for _ in 0..40 {
        load.goes_on(1_000, Duration::from_secs(120)).await;
        if purged.exists() {
            break;
        }
    }
    assert!(purged.exists(), "nothing is purged");
    let registers = load.finish().await;
    all_hold(&group, &registers, PATIENCE).await;
    for node in [1, 2, 3] {
        group.member(node).kill();
    }
    let raft = group.member(3).raft();
    fs::remove_dir_all(raft.join("state")).unwrap();
    fs::remove_dir_all(raft.join("snapshots")).unwrap();
    // when: it is back before those that can help. Told to stop it does, for all its waiting.
    group.spawn(3);
    let waiting = group.member(3).api;
    eventually("member 3 has begun", PATIENCE, || TcpStream::connect(waiting).is_ok());
    send(group.member(3).pid(), Signal::TERM);
    let ended = group.member(3).ended(PATIENCE);
    assert!(ended.success(), "{ended}");
    group.spawn(3);
    group.spawn(1);
    group.spawn(2);
    // then
    for node in [1, 2, 3] {
        group.ready(node).await;
    }
    all_hold(&group, &registers, PATIENCE).await;
    let said = group.member(3).log();
    assert!(said.contains("state rebuilt from another member's snapshot"), "{said}");
    let answer: Stand = group.told_by(3, "/livez").await.unwrap();
    assert!(answer.leader.is_some());
}
