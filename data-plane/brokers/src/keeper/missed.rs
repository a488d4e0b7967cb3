//! What the venue has shown and could not be written down. Decides what is remembered of it until it can be, in this life:
//! what a later one does not know it is shown again, since no sweep counts as complete meanwhile.

use crate::limits::{EXTERNAL_MISSED, EXTERNAL_WARNED_EVERY, RETRY_AFTER_MS};
use std::{
    collections::{BTreeSet, HashSet},
    time::Instant,
};
use tradewind_domain::ids::{ClientOrderId, ExecId, VenueOrderId};
use tradewind_protocol::problem::{Code, Problem};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Missed {
    /// There is something, remembered here or not.
    pub(super) any: bool,
    /// Ids of orders that are not the ledger's, of those that orders from here may have.
    ids: HashSet<VenueOrderId>,
    /// Fills of our orders beyond what was ordered.
    overfills: BTreeSet<ExecId>,
    /// Orders that were filled beyond what they were then replaced by.
    pub(super) replaced: BTreeSet<VenueOrderId>,
    /// New external orders that operators were not warned of yet.
    untold: u64,
    warned: Option<Instant>,
}

impl Missed {
    /// An external order, or one that an external fill is of.
    pub(super) fn order(&mut self, id: Option<VenueOrderId>) {
        if self.ids.len() < EXTERNAL_MISSED {
            self.ids.extend(id);
        }
    }

    /// It stands in the ledger, which refuses its id from now on.
    pub(super) fn is_written(&mut self, id: Option<VenueOrderId>) {
        id.map(|id| self.ids.remove(&id));
    }

    /// Whether no external order is known to have that id.
    pub(super) fn check_unused(
        &self,
        id: &VenueOrderId,
        name: &ClientOrderId,
    ) -> Result<(), Problem> {
        if self.ids.contains(id) {
            let what = "an order at the venue that this ledger does not know";
            let detail = format!("{name} was used for {what}: take another id");
            return Err(Problem::new(Code::Conflict, detail));
        }
        if self.ids.len() >= EXTERNAL_MISSED {
            let why =
                "more orders are at the venue than can be remembered without the ledger's copy";
            return Err(Problem::new(Code::Unavailable, why).retry_after_ms(RETRY_AFTER_MS));
        }
        Ok(())
    }

    /// Whether this is the first word of an overfill.
    pub(super) fn overfill(&mut self, exec_id: &ExecId) -> bool {
        self.overfills.len() >= EXTERNAL_MISSED || self.overfills.insert(exec_id.clone())
    }

    pub(super) fn is_overfill_written(&mut self, exec_id: &ExecId) {
        self.overfills.remove(exec_id);
    }

    /// For operators.
    pub(super) fn in_words(&self) -> String {
        let mut words = String::new();
        if !self.overfills.is_empty() {
            words += &format!(
                ", fills beyond what was ordered that are not written down and count in no position: {}",
                self.overfills.len()
            );
        }
        if self.any {
            words +=
                ", external orders are not known: the copy holder is away or of an earlier build";
        }
        words
    }

    /// One more that operators are to be warned of.
    pub(super) fn is_new(&mut self) {
        self.untold += 1;
    }

    /// Of how many they are to be warned now, if of any.
    pub(super) fn untold_now(&mut self, now: Instant) -> Option<u64> {
        let quiet = |at: Instant| now.duration_since(at) < EXTERNAL_WARNED_EVERY;
        if self.untold == 0 || self.warned.is_some_and(quiet) {
            return None;
        }
        self.warned = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn operators_are_warned_once_in_a_while_of_all_that_is_new() {
        let mut missed = Missed::default();
        let now = Instant::now();
        assert_eq!(missed.untold_now(now), None);
        missed.is_new();
        assert_eq!(missed.untold_now(now), Some(1));
        (0..3).for_each(|_| missed.is_new());
        assert_eq!(missed.untold_now(now + EXTERNAL_WARNED_EVERY / 2), None);
        assert_eq!(missed.untold_now(now + EXTERNAL_WARNED_EVERY), Some(3));
        assert_eq!(missed.untold_now(now + EXTERNAL_WARNED_EVERY * 3), None);
    }

    #[test]
    fn with_more_than_can_be_remembered_no_id_counts_as_free() {
        let mut missed = Missed::default();
        let name = ClientOrderId::new("o-1").unwrap();
        let id = |number: usize| -> VenueOrderId { format!("{number:032x}").parse().unwrap() };
        for number in 1..EXTERNAL_MISSED {
            missed.order(Some(id(number)));
        }
        let code =
            |missed: &Missed, number| missed.check_unused(&id(number), &name).map_err(|p| p.code);
        assert_eq!(code(&missed, 1), Err(Code::Conflict));
        assert_eq!(code(&missed, EXTERNAL_MISSED), Ok(()));
        missed.order(Some(id(EXTERNAL_MISSED)));
        assert_eq!(code(&missed, EXTERNAL_MISSED + 1), Err(Code::Unavailable));
        missed.is_written(Some(id(1)));
        assert_eq!(code(&missed, 1), Ok(()), "the ledger refuses it");
    }

    #[test]
    fn an_overfill_is_news_once() {
        let mut missed = Missed::default();
        let exec = ExecId::new("x-1").unwrap();
        assert!(missed.overfill(&exec) && !missed.overfill(&exec));
        assert!(missed.in_words().contains("count in no position: 1"));
        missed.is_overfill_written(&exec);
        assert_eq!(missed.in_words(), "");
    }
}
