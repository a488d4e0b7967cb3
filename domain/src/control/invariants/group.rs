//! M1: a node id names one disk for ever and is given once. M2: at most one member is being removed. Decides
//! both from two states; written once for all levels of tests.

use crate::control::{group::AdmissionRow, machine::Machine};
use alloc::{format, string::String, vec::Vec};

pub(super) fn violations(before: &Machine, after: &Machine) -> Vec<String> {
    let mut found = Vec::new();
    let next = after.group().map(|group| group.next_node);
    let given = before.group().map(|group| group.next_node);
    if given.is_some() && next < given {
        found.push(format!("M1: the next node id went back from {given:?} to {next:?}"));
    }
    for row in after.admissions() {
        found.extend(told_apart(before, row));
        if next.is_some_and(|next| row.node >= next) {
            found.push(format!(
                "M1: node {} is a member, and its number is still to give",
                row.node
            ));
        }
    }
    let removing = after.admissions().filter(|row| row.is_removing()).count();
    if removing > 1 {
        found.push(format!("M2: {removing} members are being removed at once"));
    }
    found
}

fn told_apart(before: &Machine, row: &AdmissionRow) -> Option<String> {
    let node = row.node;
    match before.admission(node) {
        Some(held) => (held.disk.is_some() && held.disk != row.disk)
            .then(|| format!("M1: node {node} is the disk {:?}, and {:?}", held.disk, row.disk)),
        None => before
            .group()
            .is_some_and(|group| node < group.next_node)
            .then(|| format!("M1: the number {node} was given before")),
    }
}
