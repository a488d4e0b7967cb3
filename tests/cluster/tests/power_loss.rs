//! S1 when the power of all members goes at once, under load: each member on a file system of its own, which
//! forgets what was not synced. `TRADEWIND_POWER_CUTS` says how often. Where file systems cannot be mounted
//! (no root, no loop devices) the claim is skipped, and the output says so.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{fs, io, time::Duration};
use tradewind_faulty_disk::{Image, cut_power};
use tradewind_tests_cluster::{
    asked,
    group::Group,
    load::{Load, all_hold},
    send,
};

const CUTS: u64 = 3;

fn images(group: &mut Group) -> io::Result<Vec<Image>> {
    let home = group.home.path().to_owned();
    let mut images = Vec::new();
    for member in &mut group.members {
        let image = Image::mounted(&home, &format!("disk-{}", member.node))?;
        member.data = image.at().join("data");
        images.push(image);
    }
    // What a member makes at its first start is not in question: its group is not formed yet.
    Ok(images)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_when_the_power_of_all_members_goes_at_once() {
    let mut group = Group::new();
    let images = match images(&mut group) {
        Ok(images) => images,
        Err(error) => {
            println!("skipped: no file system can be mounted here ({error}); run as root");
            return;
        }
    };
    group.start_all().await;
    let load = Load::start(&group, 16, 200);
    let cuts = asked("TRADEWIND_POWER_CUTS", CUTS);
    for _ in 0..cuts {
        load.goes_on(300, Duration::from_secs(30)).await;
        // Whose power is gone hears no answer of his disk any more. This one would: on a file system that is being shut
        // down ext4 may answer an fdatasync under way with success, and what was written is gone.
        group.members.iter().for_each(|member| send(member.pid(), Signal::STOP));
        cut_power(&images).unwrap();
        group.members.iter_mut().for_each(tradewind_tests_cluster::group::Member::kill);
        for image in &images {
            image.power_on().unwrap();
        }
        group.start_all().await;
    }
    load.goes_on(300, Duration::from_secs(30)).await;
    let acknowledged = load.acknowledged();
    let registers = load.finish().await;
    all_hold(&group, &registers, Duration::from_secs(30)).await;
    println!("{cuts} power cuts of all three members; {acknowledged} writes acknowledged, 0 lost");
    // Nothing of the members is left open on the images.
    group.members.iter_mut().for_each(tradewind_tests_cluster::group::Member::kill);
}

#[test]
fn what_was_not_synced_is_lost_with_the_power() {
    // Otherwise the test above would prove nothing.
    let home = tempfile::tempdir().unwrap();
    let image = match Image::mounted(home.path(), "disk") {
        Ok(image) => image,
        Err(error) => {
            println!("skipped: no file system can be mounted here ({error}); run as root");
            return;
        }
    };
    let (synced, unsynced) = (image.at().join("synced"), image.at().join("unsynced"));
    fs::write(&synced, "here").unwrap();
    fs::File::open(&synced).unwrap().sync_all().unwrap();
    fs::File::open(image.at()).unwrap().sync_all().unwrap();
    fs::write(&unsynced, "gone").unwrap();
    let images = [image];
    cut_power(&images).unwrap();
    images[0].power_on().unwrap();
    assert_eq!(fs::read_to_string(&synced).unwrap(), "here");
    assert_ne!(fs::read_to_string(&unsynced).unwrap_or_default(), "gone");
}
