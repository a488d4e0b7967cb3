//! What the clients asked for and heard. Decides what of it is judged at the end: with the table of answers
//! of the last state it is known of every write whether it was carried out, and at which revision.

use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        IdempotencyKey, Machine, Outcome, Refusal, Row,
        invariants::registers::{RegisterEffect, RegisterOperation, register_violations},
    },
    ids::{RegisterId, Revision},
};

#[derive(Default)]
pub(crate) struct History {
    pub(crate) writes: Vec<Write>,
    pub(crate) reads: Vec<RegisterOperation>,
    /// Commands other than writes of registers, and what was heard of them.
    pub(crate) commands: Vec<(IdempotencyKey, Option<Outcome>)>,
    /// Commands of which every answer said that they were not proposed.
    pub(crate) never: Vec<IdempotencyKey>,
}

pub(crate) struct Write {
    pub(crate) key: IdempotencyKey,
    pub(crate) register: RegisterId,
    pub(crate) value: String,
    pub(crate) expected: Option<String>,
    pub(crate) begun: u64,
    pub(crate) ended: Option<u64>,
    pub(crate) outcome: Option<Outcome>,
    /// The entry of the answer, if it was the first attempt's: a refused write has seen what was held there.
    pub(crate) judged_at: Option<Revision>,
}

impl History {
    /// Everything that is not as the last state and the order of revisions have it.
    pub(crate) fn violations(&self, last: &Machine) -> Vec<String> {
        let answered: BTreeMap<IdempotencyKey, Outcome> = last
            .rows()
            .filter_map(|row| match row {
                Row::Answered(row) => Some((row.key, row.outcome)),
                Row::AnsweredTo(row) => Some((row.answered.key, row.answered.outcome)),
                _ => None,
            })
            .collect();
        let mut found = Vec::new();
        let writes = self.writes.iter().map(|write| (&write.key, &write.outcome));
        let commands = self.commands.iter().map(|(key, outcome)| (key, outcome));
        for (key, outcome) in writes.chain(commands) {
            let kept = answered.get(key);
            if let Some(outcome) = outcome
                && kept != Some(outcome)
            {
                found.push(format!("R1: {key:?} was answered {outcome:?}, kept is {kept:?}"));
            }
        }
        for key in self.never.iter().filter(|key| answered.contains_key(key)) {
            found.push(format!("{key:?} was told as not proposed, and was carried out"));
        }
        let written =
            self.writes.iter().filter_map(|write| write.operation(answered.get(&write.key)));
        let operations: Vec<_> = written.chain(self.reads.iter().cloned()).collect();
        found.extend(register_violations(&operations));
        found
    }

    pub(crate) fn len(&self) -> usize {
        self.writes.len() + self.reads.len() + self.commands.len()
    }
}

impl Write {
    fn operation(&self, kept: Option<&Outcome>) -> Option<RegisterOperation> {
        let (at, effect) = match (self.outcome.as_ref().or(kept)?, self.judged_at) {
            (Outcome::Accepted { revision }, _) => {
                let (value, expected) = (self.value.clone(), self.expected.clone());
                (*revision, RegisterEffect::Written { value, expected })
            }
            (Outcome::Refused { refusal: Refusal::Mismatch { held } }, Some(at)) => {
                (at, RegisterEffect::Seen(held.clone()))
            }
            (Outcome::Refused { .. }, _) => return None,
        };
        let (register, begun, ended) = (self.register.clone(), self.begun, self.ended);
        Some(RegisterOperation { register, begun, ended, at, effect })
    }
}
