//! N1: what a resource names is there. Decides it from one state: a Trader's customer, those who may use an
//! account, a Broker's account, and a Broker for every account.

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
    found
}
