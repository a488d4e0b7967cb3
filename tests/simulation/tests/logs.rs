//! Random logs: one seed is one log, they reach all that can be asked for, and every bug planted in one is
//! found by the sentence that is about it.
#![allow(clippy::unwrap_used)]

use simulation::{LogBug, judge};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::control::Outcome;

/// Logs a bug may take: some can be planted only where a drain or a removal is under way.
const LOGS: u64 = 3_000;

#[test]
fn a_seed_twice_is_one_log_and_two_seeds_are_two() {
    let mut ends = BTreeSet::new();
    for seed in 0..50 {
        let once = judge(seed, None, |_, _| {});
        assert_eq!(once, judge(seed, None, |_, _| {}), "seed {seed}");
        assert_eq!(once.violations, Vec::<String>::new(), "seed {seed}");
        ends.insert(format!("{:?}", once.hash));
    }
    assert!(ends.len() > 45, "{} different ends of 50 logs", ends.len());
}

/// Every command there is.
const COMMANDS: [&str; 68] = [
    "OpenCluster",
    "PutMember",
    "CheckIn",
    "CheckInFrom",
    "ExpireManager",
    "PutAccount",
    "PutCustomer",
    "PutMarket",
    "PutTrader",
    "AssignBroker",
    "AssignCustomer",
    "AssignTrader",
    "PutRegister",
    "Group(Found",
    "Group(Admit",
    "Group(Tell",
    "Group(Remove",
    "Group(Forget",
    "Group(WantVoters",
    "Group(Audited",
    "PutLocation",
    "PutExchangeDays",
    "Drain(Begin",
    "Drain(BeginOn",
    "Drain(Acknowledge",
    "Drain(Emptied",
    "Drain(Overdue",
    "Drain(Drop",
    "Drain(Cancel",
    "Drain(Force",
    "Drain(Reschedule",
    "Rebalance(Begin",
    "Rebalance(End",
    "Rebalance(Cancel",
    "Rebalance(CancelAt",
    "Resource(Put",
    "Resource(Delete",
    "Resource(AddKey",
    "Resource(RemoveKey",
    "Resource(Audited",
    "Service(HandBack",
    "Service(Settle",
    "Scale(Ask",
    "Scale(Start",
    "Scale(Arrive",
    "Scale(Fail",
    "Scale(GiveUp",
    "Scale(Retire",
    "Scale(Keep",
    "Scale(Release",
    "Scale(Done",
    "Scale(Quiet",
    "Trader(Move",
    "Trader(Fenced",
    "Level(Know",
    "Level(CheckIn(CheckInKnowing",
    "Level(Raise",
    "Drain(Abandon",
    "Drain(HoursUnknown",
    "Drain(DropConfirmed",
    "Copies(Name",
    "Copies(Joined",
    "Copies(Succeed",
    "Copies(WentLive",
    "Copies(GiveBack",
    "Trader(Attach(Attach",
    "Scale(Tell",
    "Asked",
];

/// At the end of a long way: a request that came, was retired, and whose drain was cancelled, or went its way too.
const RARE: [&str; 2] = ["Scale(Keep", "Scale(Release"];

#[test]
fn every_command_is_drawn_and_is_accepted_and_refused() {
    let mut counted: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    // The rarest, a key that is removed without a word of who, is accepted in one log of a hundred.
    for seed in 0..LOGS {
        judge(seed, None, |command, outcome| {
            let shown = format!("{command:?}");
            let name = shown.split(" {").next().unwrap().to_owned();
            let (accepted, refused) = counted.entry(name).or_default();
            match outcome {
                Outcome::Accepted { .. } => *accepted += 1,
                Outcome::Refused { .. } => *refused += 1,
            }
        });
    }
    println!("{counted:#?}");
    assert_eq!(counted.len(), COMMANDS.len(), "{counted:?}");
    for name in COMMANDS {
        let (accepted, refused) = counted[name];
        let least = match name {
            name if RARE.contains(&name) => 1,
            _ => 11,
        };
        assert!(accepted >= least && refused > 0, "{name}: {accepted} accepted, {refused} refused");
    }
}

#[test]
fn every_planted_bug_is_found_by_the_sentence_that_is_about_it() {
    for bug in LogBug::ALL {
        let found = (0..LOGS).find_map(|seed| {
            let judged = judge(seed, Some(*bug), |_, _| {});
            let mut by = judged.violations.into_iter();
            by.find(|what| what.starts_with(bug.sentence())).map(|what| (seed, what))
        });
        let (seed, what) = found.unwrap_or_else(|| panic!("{} was not found", bug.name()));
        println!("{}: found by log {seed}: {what}", bug.name());
    }
}
