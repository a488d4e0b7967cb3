//! Claims about the document of the interface: it says what is served, nothing else, and is the one that is committed.

use super::group::Group;
use crate::{api, openapi};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tradewind_link::rest::{HeaderMap, Method};
use tradewind_protocol::Code;

const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

fn made() -> String {
    openapi::document().to_pretty_json().unwrap() + "\n"
}

/// The methods of each address, as the document has them.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let document: Value = serde_json::from_str(&made()).unwrap();
    let methods = |item: &Value| {
        let names = item.as_object().unwrap().keys();
        names.map(|name| name.to_uppercase()).collect()
    };
    let paths = document["paths"].as_object().unwrap();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[test]
fn the_committed_document_is_the_one_that_is_made() {
    let committed = std::fs::read_to_string(COMMITTED).unwrap();
    if committed == made() {
        return;
    }
    let file = std::env::temp_dir().join("tradewind-openapi.json");
    std::fs::write(&file, made()).unwrap();
    panic!(
        "docs/openapi.json is not what is served any more; write it anew and look at what has changed: \
         cargo run --bin tradewind -- openapi > docs/openapi.json (the same stands in {})",
        file.display()
    );
}

#[test]
fn every_address_that_is_served_is_documented_and_no_other() {
    let served: BTreeSet<String> = api::addresses().paths.into_iter().map(str::to_owned).collect();
    let documented: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(served, documented);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_takes_the_methods_that_are_documented_and_no_others() {
    let group = Group::of(1).await;
    let within = Duration::from_secs(5);
    for (path, documented) in documented() {
        let asked = [
            ("{account}", "k"),
            ("{customer}", "acme"),
            ("{key_id}", "0123456789ab"),
            ("{market}", "m"),
            ("{instrument}", "BTC%2FUSD"),
            ("{trader}", "t"),
            ("{location}", "here"),
            ("{exchange}", "XNYS"),
            ("{scope}", "global"),
            ("{node}", "1"),
            ("{implementation}", "a1"),
            ("{manager}", "a1.trader-manager"),
            ("{broker}", "k.0"),
            ("{target}", "a1"),
            ("{register}", "r"),
            ("{request}", "1"),
        ];
        let asked =
            asked.iter().fold(path.clone(), |path, (name, value)| path.replace(name, value));
        assert!(!asked.contains('{'), "{asked}");
        for method in [Method::GET, Method::PUT, Method::POST, Method::DELETE, Method::PATCH] {
            let address = group.address(0);
            let answer = group.rest.raw(
                method.clone(),
                &address,
                &asked,
                HeaderMap::new(),
                Vec::new().into(),
                within,
            );
            let (status, ..) = answer.await.unwrap();
            let taken = status.as_u16() != Code::MethodNotAllowed.status();
            assert_eq!(taken, documented.contains(method.as_str()), "{method} {path}: {status}");
        }
    }
}

/// Every `$ref` below, and every operation id.
fn collect(value: &Value, refs: &mut BTreeSet<String>, ids: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("$ref", Some(to)) => drop(refs.insert(to.to_owned())),
                    ("operationId", Some(id)) => ids.push(id.to_owned()),
                    _ => collect(value, refs, ids),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, refs, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn what_the_document_refers_to_is_there_and_operations_have_names_of_their_own() {
    let document: Value = serde_json::from_str(&made()).unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let (mut refs, mut ids) = (BTreeSet::new(), Vec::new());
    collect(&document, &mut refs, &mut ids);
    assert!(refs.len() > 40, "{refs:?}");
    for to in refs {
        let pointer = to.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{to} is nowhere");
    }
    let operations: usize = documented().values().map(BTreeSet::len).sum();
    let names: BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), names.len()), (operations, operations));
}

#[test]
fn every_change_has_its_key_every_parameter_of_a_path_is_told_and_every_code_is_listed() {
    let document: Value = serde_json::from_str(&made()).unwrap();
    let whole = |part: &Value| match part["$ref"].as_str() {
        Some(to) => document.pointer(to.trim_start_matches('#')).unwrap().clone(),
        None => part.clone(),
    };
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let has = |within: &str, name: &str| {
                parameters.iter().map(whole).any(|one| one["in"] == within && one["name"] == name)
            };
            let names = path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap());
            for name in names {
                assert!(has("path", name), "{method} {path}: {name}");
            }
            let opens = path.ends_with("/sessions");
            assert_eq!(
                has("header", "Idempotency-Key"),
                method != "get" && !opens,
                "{method} {path}"
            );
            let problem = whole(&operation["responses"]["default"]);
            assert!(problem["content"]["application/problem+json"].is_object(), "{method} {path}");
        }
    }
    let about = document["info"]["description"].as_str().unwrap();
    for code in Code::ALL {
        let word = serde_json::to_value(code).unwrap();
        assert!(about.contains(word.as_str().unwrap()), "{word}");
    }
}

#[test]
fn golden_samples_are_shown_where_something_is_taken_or_given() {
    let document: Value = serde_json::from_str(&made()).unwrap();
    let put = &document["paths"]["/v1/risk/{scope}"]["put"];
    let sample = &put["requestBody"]["content"]["application/json"]["example"];
    assert_eq!(sample["max_order_quantity"], "0.5");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"];
            assert!(body.is_null() || body.get("example").is_some(), "{method} {path}");
        }
    }
}
