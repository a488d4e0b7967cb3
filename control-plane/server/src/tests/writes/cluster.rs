//! The addresses that change how the cluster runs: its members and Managers, drains, rebalances, scaling.

use super::{
    fault::Fault::{NotThere, TooLong, Twice, WrongState},
    write::{Write, audited, only_wrong, put, write},
};
use crate::tests::{managers, provisioned, rebalance, repeated};
use serde_json::{Value, json};
use tradewind_domain::control::level::FeatureLevel;
use tradewind_link::rest::Method;
use tradewind_protocol::Code;

/// Members, Managers and registers.
pub(super) fn others() -> Vec<Write> {
    let check_in = json!({
        "manager": "a.broker-manager", "location": "here", "address": "127.0.0.1:1",
        "incarnation": 5, "capacity": 1, "services": [], "level": FeatureLevel::KNOWN,
    });
    let mut earlier = check_in.clone();
    earlier["incarnation"] = 4.into();
    let value = |length: usize| json!({ "value": "v".repeat(length), "expected": null });
    let cas = json!({ "value": "new", "expected": "v" });
    vec![
        write(Method::POST, "/v1/managers/check-in", check_in)
            .without(NotThere, "who checks in is there by that")
            .shown_by(
                Twice,
                managers::a_check_in_repeated_under_its_key_is_that_of_its_life_whoever_came_since,
            )
            .field("manager", "n".repeat(64).into(), Code::MalformedRequest)
            .field("address", "a".repeat(257).into(), Code::Refused)
            .field("level", 1.into(), Code::Refused),
        write(Method::POST, "/v1/managers/check-in", earlier).refused(Code::Superseded),
        // More than there are.
        audited(write(Method::PUT, "/v1/members/voters-wanted", json!({ "voters": 5 })))
            .without(NotThere, "it names nobody")
            .without(WrongState, "while a member is removed: domain::control::group::tests")
            .with(json!({ "voters": 4 }), Code::Refused),
        write(Method::PUT, "/v1/registers/r", value(1))
            .without(NotThere, "it is there by being written")
            .without(WrongState, "it is written over")
            .long_name()
            .with(value(1_025), Code::Refused),
        write(Method::POST, "/v1/registers/r/cas", cas)
            .without(NotThere, "one that is not there holds nothing, which is another value")
            .field("value", "v".repeat(1_025).into(), Code::Refused)
            .field("expected", "other".into(), Code::Conflict)
            .with(json!({ "value": "new" }), Code::MalformedRequest),
    ]
}

