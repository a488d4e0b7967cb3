//! How a row is asked for: everything that can be wrong with it first, then as it should be, twice. Decides what each answer
//! has to be.

use super::{
    super::group::{Group, SOON},
    fault::Fault,
    write::Write,
};
use serde_json::{Value, json};
use std::time::Instant;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{IDEMPOTENCY_KEY, format_key},
    resources::IF_MATCH,
    terms::{WHO, WHY},
};

struct Asked<'a> {
    path: &'a str,
    body: &'a Value,
    headers: Vec<(&'static str, String)>,
}

async fn refused(group: &Group, member: usize, method: &Method, asked: Asked<'_>, code: Code) {
    let Asked { path, body, headers } = asked;
    let (mut status, mut head, mut answer) =
        group.ask(member, method.clone(), path, &headers, body).await;
    // The change of an earlier row may be under way yet: whoever is told so asks again.
    let began = Instant::now();
    while answer["code"] == "busy" && code != Code::Busy && began.elapsed() < SOON {
        (status, head, answer) = group.ask(member, method.clone(), path, &headers, body).await;
    }
    let place = format!("{method} {path} {body}: {answer}");
    assert_eq!(head.get("content-type").unwrap(), "application/problem+json", "{place}");
    let problem: Problem = serde_json::from_value(answer).unwrap();
    assert_eq!((problem.code, status), (code, code.status()), "{place}");
    assert!(!problem.detail.is_empty() && !problem.detail.contains("\"secret\""), "{place}");
    // Which of its names is not there is said, and which bound it is that it does not keep.
    for name in ["nobody", "nowhere"] {
        let named = format!("{path} {body}").contains(name);
        assert!(code != Code::NotFound || !named || problem.detail.contains(name), "{place}");
    }
    assert!(!problem.detail.starts_with("too large"), "{place}");
    assert!(!problem.detail.starts_with("there is no such"), "{place}");
}

fn keyed(group: &Group) -> (&'static str, String) {
    (IDEMPOTENCY_KEY, format_key(&group.keys.next()))
}

pub(super) async fn check(group: &Group, members: [usize; 2], write: &Write) {
    wrongly(group, members, write).await;
    if write.only_wrong {
        refused_twice(group, members, write).await;
    } else {
        rightly(group, members, write).await;
    }
}

async fn wrongly(group: &Group, members: [usize; 2], write: &Write) {
    let Write { method, path, body, .. } = write;
    for member in members {
        let asked = Asked { path, body, headers: Vec::new() };
        refused(group, member, method, asked, Code::IdempotencyKeyMissing).await;
        let headers = vec![(IDEMPOTENCY_KEY, "no key".to_owned())];
        refused(group, member, method, Asked { path, body, headers }, Code::MalformedRequest).await;
        for body in coloured(body) {
            let asked = Asked { path, body: &body, headers: vec![keyed(group)] };
            refused(group, member, method, asked, Code::MalformedRequest).await;
        }
        for (path, body, code) in &write.wrong {
            let asked = Asked { path, body, headers: vec![keyed(group)] };
            refused(group, member, method, asked, *code).await;
        }
        for (name, text) in [(WHO, "%zz"), (WHY, "a%0Ab")] {
            let headers = vec![keyed(group), (name, text.to_owned())];
            if write.audited {
                let code = Code::MalformedRequest;
                refused(group, member, method, Asked { path, body, headers }, code).await;
            }
        }
        if write.audited {
            let headers = vec![keyed(group), (WHY, "w".repeat(1_025))];
            refused(group, member, method, Asked { path, body, headers }, Code::Refused).await;
        }
        for (tag, code) in [("\"1\"", Code::PreconditionFailed), ("1", Code::MalformedRequest)] {
            let headers = vec![keyed(group), (IF_MATCH, tag.to_owned())];
            if write.conditional {
                refused(group, member, method, Asked { path, body, headers }, code).await;
            }
        }
    }
}

/// A repeat gets the first answer by way of any member, and its key is answered for nothing else.
async fn rightly(group: &Group, members: [usize; 2], write: &Write) {
    let Write { method, path, .. } = write;
    let (key, body) = (keyed(group), &write.said());
    let mut headers = write.says();
    headers.push(key.clone());
    let mut first = None;
    for member in members {
        let (status, _, mut answer) = group.ask(member, method.clone(), path, &headers, body).await;
        assert!([200, 202].contains(&status), "{method} {path}: {status} {answer}");
        // An answer that does not say which entry it was is the same also where it was done again.
        let by_entry = answer["applied"].is_u64() || write.shown.contains(&Fault::Twice);
        assert!(
            by_entry,
            "{method} {path}: {answer} says no entry: a test of its own is to show a repeat"
        );
        // How the group stands is as of each answer.
        let fields = answer.as_object_mut().unwrap();
        fields.retain(|name, _| !["term", "revision", "leader"].contains(&name.as_str()));
        assert_eq!(*first.get_or_insert(answer.clone()), answer, "{method} {path}");
    }
    for member in members {
        // And that is not done.
        let (path, body) = ("/v1/customers/other", &json!({}));
        let asked = Asked { path, body, headers: vec![key.clone()] };
        refused(group, member, &Method::PUT, asked, Code::Conflict).await;
    }
    if write.conditional && *method == Method::PUT {
        // Now that it is there, by another revision.
        for member in members {
            let headers = vec![keyed(group), (IF_MATCH, "\"1\"".to_owned())];
            let asked = Asked { path, body, headers };
            refused(group, member, method, asked, Code::PreconditionFailed).await;
        }
    }
}

/// One that is refused as a whole gets the same answer again under its key.
async fn refused_twice(group: &Group, members: [usize; 2], write: &Write) {
    let Write { method, path, body, .. } = write;
    let Some(code) = write.refusal() else {
        let elsewhere = write.shown.contains(&Fault::Twice);
        assert!(
            elsewhere,
            "{method} {path}: neither done nor refused here, and no test shows a repeat"
        );
        return;
    };
    let headers = vec![keyed(group)];
    for member in members {
        let asked = Asked { path, body, headers: headers.clone() };
        refused(group, member, method, asked, code).await;
    }
}

/// The body with a field that nobody knows, in each of its objects in turn.
fn coloured(body: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match body {
        Value::Object(fields) => {
            let mut own = body.clone();
            own["colour"] = "red".into();
            found.push(own);
            // Their names are the operator's own.
            let fixed = fields
                .iter()
                .filter(|(name, _)| !["arguments", "environment"].contains(&name.as_str()));
            for (name, value) in fixed {
                found.extend(coloured(value).into_iter().map(|value| {
                    let mut whole = body.clone();
                    whole[name.as_str()] = value;
                    whole
                }));
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate().take(1) {
                found.extend(coloured(item).into_iter().map(|item| {
                    let mut whole = body.clone();
                    whole[at] = item;
                    whole
                }));
            }
        }
        _ => {}
    }
    found
}
