//! Claims about every address that changes something: what is wrong with a request is told with its own code and
//! changes nothing, a repeat gets the first answer, by way of any member, and who asked for it and why is told once.

mod asked;
mod cluster;
mod declared;
mod fault;
mod write;

use super::{
    eventually,
    group::{Group, SOON},
};
use asked::check;
use cluster::{drains, group_members, others, rebalances, scaling};
use declared::{declarations, deletions};
use fault::Fault;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{IDEMPOTENCY_KEY, format_key},
};
use write::{ASKS, Write};

/// More than there are connections between two members.
const TRIES: usize = 100;

/// In an order in which each can be done.
fn rows() -> Vec<Write> {
    let all =
        [others(), drains(), scaling(), rebalances(), declarations(), deletions(), group_members()];
    all.into_iter().flatten().collect()
}

/// Whether an address is one of these: `{name}` stands for any part.
fn is_of(path: &str, template: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (parts, names) = (path.split('/'), template.split('/'));
    parts.clone().count() == names.clone().count()
        && parts.zip(names).all(|(part, name)| name.starts_with('{') || part == name)
}

#[test]
fn every_change_that_is_documented_has_a_row_which_takes_what_is_documented() {
    let document = serde_json::to_value(crate::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    // Of two that fit, the one with fewer names is meant: `/v1/members/voters-wanted` is no member.
    let template_of = |path: &str| {
        let fit = paths.keys().filter(|template| is_of(path, template));
        fit.min_by_key(|template| template.matches('{').count()).cloned()
    };
    let takes = |operation: &Value, name: &str| {
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let refers = |one: &Value| {
            let to = one["$ref"].as_str().map(|to| to.trim_start_matches('#').to_owned());
            to.is_some_and(|to| document.pointer(&to).unwrap()["name"] == name)
        };
        parameters.iter().any(refers)
    };
    let rows = rows();
    let (mut changes, mut faults) = (0, Vec::new());
    for (template, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            if method == "get" || !takes(operation, "Idempotency-Key") {
                continue;
            }
            changes += 1;
            let of = |row: &&Write| {
                row.method.as_str().eq_ignore_ascii_case(method)
                    && template_of(&row.path).as_ref() == Some(template)
            };
            let of: Vec<&Write> = rows.iter().filter(of).collect();
            let place = format!("{method} {template}");
            assert!(!of.is_empty(), "{place} has no row in tests/writes");
            let conditional = of.iter().any(|row| row.conditional);
            assert_eq!(conditional, takes(operation, "If-Match"), "{place}: If-Match");
            let audited = of.iter().any(|row| row.audited);
            assert_eq!(audited, takes(operation, "tradewind-who"), "{place}: tradewind-who");
            for fault in Fault::ALL {
                let asked = of.iter().any(|row| fault.is_asked(row));
                let lacks = of.iter().any(|row| row.lacks.iter().any(|(lack, _)| *lack == fault));
                let shown = of.iter().any(|row| row.shown.contains(&fault));
                if [asked, lacks, shown].into_iter().filter(|holds| *holds).count() != 1 {
                    faults.push(format!(
                        "{place}: {fault:?}: asked {asked}, said to lack {lacks}, shown elsewhere {shown}"
                    ));
                }
            }
            // A test of its own that shows a repeat shows who asked and why, too.
            let told = of.iter().any(|row| row.is_told() || row.shown.contains(&Fault::Twice));
            if audited && !told {
                faults.push(format!("{place}: nothing shows who asked for it, and why"));
            }
            let told = &operation["responses"];
            for (path, _, code) in of.iter().flat_map(|row| &row.wrong) {
                let elsewhere = template_of(path).as_ref() != Some(template);
                if !elsewhere && told[code.status().to_string()].is_null() {
                    faults.push(format!("{place}: gives {} and does not say so", code.status()));
                }
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new(), "{faults:#?}");
    assert!(changes > 30, "{changes} changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_leader_nothing_is_taken_and_it_is_said_when_to_ask_again() {
    let mut group = Group::of(3).await;
    let rest = group.followers().await[0];
    for member in (0..3).filter(|member| *member != rest) {
        group.kill(member).await;
    }
    // A request on a connection that breaks meanwhile is honestly told as unknown: from then on its port refuses.
    eventually("the port of its leader refuses", SOON, async || {
        let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
        let path = "/v1/customers/first";
        let (_, _, answer) = group.ask(rest, Method::PUT, path, &headers, &json!({})).await;
        answer["code"] == "no_leader"
    })
    .await;
    let rows = rows();
    let asked = rows.iter().map(|row| {
        let group = &group;
        async move {
            let Write { method, path, body, .. } = row;
            let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
            let ask = async || {
                let (_, _, answer) = group.ask(rest, method.clone(), path, &headers, body).await;
                serde_json::from_value::<Problem>(answer).unwrap()
            };
            let mut problem = ask().await;
            // One that goes over another connection that stood yet is as honestly unknown, and may be asked again.
            for _ in 0..TRIES {
                if problem.code != Code::Unknown {
                    break;
                }
                problem = ask().await;
            }
            assert_eq!(problem.code, Code::NoLeader, "{method} {path}: {problem}");
            assert!(problem.retry_after_ms.is_some(), "{method} {path}");
        }
    });
    futures_util::future::join_all(asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_change_is_told_by_its_code_and_a_repeat_gets_the_first_answer() {
    let group = Group::of(3).await;
    let members = [group.followers().await[0], group.leader().await];
    group.raised().await;
    let rows = rows();
    for write in &rows {
        check(&group, members, write).await;
    }
    for path in [
        "/v1/customers",
        "/v1/accounts",
        "/v1/markets",
        "/v1/traders",
        "/v1/locations",
        "/v1/risk",
        "/v1/trading-states",
        "/v1/scale",
    ] {
        let (_, _, answer) = group.ask(members[0], Method::GET, path, &[], &Value::Null).await;
        assert_eq!(answer["items"], json!([]), "{path}");
    }
    // And whoever watches is told of each that was done, once.
    let told = rows.iter().filter(|row| row.is_told()).map(Write::why);
    assert_eq!(told_of(&group, members[1]).await, counted(told));
}

fn counted(all: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    all.for_each(|one| *counts.entry(one).or_default() += 1);
    counts
}

/// Why something was done that was asked for in the name of the tables, and how often.
async fn told_of(group: &Group, member: usize) -> BTreeMap<String, usize> {
    let events = group.events(member).await;
    let kinds = events.iter().flat_map(|event| event.as_object().unwrap().values());
    let by = kinds.map(|event| event.get("by").filter(|by| by.is_object()).unwrap_or(event));
    let asked = by.filter(|by| by["who"] == ASKS);
    counted(asked.map(|by| by["why"].as_str().unwrap().to_owned()))
}
