//! The pages of `docs/runbooks`, followed by processes of the real binary: what a page promises comes true by its own
//! commands. Decides what has happened before a page is opened, and what is done between its commands by hand.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::fs;
use tradewind_tests_cluster::{
    eventually,
    runbook::{Machines, Page, SOON, pages},
};

/// Pages with commands in blocks of a shell, each followed by a test here.
const FOLLOWED: [&str; 5] =
    ["backup-and-restore", "form-a-group", "grow-and-shrink", "lost-quorum", "replace-a-member"];

/// Pages whose commands are read alone (`cli::documented`): what they do is shown by other tests, with commands of their own.
const READ: [(&str, &str); 9] = [
    ("before-you-trust-a-release", "jepsen-like, by hand"),
    ("drain-a-machine", "drain, left_off"),
    ("external-orders", "external in tradewind-brokers"),
    ("manager-in-trouble", "orphans in tradewind-node"),
    ("member-in-trouble", "start_refused, disk_trouble, membership"),
    ("move-an-instrument", "routes"),
    ("run-a-trader", "traders"),
    ("run-your-own-trader", "attached"),
    ("scale-a-location", "scale"),
];

#[test]
fn every_page_that_has_commands_is_followed_or_named_as_read_alone() {
    let (mut followed, mut read) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(pages()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if text.contains("```") {
            followed.push(name);
        } else if text.contains("tradewind ") || text.contains("jepsen-like ") {
            read.push(name);
        }
    }
    followed.sort();
    read.sort();
    assert_eq!(followed, FOLLOWED);
    assert_eq!(read, READ.map(|(name, _)| name));
}

/// Standings of `tradewind member list`, counted.
fn count(list: &str, standing: &str) -> usize {
    list.matches(&format!(" {standing} ")).count()
}

fn voters(machines: &Machines, wanted: usize) {
    eventually(&format!("{wanted} voters"), SOON, || {
        let list = machines.told("tradewind member list --addr $M");
        count(&list, "leader") == 1 && count(&list, "voter") == wanted - 1
    });
}

fn incarnation(machines: &Machines, address: &str) -> u64 {
    let mut incarnation = None;
    eventually("the cluster is opened", SOON, || {
        let status = machines.told(&format!("tradewind status -o json --addr {address}"));
        let status: Value = serde_json::from_str(&status).unwrap();
        incarnation = status["cluster"].as_u64();
        incarnation.is_some()
    });
    incarnation.unwrap()
}

#[test]
fn a_group_is_formed_by_the_commands_of_its_page() {
    let (mut machines, mut page) = (Machines::new(), Page::named("form-a-group"));
    machines.follow(&page.section("Before"));
    let told = machines.follow(&page.section("Act"));
    machines.follow(&page.section("Verify"));
    page.is_done();
    // then: as the page says
    assert_eq!(machines.running(), [1, 2, 3, 4]);
    assert_eq!((count(&told[0], "leader"), count(&told[0], "voter")), (1, 2), "{}", told[0]);
    eventually("three voters and a learner", SOON, || {
        let list = machines.told("tradewind member list --addr $M");
        count(&list, "learner") == 1 && list.starts_with("leader 1 ")
    });
    let status = machines.told("tradewind status --addr 10.0.0.3:4001");
    assert!(!status.contains("unreachable"), "{status}");
    // and they stop when they are asked to
    for machine in machines.running() {
        machines.stop(machine);
    }
}

#[test]
fn a_group_grows_and_shrinks_by_the_commands_of_its_page() {
    let (mut machines, mut page) = (Machines::with_a_group(), Page::named("grow-and-shrink"));
    machines.follow(&page.section(""));
    machines.follow(&page.section("Check"));
    machines.follow(&page.section("Grow: 3 -> 5"));
    voters(&machines, 5);
    machines.follow(&page.section("Shrink: 5 -> 3"));
    machines.ends(4, Some(1));
    machines.ends(5, Some(1));
    machines.follow(&page.section("Restart all members, one after the other"));
    let told = machines.follow(&page.section("Verify"));
    page.is_done();
    assert_eq!((count(&told[0], "leader"), count(&told[0], "voter")), (1, 2), "{}", told[0]);
    assert_eq!(machines.running(), [1, 2, 3]);
}

#[test]
fn a_lost_member_is_replaced_by_the_commands_of_its_page() {
    let (mut machines, mut page) = (Machines::with_a_group(), Page::named("replace-a-member"));
    machines.lose(2);
    machines.follow(&page.section(""));
    machines.follow(&page.section("Check"));
    machines.follow(&page.section("Act"));
    let told = machines.follow(&page.section("Verify"));
    page.is_done();
    assert_eq!((count(&told[0], "leader"), count(&told[0], "voter")), (1, 2), "{}", told[0]);
    let row = |node: &str| told[0].lines().find(|line| line.starts_with(node));
    assert!(row("4 ").is_some_and(|row| row.contains(" voter ")), "{}", told[0]);
    assert_eq!(row("2 "), None);
}

#[test]
fn what_is_left_of_a_group_goes_on_by_the_commands_of_the_page_for_a_lost_quorum() {
    let (mut machines, mut page) = (Machines::with_a_group(), Page::named("lost-quorum"));
    let before = incarnation(&machines, "10.0.0.1:4001");
    machines.lose(2);
    machines.lose(3);
    machines.follow(&page.section("Symptom"));
    machines.stop(1);
    machines.follow(&page.section("Act"));
    machines.follow(&page.section("Verify"));
    page.is_done();
    voters(&machines, 3);
    assert!(incarnation(&machines, "10.0.0.1:4001") > before);
    assert_eq!(machines.running(), [1, 4, 5]);
}

#[test]
fn a_group_is_restored_by_the_commands_of_the_page_for_backups() {
    let (mut machines, mut page) = (Machines::with_a_group(), Page::named("backup-and-restore"));
    let before = incarnation(&machines, "10.0.0.1:4001");
    machines.follow(&page.section("Save"));
    machines.follow(&page.section("Check"));
    for machine in [1, 2, 3] {
        machines.lose(machine);
    }
    machines.follow(&page.section("Restore"));
    machines.follow(&page.section("Verify"));
    page.is_done();
    assert!(incarnation(&machines, "10.0.0.1:4001") > before);
    let list = machines.told("tradewind member list --addr 10.0.0.2:4001");
    assert_eq!((count(&list, "leader"), count(&list, "voter")), (1, 2), "{list}");
}
