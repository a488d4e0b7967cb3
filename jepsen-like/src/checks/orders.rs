//! O1, O2, O3: orders and fills of algos against the venue's own ledger. Decides how a history is read; what must hold
//! is decided by `domain::trading::invariants`.

use super::{Checked, Finding, named, text};
use crate::calls::{Call, Outcome};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    ids::{ClientOrderId, ExecId},
    trading::invariants::{AlgoView, VenueTruth, Violations, check as compare},
};

#[must_use]
pub fn check(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    if calls.iter().any(|call| call.f == "submit") {
        checked.and(orders(calls));
    }
    if calls.iter().any(|call| call.f == "fills-read") {
        checked.and(fills(calls));
    }
    for call in calls.iter().filter(|call| call.f == "untold-gap") {
        let text = format!("a hole in {} that nobody told of", call.told);
        checked.found(Some(Finding::new("O3", text, [call.begun])));
    }
    checked
}

fn last_ok<'a>(calls: &'a [Call], f: &'a str) -> Option<&'a Call> {
    named(calls, f).filter(|call| call.outcome == Outcome::Ok).last()
}

fn list(value: &Value) -> Option<Vec<String>> {
    Some(value.as_array()?.iter().map(text).collect())
}

/// Which ids are in the second list more often than in the first; the counts' own words name no order.
fn beyond(once: &[String], all: &[String]) -> Vec<String> {
    let mut known: BTreeSet<&String> = once.iter().collect();
    all.iter().filter(|id| !known.insert(id)).cloned().collect()
}

fn orders(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let Some(venue) = last_ok(calls, "venue-read") else {
        checked.undecided.push("the venue's ledger was not read: O1 is not decided".to_string());
        return checked;
    };
    let id = |call: &Call| ClientOrderId::new(&text(&call.asked)).ok();
    let arrivals = list(&venue.told).unwrap_or_default();
    let mut view = AlgoView::default();
    for call in calls.iter().filter(|call| call.f == "submit") {
        view.submitted.extend(id(call));
        match call.outcome {
            Outcome::Ok => view.acknowledged.extend(id(call)),
            Outcome::Fail => view.refused.extend(id(call)),
            Outcome::Info => {}
        }
    }
    let truth = VenueTruth {
        arrivals: arrivals.iter().filter_map(|id| ClientOrderId::new(id).ok()).collect(),
        fills: Vec::new(),
    };
    let counts = compare(&view, &truth);
    let placed: BTreeSet<&String> = arrivals.iter().collect();
    let ids = |of: &[ClientOrderId]| of.iter().map(ToString::to_string).collect::<Vec<_>>();
    let submitted: BTreeSet<String> = ids(&view.submitted).into_iter().collect();
    let Violations { duplicate_orders, lost_orders, refused_but_placed, invented_orders, .. } =
        counts;
    let mut lost = ids(&view.acknowledged);
    lost.retain(|id| !placed.contains(id));
    let mut refused = ids(&view.refused);
    refused.retain(|id| placed.contains(id));
    let mut invented = arrivals.clone();
    invented.retain(|id| !submitted.contains(id));
    for (count, what, which) in [
        (duplicate_orders, "came to the venue more than once", beyond(&[], &arrivals)),
        (lost_orders, "was acknowledged and is not at the venue", lost),
        (refused_but_placed, "was refused and is at the venue", refused),
        (invented_orders, "is at the venue and was never asked for", invented),
    ] {
        if count > 0 {
            checked.found(Some(of_ids("O1", calls, count, what, &which)));
        }
    }
    checked.and(accepted(calls));
    checked
}

/// Every order answered `accepted` stands in the ledger at the end, in some state.
fn accepted(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let accepted: Vec<String> = named(calls, "accepted").map(|call| text(&call.told)).collect();
    if accepted.is_empty() {
        return checked;
    }
    let Some(ledger) = last_ok(calls, "ledger-read").and_then(|call| list(&call.told)) else {
        checked.undecided.push("the ledger was not read: accepted orders are unproven".to_string());
        return checked;
    };
    let there: BTreeSet<String> = ledger.into_iter().collect();
    let lost: Vec<String> = accepted.into_iter().filter(|id| !there.contains(id)).collect();
    if !lost.is_empty() {
        let what = "was accepted and is not in the ledger";
        checked.found(Some(of_ids("O1", calls, lost.len() as u64, what, &lost)));
    }
    checked
}

/// Names the first ids and shows what was done about them.
fn of_ids(invariant: &str, calls: &[Call], count: u64, what: &str, which: &[String]) -> Finding {
    let first: Vec<&str> = which.iter().take(5).map(String::as_str).collect();
    let about = calls.iter().filter(|call| which.iter().take(5).any(|id| text(&call.told) == *id));
    let shown: Vec<u64> = about.flat_map(|call| [Some(call.begun), call.ended]).flatten().collect();
    Finding::new(invariant, format!("{count} {what}: {}", first.join(", ")), shown)
}

fn fills(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let Some(truth) = last_ok(calls, "fills-truth") else {
        checked.undecided.push("the venue's fills were not read: O2 is not decided".to_string());
        return checked;
    };
    let mut truth: BTreeMap<String, Vec<String>> = truth
        .told
        .as_object()
        .into_iter()
        .flatten()
        .map(|(algo, ids)| (algo.clone(), list(ids).unwrap_or_default()))
        .collect();
    for call in named(calls, "fills-read").filter(|call| call.outcome == Outcome::Ok) {
        let algo = call.told.get("algo").map(text).unwrap_or_default();
        let seen = call.told.get("ids").and_then(list).unwrap_or_default();
        let there = truth.remove(&algo).unwrap_or_default();
        let ids = |ids: &[String]| ids.iter().filter_map(|id| ExecId::new(id).ok()).collect();
        let view = AlgoView { fills: ids(&seen), ..AlgoView::default() };
        let of_venue = VenueTruth { arrivals: Vec::new(), fills: ids(&there) };
        let counts = compare(&view, &of_venue);
        let mut sound = true;
        for (count, what) in [
            (counts.lost_fills, "were made and never seen"),
            (counts.duplicate_fills, "were seen more than once"),
            (counts.invented_fills, "were seen and never made"),
        ] {
            if count > 0 {
                sound = false;
                let text = format!("{count} fills of {algo} {what}");
                checked.found(Some(Finding::new("O2", text, call.ended)));
            }
        }
        if sound && seen != there {
            let text = format!("{algo} saw its fills in another order than the venue made them");
            checked.found(Some(Finding::new("O2", text, call.ended)));
        }
    }
    for (algo, ids) in truth.into_iter().filter(|(_, ids)| !ids.is_empty()) {
        let text = format!("{} fills of {algo} were made, and it was not asked", ids.len());
        checked.undecided.push(text);
    }
    checked
}
