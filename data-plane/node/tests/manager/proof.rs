//! Claims about the proof of work that stands behind each beat: a byte that the disk has taken, by way of the task that
//! keeps the services. What cannot be proved is not told, and a Manager that is not heard fences itself and its services.

use crate::{
    watching::{ready, says, until_confirmed},
    world::{World, eventually},
};
use rustix::fs::{
    CWD, FileType, MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, memfd_create, mknodat,
    open,
};
use std::{
    fs,
    os::{fd::AsRawFd as _, unix::fs::symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tradewind_domain::limits::DOWN_AFTER;

/// A Manager that beats, and the address of a service that it is sure of.
async fn beating() -> (World, String) {
    let mut world = World::start().await;
    world.want(&["good"]);
    let address = world.until_live("good").await.address.unwrap();
    until_confirmed(&address, true).await;
    (world, address)
}

/// Its next life writes the byte of its beats there, and has the leader's pipe.
async fn writes_to(world: &mut World, address: &str, there: Option<&Path>) {
    world.crash().await;
    until_confirmed(address, false).await;
    let file = world.state_dir().join("beat");
    fs::remove_file(&file).unwrap();
    if let Some(there) = there {
        symlink(there, &file).unwrap();
    }
    let dialled = world.leader.dialled();
    world.start_again().await;
    eventually("the leader's pipe stands", || world.leader.dialled() > dialled).await;
    world.until_live("good").await;
}

fn beats(world: &World) -> u64 {
    world.leader.full_beats() + world.leader.still_beats()
}

/// For as long as a leader waits before it gives to another what such a Manager has.
async fn says_nothing(world: &World, address: &str) {
    let (before, began) = (beats(world), Instant::now());
    while began.elapsed() < DOWN_AFTER {
        assert_eq!(beats(world), before, "a beat without its work");
        let told = ready(address).await;
        assert!(says(&told, "manager") && !says(&told, "confirmed"), "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.until_status("lease_holds", false).await;
}

#[tokio::test]
async fn on_a_disk_that_takes_no_byte_any_more_no_beat_is_sent_and_services_are_fenced() {
    // given: a disk that takes it
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let disk = memfd_create("beat", flags).unwrap();
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), disk.as_raw_fd()));
    let (mut world, address) = beating().await;
    writes_to(&mut world, &address, Some(&path)).await;
    until_confirmed(&address, true).await;
    let before = beats(&world);
    eventually("it goes on beating", || beats(&world) >= before + 4).await;
    // when: from now on it refuses each write, and none of what it is asked to sync
    fcntl_add_seals(&disk, SealFlags::WRITE).unwrap();
    // then
    until_confirmed(&address, false).await;
    says_nothing(&world, &address).await;
    let (_, status) = world.get("/v1/status").await;
    assert!(status.contains("\"fences\":1,"), "{status}");
    // when
    writes_to(&mut world, &address, None).await;
    // then
    until_confirmed(&address, true).await;
    world.stop().await;
}

#[tokio::test]
async fn a_byte_that_is_taken_and_never_gets_to_a_disk_proves_nothing() {
    let (mut world, address) = beating().await;
    // It takes every byte, and syncs none.
    writes_to(&mut world, &address, Some(Path::new("/dev/null"))).await;
    says_nothing(&world, &address).await;
    writes_to(&mut world, &address, None).await;
    until_confirmed(&address, true).await;
    world.stop().await;
}

/// A disk that hangs once the services are to be put on record.
struct Hangs(PathBuf);

impl Hangs {
    fn of(world: &World) -> Self {
        let file = world.state_dir().join("services.json.tmp");
        mknodat(CWD, &file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        Self(file)
    }
}

impl Drop for Hangs {
    /// Whoever waits to write there goes on.
    fn drop(&mut self) {
        let _ = open(&self.0, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn while_the_task_that_keeps_the_services_stands_still_no_beat_is_sent() {
    // given
    let (mut world, address) = beating().await;
    // when
    let hangs = Hangs::of(&world);
    world.want(&["good", "other"]);
    // then
    until_confirmed(&address, false).await;
    says_nothing(&world, &address).await;
    // when
    drop(hangs);
    // then
    until_confirmed(&address, true).await;
    world.until_live("other").await;
    world.stop().await;
}
