//! A1: all of a customer's logins under one epoch are at one TraderManager, and his epochs never go back. Decides it
//! from what the logins were told; a login that is over cannot be contradicted by one that began before its end.

use super::{Checked, Finding, named, text};
use crate::calls::{Call, Outcome};
use std::collections::BTreeMap;

struct Login<'a> {
    call: &'a Call,
    manager: String,
    epoch: u64,
}

#[must_use]
pub fn check(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let mut by_customer = BTreeMap::<String, Vec<Login<'_>>>::new();
    for call in named(calls, "login").filter(|call| call.outcome == Outcome::Ok) {
        let part = |name: &str| call.told.get(name).map(text);
        let epoch = call.told.get("epoch").and_then(serde_json::Value::as_u64);
        let (Some(customer), Some(manager), Some(epoch)) =
            (part("customer"), part("manager"), epoch)
        else {
            checked.undecided.push(format!("operation {}: the value cannot be read", call.begun));
            continue;
        };
        by_customer.entry(customer).or_default().push(Login { call, manager, epoch });
    }
    for (customer, mut logins) in by_customer {
        let mut managers = BTreeMap::<u64, &Login<'_>>::new();
        for login in &logins {
            let first = *managers.entry(login.epoch).or_insert(login);
            if first.manager != login.manager {
                let text = format!(
                    "{customer} is with {} and with {} under epoch {}",
                    first.manager, login.manager, login.epoch
                );
                let shown = [first.call.ended, login.call.ended];
                checked.found(Some(Finding::new("A1", text, shown.into_iter().flatten())));
            }
        }
        logins.sort_by_key(|login| login.call.begun);
        let mut over: Vec<&Login<'_>> = logins.iter().collect();
        over.sort_by_key(|login| login.call.ended);
        let mut over = over.into_iter().peekable();
        let mut highest: Option<&Login<'_>> = None;
        for login in &logins {
            while let Some(before) =
                over.next_if(|before| before.call.ended < Some(login.call.begun))
            {
                if highest.is_none_or(|highest| highest.epoch < before.epoch) {
                    highest = Some(before);
                }
            }
            if let Some(before) = highest.filter(|before| before.epoch > login.epoch) {
                let text = format!(
                    "{customer} was sent to {} under epoch {} after epoch {} at {}",
                    login.manager, login.epoch, before.epoch, before.manager
                );
                let shown = [before.call.ended, Some(login.call.begun), login.call.ended];
                checked.found(Some(Finding::new("A1", text, shown.into_iter().flatten())));
            }
        }
    }
    checked
}
