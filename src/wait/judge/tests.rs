//! Claims about what holds, what does not yet, and what never will.
#![allow(clippy::unwrap_used)]

use super::*;

fn is(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Holds(_) => "holds",
        Verdict::Not(_) => "not",
        Verdict::Never(_) => "never",
    }
}

fn drain_view(target: &str, state: &str, drop: &str) -> DrainView {
    serde_json::from_value(json!({
        "target": target, "epoch": 7, "revision": 7, "state": state, "since": "2026-11-27T18:00:00Z",
        "by": {"who": "ann", "why": "x"}, "deadline": null, "overdue": null, "drop": drop,
        "forced": null, "drained": null, "acknowledged": true, "managers": [], "remaining": null,
    }))
    .unwrap()
}

#[test]
fn a_drain_is_waited_for_as_long_as_it_goes_on_and_the_farthest_counts() {
    let judged = |drains: &[DrainView], goal, mut seen| {
        is(&drain("a1.trader-manager", drains, goal, &mut seen))
    };
    let whole = |state| drain_view("a1", state, "after_hours");
    let own = |state| drain_view("a1.trader-manager", state, "never");
    assert_eq!(judged(&[], DrainGoal::Drained, false), "never");
    assert_eq!(judged(&[], DrainGoal::Drained, true), "never");
    assert_eq!(judged(&[own("cordoned")], DrainGoal::Cordoned, false), "not");
    assert_eq!(judged(&[own("draining")], DrainGoal::Cordoned, false), "holds");
    assert_eq!(judged(&[own("draining")], DrainGoal::Drained, false), "not");
    assert_eq!(judged(&[own("draining"), whole("drained")], DrainGoal::Drained, false), "holds");
    assert_eq!(judged(&[own("drained")], DrainGoal::Dropped, false), "never", "it never is");
    assert_eq!(judged(&[own("drained"), whole("drained")], DrainGoal::Dropped, false), "not");
    assert_eq!(judged(&[whole("dropped")], DrainGoal::Dropped, false), "holds");
}

#[test]
fn a_cancelled_drain_is_told_from_one_that_never_was() {
    let mut seen = false;
    let never = drain("a1", &[], DrainGoal::Drained, &mut seen);
    assert!(matches!(never, Verdict::Never(why) if why.contains("not being drained")));
    drain("a1", &[drain_view("a1", "draining", "never")], DrainGoal::Drained, &mut seen);
    let cancelled = drain("a1", &[], DrainGoal::Drained, &mut seen);
    assert!(matches!(cancelled, Verdict::Never(why) if why.contains("cancelled")));
}

fn trader_info(wish: &str, now: &str) -> TraderInfo {
    serde_json::from_value(json!({
        "trader": "t", "revision": 3, "spec": {"customer": "acme", "command": ["w"], "state": wish},
        "assignment": {"manager": "a1.trader-manager", "epoch": 5},
        "now": {"state": now, "detail": "", "incarnation": null, "pid": null, "address": null, "crashes": 0},
    }))
    .unwrap()
}

#[test]
fn a_trader_is_waited_for_only_as_it_is_declared() {
    let name = "t".parse().unwrap();
    let judged = |info: Option<&TraderInfo>, state| is(&trader(&name, info, state));
    let (live, starting) = (trader_info("running", "live"), trader_info("running", "starting"));
    let stopped = trader_info("stopped", "stopped");
    assert_eq!(judged(Some(&live), OfTrader::Running), "holds");
    assert_eq!(judged(Some(&starting), OfTrader::Running), "not");
    assert_eq!(judged(Some(&stopped), OfTrader::Running), "never");
    assert_eq!(judged(Some(&stopped), OfTrader::Stopped), "holds");
    assert_eq!(judged(Some(&trader_info("stopped", "stopping")), OfTrader::Stopped), "not");
    assert_eq!(judged(Some(&live), OfTrader::Stopped), "never");
    assert_eq!(judged(Some(&starting), OfTrader::Placed), "holds");
    assert_eq!(judged(Some(&live), OfTrader::Gone), "not");
    assert_eq!(judged(None, OfTrader::Gone), "holds");
    assert_eq!(judged(None, OfTrader::Running), "never");
}

fn members(standings: &[&str], wanted: u8, changing: bool) -> Members {
    let member = |(n, standing): (usize, &&str)| {
        json!({"node": n + 1, "standing": standing, "api_address": "a:1", "peer_address": "b:1",
            "disk": null, "matched": null, "lag": null, "heard_ms": null, "version": null})
    };
    let members: Vec<Value> = standings.iter().enumerate().map(member).collect();
    serde_json::from_value(json!({"term": 1, "revision": 1, "leader": 1, "voters_wanted": wanted,
        "changing": changing, "members": members}))
    .unwrap()
}

#[test]
fn voters_are_counted_with_the_leader_and_waited_for_only_as_they_are_wanted() {
    let judged = |members: &Members, voters| is(&group(members, OfMember::Voters(voters)));
    let three = members(&["leader", "voter", "voter", "learner"], 3, false);
    assert_eq!(judged(&three, 3), "holds");
    assert_eq!(judged(&three, 5), "never", "3 are wanted");
    assert_eq!(judged(&members(&["leader", "voter", "voter", "learner"], 5, false), 5), "not");
    assert_eq!(judged(&members(&["leader", "voter", "voter"], 3, true), 3), "not", "being changed");
    let one = &three.members[1];
    let judged = |member: Option<&MemberInfo>, state| is(&super::member(2, member, state));
    assert_eq!(judged(Some(one), OfMember::Voter), "holds");
    assert_eq!(judged(Some(one), OfMember::Leader), "not");
    assert_eq!(judged(Some(one), OfMember::Gone), "not");
    assert_eq!(judged(None, OfMember::Gone), "holds");
    assert_eq!(judged(None, OfMember::Voter), "not");
}

#[test]
fn an_implementation_is_live_when_all_three_managers_are() {
    let name = "a1".parse().unwrap();
    let info = |broker: &str, missing: Value| -> ImplementationInfo {
        serde_json::from_value(json!({
            "implementation": "a1", "locations": ["here"], "missing": missing, "drains": [],
            "managers": [{"manager": "a1.broker-manager", "state": broker}],
            "placed": {"brokers": 0, "customers": 0, "traders": 0}, "sessions": null,
        }))
        .unwrap()
    };
    let judged = |info: Option<&ImplementationInfo>, state| implementation(&name, info, state);
    let live = OfImplementation::Live;
    assert_eq!(is(&judged(Some(&info("live", json!([]))), live)), "holds");
    let suspect = judged(Some(&info("suspect", json!([]))), live);
    assert_eq!(suspect, Verdict::Not("a1.broker-manager is suspect".to_owned()));
    let missing = judged(Some(&info("live", json!(["trader_manager"]))), live);
    assert_eq!(missing, Verdict::Not("trader-manager is not registered".to_owned()));
    assert_eq!(is(&judged(None, live)), "not", "it may come");
    assert_eq!(is(&judged(None, OfImplementation::Gone)), "holds");
    assert_eq!(is(&judged(Some(&info("live", json!([]))), OfImplementation::Gone)), "not");
}
