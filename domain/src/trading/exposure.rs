//! Exposure: what somebody has of an instrument and may come to have. Decides how fills and orders count; whose it is,
//! and what is too much, are decided by the Broker and by `risk`.
//!
//! The position is the sum of the fills. What an open order may still come to counts in full, also of one whose outcome
//! is not known; of two terms that may both hold the larger.

use super::order::{Order, Side};
use crate::money::Quantity;
use rust_decimal::Decimal;

/// More than any order has, few enough that 10,000,000,000 of them can be summed: an order counts as no more.
const COUNTED: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

/// In units of the instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Bought less sold: below zero it is short.
    pub position: Decimal,
    /// What open orders may still buy.
    pub buying: Decimal,
    /// What open orders may still sell.
    pub selling: Decimal,
}

impl Exposure {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.position.is_zero() && self.buying.is_zero() && self.selling.is_zero()
    }

    /// What may trade on that side until the position is nothing; below zero, that side makes it larger.
    #[must_use]
    pub fn room(&self, side: Side) -> Decimal {
        match side {
            Side::Buy => -self.position,
            Side::Sell => self.position,
        }
    }

    /// The same beside what is open on that side already, all of which may trade before it.
    #[must_use]
    pub fn room_beside(&self, side: Side) -> Decimal {
        let before = match side {
            Side::Buy => self.buying,
            Side::Sell => self.selling,
        };
        self.room(side) - before
    }

    /// A fill was made.
    pub fn fill(&mut self, side: Side, quantity: Quantity) {
        match side {
            Side::Buy => self.position += counted(quantity),
            Side::Sell => self.position -= counted(quantity),
        }
    }

    /// An order stands from now on as it is here.
    pub fn open(&mut self, order: &Order) {
        *self.side_mut(order.side) += counted(left(order));
    }

    /// An order no longer stands as it is here: the reverse of [`Exposure::open`].
    pub fn close(&mut self, order: &Order) {
        *self.side_mut(order.side) -= counted(left(order));
    }

    fn side_mut(&mut self, side: Side) -> &mut Decimal {
        match side {
            Side::Buy => &mut self.buying,
            Side::Sell => &mut self.selling,
        }
    }
}

/// What an order may still come to.
#[must_use]
pub fn left(order: &Order) -> Quantity {
    if order.state.is_terminal() {
        return Quantity::ZERO;
    }
    order.quantity_at_most().checked_sub(order.filled_quantity).unwrap_or(Quantity::ZERO)
}

fn counted(quantity: Quantity) -> Decimal {
    quantity.decimal().min(COUNTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trading::{
        order::tests::{fill, order},
        replace::ReplaceOrder,
    };
    use crate::{
        ids::ClientOrderId,
        time::UnixNanos,
        trading::{OrderState, OrderType},
    };
    use alloc::string::ToString;

    #[test]
    fn an_order_counts_until_its_end_also_while_its_outcome_is_not_known() {
        for state in OrderState::ALL {
            let mut order = order("2");
            order.state = state;
            let counts = !state.is_terminal();
            assert_eq!(left(&order).to_string(), if counts { "2" } else { "0" }, "{state:?}");
        }
    }

    #[test]
    fn while_a_replace_is_on_its_way_the_larger_counts_less_what_is_filled() {
        let mut new = order("2").filled_by(&fill(&order("2"), "0.5")).expect("fits");
        new.order_type = OrderType::Limit;
        for (quantity, expected) in [("3", "2.5"), ("1", "1.5")] {
            let ask = ReplaceOrder {
                replace_id: ClientOrderId::new("r").expect("legal"),
                version: new.version,
                quantity: quantity.parse().ok(),
                limit_price: None,
            };
            let by = ask.of(&new).expect("possible");
            let pending = new.replacing(by, UnixNanos(9)).expect("legal");
            assert_eq!(left(&pending).to_string(), expected, "to {quantity}");
        }
    }

    #[test]
    fn an_amount_beyond_all_sense_does_not_spoil_the_sum() {
        let mut exposure = Exposure::default();
        let huge = order("79000000000000000000000000000");
        exposure.open(&order("1"));
        for _ in 0..100 {
            exposure.open(&huge);
        }
        for _ in 0..100 {
            exposure.close(&huge);
        }
        assert_eq!(exposure.buying, Decimal::ONE);
        assert_eq!(COUNTED.to_string(), "1000000000000000000");
    }
}
