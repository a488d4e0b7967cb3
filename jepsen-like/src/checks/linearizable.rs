//! R1, R2, L1 of registers and registrations: each key by itself is linearizable. Decides how operations are read from
//! their values; the search is `linear`'s.

use super::{Checked, Finding, text};
use crate::{
    calls::{Call, Outcome},
    linear::{
        Entry, Model, STATES_MAX, Verdict,
        register::{self, Register, RegisterOperation},
        registry::{self, Registry, RegistryOperation},
        search,
    },
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const NAMES: [&str; 5] = ["write", "read", "cas", "acquire", "check-in"];

#[must_use]
pub fn check(calls: &[Call]) -> Checked {
    let own = calls.iter().filter(|call| NAMES.contains(&call.f.as_str()));
    let mut by_key = BTreeMap::<String, Vec<&Call>>::new();
    let mut checked = Checked::default();
    for call in own {
        match call.asked.get(0) {
            Some(key) => by_key.entry(text(key)).or_default().push(call),
            None => checked.undecided.push(format!("operation {} names no key", call.begun)),
        }
    }
    for (key, calls) in by_key {
        let registers = calls.iter().any(|call| matches!(call.f.as_str(), "acquire" | "check-in"));
        if registers {
            let (lives, ages) = lives(&calls);
            let registry = Registry { ages };
            let read = |call: &Call| of_registry(call, &lives);
            judge(&mut checked, &key, &calls, &registry, read, registry::noticed, "R2");
        } else {
            judge(&mut checked, &key, &calls, &Register, of_register, register::noticed, "R1");
        }
    }
    checked
}

/// `None` where the value cannot be read.
type Read<O> = Option<O>;

fn judge<M: Model>(
    checked: &mut Checked,
    key: &str,
    calls: &[&Call],
    model: &M,
    read: impl Fn(&Call) -> Read<M::Operation>,
    noticed: impl Fn(Vec<Entry<M::Operation>>) -> Vec<Entry<M::Operation>>,
    invariant: &str,
) {
    let mut entries = Vec::new();
    for call in calls.iter().filter(|call| call.outcome != Outcome::Fail) {
        let Some(operation) = read(call) else {
            let what = format!("operation {}: the value cannot be read", call.begun);
            checked.undecided.push(what);
            continue;
        };
        let ended = call.ended.filter(|_| call.outcome == Outcome::Ok);
        entries.push(Entry { operation, begun: call.begun, ended });
    }
    let entries = noticed(entries);
    match search(model, &entries, STATES_MAX) {
        Verdict::Linearizable => {}
        Verdict::Not { at } => {
            let begun = entries[at].begun;
            let call = calls.iter().find(|call| call.begun == begun);
            let what = call.map_or_else(String::new, |call| format!("{} {}", call.f, call.told));
            let text =
                format!("`{key}` is not linearizable: no order of its operations explains {what}");
            let shown = call.into_iter().flat_map(|call| [Some(call.begun), call.ended]);
            checked.found(Some(Finding::new(invariant, text, shown.flatten())));
        }
        Verdict::GaveUp { tried } => {
            checked.undecided.push(format!("`{key}`: the search was given up after {tried} states"))
        }
    }
}

fn of_register(call: &Call) -> Read<RegisterOperation> {
    match call.f.as_str() {
        "write" => Some(RegisterOperation::Write(call.asked.get(1)?.as_i64()?)),
        "cas" => {
            let pair = call.asked.get(1)?;
            Some(RegisterOperation::Cas(pair.get(0)?.as_i64()?, pair.get(1)?.as_i64()?))
        }
        _ => match call.told.get(1)? {
            Value::Null => Some(RegisterOperation::Read(None)),
            seen => Some(RegisterOperation::Read(Some(seen.as_i64()?))),
        },
    }
}

/// Incarnations by number, and whether the numbers are their own: then they tell which one is the older.
fn lives(calls: &[&Call]) -> (BTreeMap<String, u64>, bool) {
    let mut seen = BTreeSet::<String>::new();
    let mut note = |value: Option<&Value>| {
        seen.extend(value.filter(|life| !life.is_null()).map(text));
    };
    for call in calls {
        match call.f.as_str() {
            "acquire" => note(call.asked.get(1)),
            "check-in" => note(call.asked.get(1).and_then(|held| held.get(0))),
            _ => note(call.told.get(1).and_then(|held| held.get(0))),
        }
    }
    let own: Option<BTreeMap<String, u64>> =
        seen.iter().map(|life| Some((life.clone(), life.parse().ok()?))).collect();
    let ages = own.is_some();
    (own.unwrap_or_else(|| seen.into_iter().zip(1_u64..).collect()), ages)
}

fn of_registry(call: &Call, lives: &BTreeMap<String, u64>) -> Read<RegistryOperation> {
    let life = |value: &Value| lives.get(&text(value)).copied();
    let told = call.told.get(1)?;
    match (call.f.as_str(), call.outcome) {
        ("acquire", Outcome::Ok) => {
            Some(RegistryOperation::Acquire(life(call.asked.get(1)?)?, Some(told.as_u64()?)))
        }
        ("acquire", _) => Some(RegistryOperation::Acquire(life(call.asked.get(1)?)?, None)),
        // Of a life that was taken for down meanwhile it may have been a new registration.
        ("check-in", Outcome::Info) => {
            Some(RegistryOperation::Acquire(life(call.asked.get(1)?.get(0)?)?, None))
        }
        ("check-in", _) => {
            Some(RegistryOperation::CheckIn(life(told.get(0)?)?, told.get(1)?.as_u64()?))
        }
        _ if told.is_null() => Some(RegistryOperation::Read(None)),
        _ => Some(RegistryOperation::Read(Some((life(told.get(0)?)?, told.get(1)?.as_u64()?)))),
    }
}
