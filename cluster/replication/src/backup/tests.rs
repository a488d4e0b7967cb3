//! Backups: what was acknowledged before one was made is in it, a damaged one is refused, and a group that
//! begins with one goes on.
#![allow(clippy::unwrap_used)]

mod cut_short;
mod no_room;

use super::*;
use crate::tests::world::{World, rows, value};
use std::{fs, path::Path};
use tradewind_domain::{
    control::{Command, Outcome},
    ids::NodeId,
};

async fn save(replica: &crate::Replica, to: &Path) -> BackupInfo {
    let export = replica.export().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let chunk = export.chunk(bytes.len() as u64, 1_000).await.unwrap();
        if chunk.is_empty() {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes.len() as u64, export.bytes());
    fs::write(to, &bytes).unwrap();
    export.info().clone()
}

async fn open(world: &World, incarnation: u64) {
    let mut request = crate::tests::world::put("r", "unused");
    request.command = Command::OpenCluster { incarnation: ClusterIncarnation(incarnation) };
    let opened = world.propose(request).await;
    assert!(matches!(opened.outcome, Outcome::Accepted { .. }), "{opened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_of_three_begins_anew_with_what_was_saved() {
    // given
    let mut old = World::serving(3).await;
    open(&old, 500).await;
    for n in 0..40 {
        old.put(&format!("r{n}"), "saved").await;
    }
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("backup");
    let told = save(&old.leader().await, &file).await;
    let before = old.leader().await.machine();
    old.put("later", "lost").await;
    old.stop_all().await;
    // when
    let backup = Backup::open(&file).unwrap();
    assert_eq!(backup.info(), &told);
    assert_eq!((told.voters.len(), told.incarnation), (3, Some(ClusterIncarnation(500))));
    assert_eq!(rows(&backup.load().unwrap()), rows(&before));
    let mut new = World::of(3);
    for node in new.members.keys().copied().collect::<Vec<_>>() {
        let (cluster, members) = ("test".to_owned(), new.members.clone());
        backup.restore(&new.directory(node), &NewGroup { node, cluster, members }).unwrap();
    }
    new.start_all().await;
    // then: it goes on behind what was saved, gives no rights before it is opened, and then later ones
    let leader = new.leader().await;
    assert_eq!(value(&leader.machine(), "r39").as_deref(), Some("saved"));
    assert_eq!(value(&leader.machine(), "later"), None);
    assert_eq!(leader.machine().cluster().opened(), None);
    assert_eq!(leader.status().members, new.members);
    open(&new, 3).await;
    assert!(new.leader().await.machine().cluster().opened() > told.incarnation);
    let revision = new.put("r", "goes on").await.revision;
    assert!(revision > told.revision);
    let machines = new.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
    // and it is as durable as any
    new.stop_all().await;
    new.start_all().await;
    assert_eq!(rows(&new.settled().await[0]), rows(&machines[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_byte_changed_or_missing_in_a_backup_is_found_before_it_is_used() {
    let world = World::serving(1).await;
    world.put("r", "1").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("backup");
    save(&world.leader().await, &file).await;
    let sound = fs::read(&file).unwrap();
    for place in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        assert!(Backup::open(&file).is_err(), "byte {place}");
        fs::write(&file, &sound[..place]).unwrap();
        assert!(Backup::open(&file).is_err(), "cut at {place}");
    }
    let longer = [&sound[..], b"x"].concat();
    fs::write(&file, longer).unwrap();
    let refused = Backup::open(&file).unwrap_err().to_string();
    assert!(refused.contains("is damaged"), "{refused}");
    fs::write(&file, b"something else").unwrap();
    assert!(matches!(Backup::open(&file), Err(BackupError::NotABackup { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_in_use_is_not_restored_into() {
    let world = World::serving(1).await;
    world.put("r", "1").await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("backup");
    save(&world.leader().await, &file).await;
    let backup = Backup::open(&file).unwrap();
    let (cluster, members) = ("test".to_owned(), world.members.clone());
    let group = NewGroup { node: NodeId(1), cluster, members };
    let refused = backup.restore(&world.directory(NodeId(1)), &group).unwrap_err();
    assert!(matches!(refused, FoundError::NotEmpty { .. }), "{refused}");
    let stranger = NewGroup { node: NodeId(9), ..group };
    let refused = backup.restore(&home.path().join("new"), &stranger).unwrap_err();
    assert!(matches!(refused, FoundError::NotAMember(NodeId(9))), "{refused}");
    assert!(!home.path().join("new").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_survivor_of_three_keeps_all_it_has_and_serves_alone() {
    // given: a follower, which hears late of what is committed, survives alone
    let mut world = World::serving(3).await;
    open(&world, 500).await;
    for n in 0..40 {
        world.put(&format!("r{n}"), "kept").await;
    }
    let node = world.follower().await.node();
    let before = world.settled().await;
    let running = Survivor::examine(&world.directory(node)).err().unwrap();
    assert!(matches!(running, SurvivorError::Open(_)), "a running member is left alone: {running}");
    world.stop_all().await;
    // when
    let survivor = Survivor::examine(&world.directory(node)).unwrap();
    assert_eq!((survivor.node, survivor.cluster.as_str()), (node, "test"));
    assert_eq!(survivor.voters.len(), 3);
    assert!(survivor.committed <= Some(survivor.last), "{:?}", survivor.committed);
    let last = survivor.last;
    let kept = survivor.found_anew(None).unwrap();
    assert!(kept.join("log").is_dir(), "what was there is kept at {}", kept.display());
    world.start(node).await;
    // then
    let leader = world.leader().await;
    assert_eq!(leader.status().voters.len(), 1);
    open(&world, 1).await;
    let machine = leader.machine();
    assert_eq!(value(&machine, "r39"), value(&before[0], "r39"));
    assert!(machine.cluster().opened() > Some(ClusterIncarnation(500)));
    assert!(world.put("r", "goes on").await.revision > last);
    world.stop_all().await;
    world.start(node).await;
    assert_eq!(value(&world.settled().await[0], "r").as_deref(), Some("goes on"));
}

#[test]
fn a_directory_that_is_no_members_is_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let refused = Survivor::examine(home.path()).err().unwrap();
    assert!(matches!(refused, SurvivorError::NotAMember { .. }), "{refused}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}
