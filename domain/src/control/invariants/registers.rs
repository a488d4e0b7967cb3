//! R1 of registers: an acknowledged write is in every later linearizable read. Decides it by the revisions
//! that the answers name: they must be an order that explains every value and that time agrees with. That is
//! more than linearizability asks for, and takes no search.

use crate::ids::{RegisterId, Revision};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

/// What one client did with one register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterOperation {
    pub register: RegisterId,
    /// When it was asked for, and when the answer came: numbers of a clock that all clients share. None: no
    /// answer came, what happened was found out otherwise.
    pub begun: u64,
    pub ended: Option<u64>,
    pub at: Revision,
    pub effect: RegisterEffect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterEffect {
    Written {
        value: String,
        /// What it was to replace, if that was a condition.
        expected: Option<String>,
    },
    /// By a read, or by a write that was refused for it.
    Seen(Option<String>),
}

/// Everything that no order of the operations by revision explains. Writes that were never carried out must
/// be left out by the caller.
#[must_use]
pub fn register_violations(operations: &[RegisterOperation]) -> Vec<String> {
    let mut found = against_time(operations);
    let mut by_register: BTreeMap<&RegisterId, Vec<&RegisterOperation>> = BTreeMap::new();
    for operation in operations {
        by_register.entry(&operation.register).or_default().push(operation);
    }
    for (register, mut operations) in by_register {
        operations.sort_by_key(|operation| place(operation));
        let mut value: Option<&String> = None;
        let mut written: Option<Revision> = None;
        for operation in operations {
            match &operation.effect {
                RegisterEffect::Written { value: new, expected } => {
                    if written == Some(operation.at) {
                        found.push(format!("R1: {register} written twice at {}", operation.at));
                    }
                    if expected.is_some() && expected.as_ref() != value {
                        found.push(format!(
                            "R1: {register} at {}: {expected:?} was replaced, {value:?} was held",
                            operation.at
                        ));
                    }
                    (value, written) = (Some(new), Some(operation.at));
                }
                RegisterEffect::Seen(seen) => {
                    if seen.as_ref() != value {
                        found.push(format!(
                            "R1: {register} at {}: {seen:?} was seen, {value:?} was held",
                            operation.at
                        ));
                    }
                }
            }
        }
    }
    found
}

/// Writes come before what is seen at their revision.
fn place(operation: &RegisterOperation) -> (Revision, bool) {
    (operation.at, matches!(operation.effect, RegisterEffect::Seen(_)))
}

/// An operation that began after another had ended comes after it.
fn against_time(operations: &[RegisterOperation]) -> Vec<String> {
    let mut found = Vec::new();
    let mut begun: Vec<&RegisterOperation> = operations.iter().collect();
    begun.sort_by_key(|operation| operation.begun);
    let mut ended: Vec<&RegisterOperation> =
        operations.iter().filter(|operation| operation.ended.is_some()).collect();
    ended.sort_by_key(|operation| operation.ended);
    let mut ended = ended.into_iter().peekable();
    let mut latest: Option<&RegisterOperation> = None;
    for operation in begun {
        while let Some(before) = ended.next_if(|before| before.ended < Some(operation.begun)) {
            if latest.is_none_or(|latest| place(latest) < place(before)) {
                latest = Some(before);
            }
        }
        if let Some(before) = latest.filter(|before| place(before) > place(operation)) {
            let register = operation.register.to_string();
            found.push(format!(
                "R1: {register} at {} began after {} at {} had ended",
                operation.at, before.register, before.at
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn operation(begun: u64, ended: u64, at: u64, effect: RegisterEffect) -> RegisterOperation {
        let register = RegisterId::new("r").unwrap();
        let ended = Some(ended).filter(|ended| *ended > 0);
        RegisterOperation { register, begun, ended, at: Revision(at), effect }
    }

    fn wrote(value: &str) -> RegisterEffect {
        RegisterEffect::Written { value: value.to_string(), expected: None }
    }

    fn replaced(expected: &str, value: &str) -> RegisterEffect {
        let expected = Some(expected.to_string());
        RegisterEffect::Written { value: value.to_string(), expected }
    }

    fn saw(value: &str) -> RegisterEffect {
        RegisterEffect::Seen(Some(value.to_string()).filter(|value| !value.is_empty()))
    }

    #[test]
    fn an_order_that_explains_all_is_no_violation() {
        let sound = [
            operation(1, 2, 3, saw("")),
            operation(3, 9, 5, wrote("a")),
            operation(4, 5, 5, saw("a")),
            operation(6, 0, 7, replaced("a", "b")),
            operation(10, 11, 8, saw("b")),
        ];
        assert_eq!(register_violations(&sound), Vec::<String>::new());
    }

    #[test]
    fn what_no_order_explains_is_found() {
        let unsound: [&[RegisterOperation]; 5] = [
            // A read that misses a write that was acknowledged before it began.
            &[operation(1, 2, 5, wrote("a")), operation(3, 4, 4, saw(""))],
            // A read of a value that was never there at its revision.
            &[operation(1, 2, 5, wrote("a")), operation(3, 4, 6, saw("b"))],
            // A write applied twice: seen before the revision that was told.
            &[operation(1, 9, 7, wrote("a")), operation(2, 3, 5, saw("a"))],
            &[operation(1, 9, 7, wrote("a")), operation(2, 3, 7, wrote("b"))],
            &[operation(1, 2, 5, wrote("a")), operation(3, 4, 6, replaced("b", "c"))],
        ];
        for operations in unsound {
            assert!(!register_violations(operations).is_empty(), "{operations:?}");
        }
    }
}
