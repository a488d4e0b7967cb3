//! Claims about every address that changes something: what is wrong with a request is told with its own code and
//! changes nothing, and a repeat gets the first answer, by way of any member.

mod table;

use super::{
    eventually,
    group::{Group, SOON},
};
use serde_json::{Value, json};
use table::{declarations, deletions, drains, group_members, others, rebalances, scaling};
use tradewind_domain::control::level::FeatureLevel;
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    control::{IDEMPOTENCY_KEY, format_key},
    resources::IF_MATCH,
    terms::{WHO, WHY},
};

/// One address. What is asked for wrongly stands beside what is asked for rightly.
struct Write {
    method: Method,
    path: String,
    body: Value,
    /// Takes `If-Match`.
    conditional: bool,
    /// Takes who asks for it, and why.
    audited: bool,
    /// Here it is only asked for wrongly: done, it would change the group that the test runs on.
    only_wrong: bool,
    wrong: Vec<(String, Value, Code)>,
    /// What cannot be wrong with it, and why not.
    lacks: Vec<(Fault, &'static str)>,
}

/// What is asked wrongly of every change where it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NotThere,
    WrongState,
    TooLong,
}

impl Fault {
    const ALL: [Self; 3] = [Self::NotThere, Self::WrongState, Self::TooLong];

    /// Whether a row asks for it.
    fn is_asked(self, write: &Write) -> bool {
        let worded = self == Self::TooLong && write.audited;
        worded
            || write.wrong.iter().any(|(path, body, code)| match self {
                Self::NotThere => *code == Code::NotFound,
                Self::WrongState => [409, 412].contains(&code.status()),
                // Of one that says why the words are too long for all alike.
                Self::TooLong => {
                    let longer = |one: &str, than: &str| one.len() > than.len() + 10;
                    longer(path, &write.path) || longer(&body.to_string(), &write.body.to_string())
                }
            })
    }
}

fn write(method: Method, path: &str, body: Value) -> Write {
    Write {
        method,
        path: path.to_owned(),
        body,
        conditional: false,
        audited: false,
        only_wrong: false,
        wrong: Vec::new(),
        lacks: Vec::new(),
    }
}

fn put(path: &str, body: Value) -> Write {
    Write { conditional: true, audited: true, ..write(Method::PUT, path, body) }
}

fn delete(path: &str) -> Write {
    Write { conditional: true, audited: true, ..write(Method::DELETE, path, Value::Null) }
}

fn audited(write: Write) -> Write {
    Write { audited: true, ..write }
}

impl Write {
    /// The same request at another address.
    fn at(self, path: &str, code: Code) -> Self {
        let body = self.body.clone();
        self.wrong(path.to_owned(), body, code)
    }

    /// The same request with another body.
    fn with(self, body: Value, code: Code) -> Self {
        let path = self.path.clone();
        self.wrong(path, body, code)
    }

    /// The same request with one field changed.
    fn field(self, name: &str, value: Value, code: Code) -> Self {
        let mut body = self.body.clone();
        body[name] = value;
        self.with(body, code)
    }

    /// The same request for a name that is too long by one letter.
    fn long_name(self) -> Self {
        let (before, _) = self.path.rsplit_once('/').unwrap();
        let path = format!("{before}/{}", "n".repeat(64));
        self.at(&path, Code::MalformedRequest)
    }

    /// What cannot be wrong with it.
    fn without(mut self, fault: Fault, why: &'static str) -> Self {
        self.lacks.push((fault, why));
        self
    }

    fn wrong(mut self, path: String, body: Value, code: Code) -> Self {
        self.wrong.push((path, body, code));
        self
    }
}

