//! Fills: what the venue's word on one makes of an order.

use crate::{
    ledger::{
        Entry, Ledger,
        record::{Filled, Number, OrderRecord, Record},
    },
    venue::VenueFill,
};
use tradewind_domain::trading::{Fill, order::IllegalChange};
use tradewind_protocol::trade::PrivateChannel;

impl Ledger {
    /// A fill the venue tells of: `None` if it is known or of no order of ours.
    #[must_use]
    pub fn fill(&self, said: &VenueFill) -> Option<Result<Record, IllegalChange>> {
        if self.knows_execution(&said.exec_id) {
            return None;
        }
        let order = &self.entry_at(&said.venue_order_id)?.order;
        let fill = Fill {
            exec_id: said.exec_id.clone(),
            order_id: order.order_id.clone(),
            customer: order.customer.clone(),
            client_order_id: order.client_order_id.clone(),
            instrument: order.instrument.clone(),
            side: order.side,
            quantity: said.quantity,
            price: said.price,
            at: said.at,
        };
        Some(order.filled_by(&fill).map(|next| {
            let fill_number = self.next_number(&order.customer, PrivateChannel::Fills);
            let orders = self.stand(&order.customer).on(PrivateChannel::Orders);
            let filled = Filled {
                fill_number,
                exec_id: fill.exec_id,
                quantity: fill.quantity,
                price: fill.price,
                at: fill.at,
                order_number: Number { seq: fill_number.seq + 1, prev: orders },
                order: OrderRecord::of(&next),
            };
            Record::filled(filled, &next)
        }))
    }

    /// Whether that fill is news, and more than was ordered.
    #[must_use]
    pub fn overfills(&self, said: &VenueFill) -> bool {
        let entry = self.entry_at(&said.venue_order_id);
        let entry = entry.filter(|_| !self.knows_execution(&said.exec_id));
        entry.is_some_and(|Entry { order, .. }| {
            let filled = order.filled_quantity.checked_add(said.quantity);
            filled.is_ok_and(|filled| filled > order.quantity)
        })
    }
}
