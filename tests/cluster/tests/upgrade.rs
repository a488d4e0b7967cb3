//! A rolling upgrade with processes of the real binary, which play an older build by a flag: writes go on, the feature level
//! is raised when the last member is new, and a member that is made old again says what to do and does not start.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tradewind_tests_cluster::{
    eventually,
    members::{Members, SOON},
};

/// What this build knows.
const NEW: u64 = tradewind_domain::control::level::FeatureLevel::KNOWN.0 as u64;
const OLD: &[&str] = &["--feature-level=1"];

/// What the members say that they know, and the level of the state.
fn levels(members: &Members) -> (Vec<Value>, Value) {
    let list = members.list().unwrap_or_default();
    let all = list["members"].as_array().cloned().unwrap_or_default();
    (all.iter().map(|member| member["level"].clone()).collect(), list["level"].clone())
}

#[test]
fn three_members_are_upgraded_one_after_the_other_and_the_level_follows_the_last() {
    // given
    let mut members = Members::three_with(OLD);
    let of = |levels: [u64; 3]| levels.map(|level| json!(level)).to_vec();
    eventually("all say what they know", SOON, || levels(&members) == (of([1; 3]), json!(1)));
    // when
    let mut known = [1; 3];
    for (at, name) in ["1", "2", "3"].into_iter().enumerate() {
        members.stop(name);
        members.tell(name, &[]);
        members.start(name);
        known[at] = NEW;
        // then
        let level = if name == "3" { NEW } else { 1 };
        let what = format!("{name} is new and the level is {level}");
        eventually(&what, SOON, || levels(&members) == (of(known), json!(level)));
    }
    let list = members.does(&["list"]);
    assert!(list.contains(&format!("level {NEW}")) && list.contains("LEVEL"), "{list}");
    // One that is made old again says so and ends; nothing of it is damaged.
    members.stop("2");
    members.tell("2", OLD);
    members.start("2");
    assert_eq!(members.ends("2"), Some(1), "{}", members.said("2"));
    let said = members.said("2");
    assert!(said.contains(&format!("at feature level {NEW} and this build knows 1")), "{said}");
    members.tell("2", &[]);
    members.start("2");
    members.await_voters(&[1, 2, 3]);
}