/// Of the Manager that has checked in before, which nobody reaches.
pub(super) fn drains() -> Vec<Write> {
    let by = json!({ "who": "ann", "why": "an upgrade" });
    let mut begin = by.clone();
    begin["drop"] = "never".into();
    let mut later = by.clone();
    later["drop"] = json!({ "at": "2100-01-01T00:00:00Z" });
    let conditional = |write| Write { conditional: true, ..write };
    let (begun, drain) = ("/v1/managers/a.broker-manager/drain", "/v1/drains/a.broker-manager");
    let change = |method, path: &str, body: &Value| {
        conditional(write(method, path, body.clone())).field(
            "why",
            "w".repeat(5_000).into(),
            Code::Refused,
        )
    };
    let dropped = "of a dropped one alone: domain::control::drain::tests";
    // One that goes on is not begun in other words.
    let again = |path: &str| {
        let mut other = begin.clone();
        other["drop"] = "when_idle".into();
        conditional(write(Method::POST, path, other)).refused(Code::Conflict)
    };
    let whole = write(Method::POST, "/v1/implementations/a/drain", begin.clone());
    vec![
        conditional(whole)
            .at("/v1/implementations/b/drain", Code::NotFound)
            .at("/v1/implementations/a.broker-manager/drain", Code::MalformedRequest)
            .field("why", "w".repeat(5_000).into(), Code::Refused),
        again("/v1/implementations/a/drain"),
        change(Method::DELETE, "/v1/drains/a", &by)
            .without(WrongState, dropped)
            .at("/v1/drains/b", Code::NotFound),
        conditional(write(Method::POST, begun, begin.clone()))
            .at("/v1/managers/b.broker-manager/drain", Code::NotFound)
            .at("/v1/implementations/b/drain", Code::NotFound)
            .at("/v1/managers/a/drain", Code::MalformedRequest)
            .field("why", "w".repeat(5_000).into(), Code::Refused)
            .field("drop", "soon".into(), Code::MalformedRequest)
            .field("drop", "after_hours".into(), Code::Refused)
            .with(json!({ "who": "ann" }), Code::MalformedRequest),
        again(begun),
        change(Method::PUT, &format!("{drain}/drop"), &later)
            .without(WrongState, dropped)
            .with(by.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/drop", Code::NotFound),
        Write { untold: true, ..change(Method::POST, &format!("{drain}/abandon"), &by) }
            .without(
                WrongState,
                "of a dropped one whose next life has Brokers, which an earlier build left: \
                 domain::control::drain::tests::abandon",
            )
            .with(begin.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/abandon", Code::NotFound),
        change(Method::POST, &format!("{drain}/force"), &by)
            .without(WrongState, dropped)
            .with(begin.clone(), Code::MalformedRequest)
            .at("/v1/drains/a/force", Code::NotFound),
        change(Method::DELETE, drain, &by).at("/v1/drains/a", Code::NotFound),
    ]
}

/// One of that Manager which waits for the hours of its location, and its end.
pub(super) fn waits_for_hours() -> [Write; 2] {
    let by = json!({ "who": "ann", "why": "an upgrade" });
    let mut begin = by.clone();
    begin["drop"] = "after_hours".into();
    [
        write(Method::POST, "/v1/managers/a.broker-manager/drain", begin),
        write(Method::DELETE, "/v1/drains/a.broker-manager", by),
    ]
}

/// Without a TraderManager there is nothing to move: it ends as soon as it is begun.
pub(super) fn rebalances() -> Vec<Write> {
    let by = json!({ "who": "ann", "why": "a node was added" });
    let asked = |method| {
        write(method, "/v1/rebalance", by.clone())
            .field("why", "w".repeat(5_000).into(), Code::Refused)
            .with(json!({ "who": "ann" }), Code::MalformedRequest)
    };
    let cancel = Write { conditional: true, ..asked(Method::DELETE) }
        .without(WrongState, "what is under way has one state")
        .shown_by(Twice, rebalance::a_cancel_repeated_under_its_key_ends_no_other_one)
        .refused(Code::NotFound);
    let begin = asked(Method::POST)
        .without(NotThere, "it names nobody")
        .without(WrongState, "the one under way goes on, and is the answer");
    vec![cancel, begin]
}

/// The group's own members, and one that was let in and never heard of again.
pub(super) fn group_members() -> Vec<Write> {
    let (disk, place) = ("0123456789abcdef".repeat(2), "127.0.0.1:1");
    let address = json!({ "disk": disk, "peer_address": place, "api_address": "127.0.0.1:2" });
    let mut join = address.clone();
    (join["cluster"], join["api_address"]) = ("test".into(), place.into());
    let told = json!({ "api_address": place, "public_key": "0".repeat(64) });
    vec![
        write(Method::POST, "/v1/members", join)
            .without(NotThere, "it asks to be let in")
            .shown_by(
                Twice,
                repeated::a_join_repeated_under_its_key_is_not_let_in_anew_once_it_was_removed,
            )
            .field("cluster", "other".into(), Code::Conflict)
            .field("peer_address", "nowhere".into(), Code::MalformedRequest)
            .field("level", "new".into(), Code::MalformedRequest)
            .field("disk", "short".into(), Code::MalformedRequest)
            .field("api_address", "a".repeat(257).into(), Code::Refused),
        only_wrong(write(Method::PUT, "/v1/members/1", told))
            .without(WrongState, "a member tells how it is")
            .shown_by(Twice, repeated::what_a_member_tells_again_under_its_key_is_not_told_anew)
            .field("api_address", "a".repeat(257).into(), Code::Refused)
            .at("/v1/members/9", Code::NotFound)
            .at("/v1/members/x", Code::MalformedRequest)
            .field("public_key", "no key".into(), Code::MalformedRequest),
        write(Method::PUT, "/v1/members/4/address", address)
            .field("disk", "f".repeat(32).into(), Code::Conflict)
            .at("/v1/members/9/address", Code::NotFound)
            .field("api_address", "a".repeat(257).into(), Code::Refused)
            .field("peer_address", "nowhere".into(), Code::MalformedRequest),
        write(Method::PUT, "/v1/members/4/level", json!({ "level": FeatureLevel::KNOWN }))
            .without(WrongState, "a level falls in no state")
            .without(TooLong, "a number")
            .with(json!({ "level": 1 }), Code::Refused)
            .at("/v1/members/9/level", Code::NotFound)
            .with(json!({ "level": "all" }), Code::MalformedRequest),
        audited(only_wrong(write(Method::DELETE, "/v1/members/1", Value::Null)))
            .without(WrongState, "whom the group cannot spare: domain::control::membership")
            .shown_by(Twice, repeated::a_removal_repeated_under_its_key_is_done_and_told_once)
            .at("/v1/members/9", Code::NotFound)
            .at("/v1/members/1?force=perhaps", Code::MalformedRequest),
        audited(only_wrong(write(Method::POST, "/v1/leader/transfer", json!({ "to": null }))))
            .without(WrongState, "whoever leads hands over")
            .shown_by(Twice, repeated::a_hand_over_repeated_under_its_key_is_done_and_told_once)
            .with(json!({ "to": 9 }), Code::NotFound)
            .with(json!({ "to": "anybody" }), Code::MalformedRequest),
    ]
}

/// How a location scales, by a program that no member here knows; and what came of a request that there is not.
pub(super) fn scaling() -> Vec<Write> {
    let marks = json!({ "out_percent": 80, "in_percent": 30 });
    let spec = json!({
        "provisioner": { "exec": { "program": "nobody", "arguments": {} } }, "least": 0, "most": 1,
        "traders": marks, "cool_down_seconds": 60,
    });
    let told = json!({ "revision": 5, "result": { "failed": { "why": "no quota" } } });
    let long = format!("/v1/locations/{}/scale", "n".repeat(64));
    vec![
        put("/v1/locations/here/scale", spec)
            .without(
                NotThere,
                "a program that no member knows is said by the request that needs it",
            )
            .without(WrongState, "settings have no state")
            .at(&long, Code::MalformedRequest)
            .field("least", 2.into(), Code::Refused)
            .field("most", 65.into(), Code::Refused)
            .field("deadline_seconds", 0.into(), Code::Refused)
            .field("drop", "never".into(), Code::Refused)
            .field("traders", json!({ "out_percent": 30, "in_percent": 30 }), Code::Refused)
            .field("traders", json!({ "out_percent": 30 }), Code::MalformedRequest)
            .field("provisioner", json!({ "process": { "capacity": 0 } }), Code::Refused)
            .field("provisioner", "process".into(), Code::MalformedRequest),
        audited(write(Method::PUT, "/v1/provisioning/5", told))
            .shown_by(
                WrongState,
                provisioned::what_came_of_a_request_is_told_once_and_as_it_was_seen,
            )
            .shown_by(Twice, provisioned::what_came_of_a_request_is_told_once_and_as_it_was_seen)
            .field("result", "released".into(), Code::NotFound)
            .at("/v1/provisioning/first", Code::MalformedRequest)
            .with(json!({ "revision": 5, "result": { "failed": {} } }), Code::MalformedRequest)
            .refused(Code::NotFound),
    ]
}
