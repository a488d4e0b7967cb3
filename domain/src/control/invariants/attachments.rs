//! T1 of Traders that their customers run themselves: another copy, or none, has another and a higher right, and whoever got
//! it is fenced for before anybody may start under it. Decided over one entry or several.

use crate::control::machine::Machine;
use alloc::{format, string::String, vec::Vec};

pub(super) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    for row in after.attachments() {
        let (trader, now) = (&row.trader, &row.attachment);
        if after.trader(trader).is_some_and(|row| !row.spec.is_self_managed()) {
            found
                .push(format!("T1: {trader} is run by its TraderManager, and has a copy attached"));
        }
        let old = before.attachment(trader);
        if old.is_some_and(|old| old.epoch > now.epoch) {
            found.push(format!("T1: the right of {trader} went back to {}", now.epoch));
        }
        if old.is_some_and(|old| old.epoch == now.epoch && old.copy != now.copy) {
            found.push(format!("T1: two copies of {trader} have the right {}", now.epoch));
        }
    }
    found
}