async fn refused(group: &Group, member: usize, method: &Method, asked: Asked<'_>, code: Code) {
    let Asked { path, body, headers } = asked;
    let (status, headers, answer) = group.ask(member, method.clone(), path, &headers, body).await;
    let place = format!("{method} {path} {body}: {answer}");
    assert_eq!(headers.get("content-type").unwrap(), "application/problem+json", "{place}");
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

struct Asked<'a> {
    path: &'a str,
    body: &'a Value,
    headers: Vec<(&'static str, String)>,
}

/// Everything that can be wrong with it first; then as it should be, twice.
async fn check(group: &Group, members: [usize; 2], write: &Write) {
    let Write { method, path, body, .. } = write;
    let keyed = || (IDEMPOTENCY_KEY, format_key(&group.keys.next()));
    for member in members {
        let asked = Asked { path, body, headers: Vec::new() };
        refused(group, member, method, asked, Code::IdempotencyKeyMissing).await;
        let headers = vec![(IDEMPOTENCY_KEY, "no key".to_owned())];
        refused(group, member, method, Asked { path, body, headers }, Code::MalformedRequest).await;
        for body in coloured(body) {
            let asked = Asked { path, body: &body, headers: vec![keyed()] };
            refused(group, member, method, asked, Code::MalformedRequest).await;
        }
        for (path, body, code) in &write.wrong {
            let asked = Asked { path, body, headers: vec![keyed()] };
            refused(group, member, method, asked, *code).await;
        }
        for (name, text) in [(WHO, "%zz"), (WHY, "a%0Ab")] {
            let headers = vec![keyed(), (name, text.to_owned())];
            if write.audited {
                let code = Code::MalformedRequest;
                refused(group, member, method, Asked { path, body, headers }, code).await;
            }
        }
        if write.audited {
            let headers = vec![keyed(), (WHY, "w".repeat(1_025))];
            refused(group, member, method, Asked { path, body, headers }, Code::Refused).await;
        }
        for (tag, code) in [("\"1\"", Code::PreconditionFailed), ("1", Code::MalformedRequest)] {
            let headers = vec![keyed(), (IF_MATCH, tag.to_owned())];
            if write.conditional {
                refused(group, member, method, Asked { path, body, headers }, code).await;
            }
        }
    }
    if write.only_wrong {
        return refused_twice(group, members, write).await;
    }
    let headers = [keyed()];
    let mut first = None;
    for member in members {
        let (status, _, mut answer) = group.ask(member, method.clone(), path, &headers, body).await;
        assert!([200, 202].contains(&status), "{method} {path}: {status} {answer}");
        // How the group stands is as of each answer.
        let fields = answer.as_object_mut().unwrap();
        fields.retain(|name, _| !["term", "revision", "leader"].contains(&name.as_str()));
        assert_eq!(*first.get_or_insert(answer.clone()), answer, "{method} {path}");
    }
    for member in members {
        // Its key is answered for nothing else, and that is not done.
        let (path, body) = ("/v1/customers/other", &json!({}));
        let asked = Asked { path, body, headers: headers.to_vec() };
        refused(group, member, &Method::PUT, asked, Code::Conflict).await;
    }
    if write.conditional && *method == Method::PUT {
        // Now that it is there, by another revision.
        for member in members {
            let headers = vec![keyed(), (IF_MATCH, "\"1\"".to_owned())];
            let asked = Asked { path, body, headers };
            refused(group, member, method, asked, Code::PreconditionFailed).await;
        }
    }
}

/// One that is refused as a whole gets the same answer again under its key.
async fn refused_twice(group: &Group, members: [usize; 2], write: &Write) {
    let Write { method, path, body, .. } = write;
    let whole = write.wrong.iter().find(|(wrong, with, _)| wrong == path && with == body);
    let headers = vec![(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
    for member in members {
        let Some((_, _, code)) = whole else { return };
        let asked = Asked { path, body, headers: headers.clone() };
        refused(group, member, method, asked, *code).await;
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

fn rows() -> Vec<Write> {
    let all =
        [group_members(), others(), drains(), scaling(), rebalances(), declarations(), deletions()];
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
            assert!(!of.is_empty(), "{place} has no row in tests/writes/table.rs");
            let conditional = of.iter().any(|row| row.conditional);
            assert_eq!(conditional, takes(operation, "If-Match"), "{place}: If-Match");
            let audited = of.iter().any(|row| row.audited);
            assert_eq!(audited, takes(operation, "tradewind-who"), "{place}: tradewind-who");
            for fault in Fault::ALL {
                let asked = of.iter().any(|row| fault.is_asked(row));
                let lacks = of.iter().any(|row| row.lacks.iter().any(|(lack, _)| *lack == fault));
                if asked == lacks {
                    faults.push(format!("{place}: {fault:?}: asked {asked}, said to lack {lacks}"));
                }
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
    // What is asked wrongly as a whole is told before anybody is looked for.
    let rows = rows();
    let right = rows.iter().filter(|row| {
        !row.wrong.iter().any(|(path, body, _)| *path == row.path && *body == row.body)
    });
    let asked = right.map(|row| {
        let group = &group;
        async move {
            let Write { method, path, body, .. } = row;
            let headers = [(IDEMPOTENCY_KEY, format_key(&group.keys.next()))];
            let (_, _, answer) = group.ask(rest, method.clone(), path, &headers, body).await;
            let problem: Problem = serde_json::from_value(answer).unwrap();
            assert_eq!(problem.code, Code::NoLeader, "{method} {path}: {problem}");
            assert!(problem.retry_after_ms.is_some(), "{method} {path}");
        }
    });
    let asked = futures_util::future::join_all(asked).await;
    assert!(asked.len() > 25, "{} changes", asked.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_change_is_told_by_its_code_and_a_repeat_gets_the_first_answer() {
    let group = Group::of(3).await;
    let members = [group.followers().await[0], group.leader().await];
    eventually("the level is raised", SOON, async || {
        group.status(0).await.is_ok_and(|status| status.level == Some(FeatureLevel::KNOWN))
    })
    .await;
    let all = [group_members(), others(), drains(), scaling(), rebalances(), declarations()];
    for write in all.iter().flatten() {
        check(&group, members, write).await;
    }
    for write in &deletions() {
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
}
