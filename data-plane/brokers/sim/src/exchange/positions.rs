//! What each account has of an instrument: bought less sold. Decides how much of an order may trade that must only make
//! that smaller; what becomes of the rest is decided by `matching`.

use std::collections::BTreeMap;

use tradewind_domain::{ids::AccountId, trading::Side};

use crate::instrument::Lots;

/// In lots; accounts that have nothing are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions(BTreeMap<AccountId, i128>);

impl Positions {
    pub(super) fn fill(&mut self, account: &AccountId, side: Side, quantity: Lots) {
        let held = self.0.entry(account.clone()).or_default();
        // Of 64 bits each: no number of fills that a ledger can hold comes near the ends.
        *held += match side {
            Side::Buy => i128::from(quantity.0),
            Side::Sell => -i128::from(quantity.0),
        };
        if *held == 0 {
            self.0.remove(account);
        }
    }

    /// What may trade on that side until there is nothing left.
    pub(super) fn room(&self, account: &AccountId, side: Side) -> Lots {
        let held = self.0.get(account).copied().unwrap_or_default();
        let room = match side {
            Side::Buy => -held,
            Side::Sell => held,
        };
        Lots(u64::try_from(room.max(0)).unwrap_or(u64::MAX))
    }
}
