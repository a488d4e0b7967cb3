//! Exposures: what the account, each customer and each Trader has of each instrument, and how many orders each has open.
//! Decides whose an order is; how it counts is `domain::trading::exposure`. A function of the records, as all of the
//! ledger.

use super::{Ledger, external::Standing};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use tradewind_domain::{
    ids::{CustomerId, InstrumentId, TraderId},
    money::{Net, Quantity},
    trading::{Order, Side, exposure::Exposure},
};
use tradewind_protocol::{
    orders::{AccountPositions, Held},
    stream::Position,
    token::TraderClaim,
};

/// Whose orders are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// All on the account, with what is external.
    Account,
    Customer(CustomerId),
    Trader(TraderId),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Owned {
    open: u32,
    /// Those of which there is something.
    instruments: BTreeMap<InstrumentId, Exposure>,
}

impl Owned {
    fn change(&mut self, instrument: &InstrumentId, change: impl FnOnce(&mut Exposure)) {
        let held = self.instruments.get(instrument).copied();
        let mut exposure = held.unwrap_or_default();
        change(&mut exposure);
        if exposure.is_nothing() {
            self.instruments.remove(instrument);
        } else if held != Some(exposure) {
            self.instruments.insert(instrument.clone(), exposure);
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposures(BTreeMap<Owner, Owned>);

impl Exposures {
    #[must_use]
    pub fn of(&self, owner: &Owner, instrument: &InstrumentId) -> Exposure {
        let owned = self.0.get(owner);
        owned.and_then(|owned| owned.instruments.get(instrument)).copied().unwrap_or_default()
    }

    #[must_use]
    pub fn open_orders(&self, owner: &Owner) -> u32 {
        self.0.get(owner).map_or(0, |owned| owned.open)
    }

    /// All of which there is something, by instrument.
    pub fn each_of(&self, owner: &Owner) -> impl Iterator<Item = (&InstrumentId, &Exposure)> {
        self.0.get(owner).into_iter().flat_map(|owned| &owned.instruments)
    }

    /// An order that stood as `before`, if it did, stands as `after`.
    pub(super) fn stands(
        &mut self,
        trader: Option<&TraderClaim>,
        before: Option<&Order>,
        after: &Order,
    ) {
        let was_open = before.is_some_and(|order| !order.state.is_terminal());
        self.each(trader, after, |owned| {
            owned.change(&after.instrument, |exposure| {
                before.into_iter().for_each(|order| exposure.close(order));
                exposure.open(after);
            });
            owned.open -= u32::from(was_open);
            owned.open += u32::from(!after.state.is_terminal());
        });
    }

    pub(super) fn filled(
        &mut self,
        trader: Option<&TraderClaim>,
        order: &Order,
        quantity: Quantity,
    ) {
        self.each(trader, order, |owned| {
            owned.change(&order.instrument, |exposure| exposure.fill(order.side, quantity));
        });
    }

    /// An external order that stood as `before`, if it did, stands as `after`, if it does.
    pub(super) fn external_stands(&mut self, before: Option<&Standing>, after: Option<&Standing>) {
        let account = self.0.entry(Owner::Account).or_default();
        account.open -= u32::from(before.is_some());
        account.open += u32::from(after.is_some());
        for (standing, opens) in [(before, false), (after, true)] {
            let Some(terms) = standing.and_then(|standing| standing.terms.as_ref()) else {
                continue;
            };
            let left = counted(terms.left());
            account.change(&terms.instrument, |exposure| {
                let side = match terms.side {
                    Side::Buy => &mut exposure.buying,
                    Side::Sell => &mut exposure.selling,
                };
                if opens { *side += left } else { *side -= left }
            });
        }
    }

    pub(super) fn external_filled(
        &mut self,
        instrument: &InstrumentId,
        side: Side,
        quantity: Quantity,
    ) {
        let account = self.0.entry(Owner::Account).or_default();
        account.change(instrument, |exposure| exposure.fill(side, quantity));
    }

    fn each(&mut self, trader: Option<&TraderClaim>, order: &Order, change: impl Fn(&mut Owned)) {
        let customer = Owner::Customer(order.customer.clone());
        let trader = trader.map(|claim| Owner::Trader(claim.trader.clone()));
        for owner in [Owner::Account, customer].into_iter().chain(trader) {
            change(self.0.entry(owner).or_default());
        }
    }
}

/// What may still trade counts as the fill that it would be: an amount beyond all sense as no more than that counts.
fn counted(left: Quantity) -> Decimal {
    let mut filled = Exposure::default();
    filled.fill(Side::Buy, left);
    filled.position
}

impl Ledger {
    /// A customer's positions as of his last event.
    #[must_use]
    pub fn positions(&self, customer: &CustomerId) -> AccountPositions {
        let held = |(instrument, has): (&InstrumentId, &Exposure)| {
            let quantity = |amount| Quantity::new(amount).unwrap_or(Quantity::ZERO);
            Some(Held {
                instrument: instrument.clone(),
                quantity: Net::new(has.position).ok()?,
                buying: quantity(has.buying),
                selling: quantity(has.selling),
            })
        };
        let owner = Owner::Customer(customer.clone());
        AccountPositions {
            account: self.account().clone(),
            as_of: Position { epoch: self.stream_epoch().clone(), seq: self.stand(customer).seq },
            positions: self.exposures().each_of(&owner).filter_map(held).collect(),
        }
    }
}
