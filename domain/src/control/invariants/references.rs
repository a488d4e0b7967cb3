//! N1: what a resource names is there. Decides it from one state: a Trader's customer, those who may use an
//! account, a Broker's account, a Broker for every account, and whom risk settings and trading states are set for.

use crate::control::machine::Machine;
use alloc::{format, string::String, vec::Vec};

pub(super) fn violations(machine: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for row in machine.traders() {
        let customer = &row.spec.customer;
        if machine.customer(customer).is_none() {
            found.push(format!("N1: {} is the Trader of {customer}, who is nobody", row.trader));
        }
    }
    for row in machine.accounts() {
        for customer in &row.spec.customers {
            if machine.customer(customer).is_none() {
                found.push(format!("N1: {customer} may use {} and is nobody", row.account));
            }
        }
        if machine.brokers_of(&row.account).next().is_none() {
            found.push(format!("N1: the account {} has no Broker", row.account));
        }
    }
    for row in machine.brokers() {
        if machine.account(&row.account).is_none() {
            found.push(format!("N1: a Broker is there without its account {}", row.account));
        }
    }
    let risks = machine.risks_after(None).map(|row| ("risk setting", &row.scope));
    let states = machine.trading_states_after(None).map(|row| ("trading state", &row.scope));
    for (what, scope) in risks.chain(states) {
        if machine.check_scope(scope).is_err() {
            found.push(format!("N1: the {what} {scope} is set for nobody"));
        }
    }
    found
}
