//! What executions add up to. Decides which events of our own an order has had, from messages that are thin,
//! come twice, and race with the answers to requests.
//!
//! E1 a fill is its `exec_id`: told once, however often and by whichever way it comes (the stream, a snapshot of
//! the last fifty, `TradesHistory`). E2 an order is told as ended once. It is filled when what was filled
//! reaches its quantity or a `filled` event says so, never because a `trade` says it is: the one that completes an
//! order says `partially_filled`, and those of a snapshot say `filled` whether it is or not. E3 what a message
//! leaves out is as it was.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rust_decimal::Decimal;
use tradewind_domain::{
    money::{Price, Quantity},
    time::UnixNanos,
    trading::OrderState,
};

use crate::number::Number;
use crate::rest::{RestOrder, RestStatus, RestTrade};
use crate::ws::private::{ExecType, Execution, OrderStatus};

/// Ended orders that are remembered. Beyond it a fill that is sent again is told again: the ledger, which
/// never forgets one, passes it over.
const ENDED_KEPT: usize = 4_096;

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub order_id: String,
    /// Ours, if the order has one and it is known yet.
    pub cl_ord_id: Option<String>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is at the venue.
    Open,
    Amended {
        quantity: Option<Quantity>,
        limit_price: Option<Price>,
    },
    Fill {
        exec_id: String,
        quantity: Quantity,
        price: Price,
        at: UnixNanos,
    },
    /// Filled, canceled or expired.
    Ended {
        state: OrderState,
        reason: Option<String>,
    },
}

/// A message that lacks what it must have. What the order has had is to be listed by REST.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an execution of order {order_id} has no {lacks}")]
pub struct Incomplete {
    pub order_id: String,
    pub lacks: &'static str,
}

/// The number of a subscription's messages. It begins anew with each subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequence {
    last: u64,
}

/// Messages are missing: subscribe again, then list by REST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message {found} came where {expected} was due")]
pub struct Hole {
    pub expected: u64,
    pub found: u64,
}

impl Sequence {
    /// The next message has that number.
    pub fn next(&mut self, found: u64) -> Result<(), Hole> {
        let expected = self.last + 1;
        if found != expected {
            return Err(Hole { expected, found });
        }
        self.last = found;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Order {
    cl_ord_id: Option<String>,
    quantity: Option<Decimal>,
    /// The sum of the fills that are known, and the most the venue has said.
    filled: Decimal,
    said: Decimal,
    fills: BTreeSet<String>,
    is_open: bool,
    ended: bool,
}

/// All orders of an account that were heard of.
#[derive(Debug, Default)]
pub struct Orders {
    orders: BTreeMap<String, Order>,
    /// Ended, the first to end first.
    ended: VecDeque<String>,
}

impl Orders {
    /// An answer named an order: from now on events of it bear our id, even if the first one does not.
    pub fn answered(&mut self, order_id: &str, cl_ord_id: Option<&str>) -> Vec<Event> {
        let order = self.orders.entry(order_id.to_owned()).or_default();
        if order.cl_ord_id.is_none() {
            order.cl_ord_id = cl_ord_id.map(ToOwned::to_owned);
        }
        let mut events = Vec::new();
        self.open(order_id, &mut events);
        events
    }

    /// Takes an event of the `executions` channel in, of a snapshot or an update.
    pub fn apply(&mut self, event: &Execution) -> Result<Vec<Event>, Incomplete> {
        let id = &event.order_id;
        let order = self.orders.entry(id.clone()).or_default();
        if event.cl_ord_id.is_some() {
            order.cl_ord_id.clone_from(&event.cl_ord_id);
        }
        if let Some(quantity) = event.order_qty {
            order.quantity = Some(quantity.0);
        }
        if let Some(said) = event.cum_qty {
            order.said = order.said.max(said.0);
        }
        let reason = || event.reason.clone().or_else(|| event.cancel_reason.clone());
        let mut events = Vec::new();
        match event.exec_type {
            ExecType::PendingNew | ExecType::IcebergRefill => {}
            ExecType::New | ExecType::Status | ExecType::Restated => self.open(id, &mut events),
            ExecType::Trade => {
                let fill = fill(event)?;
                self.fill(id, fill, &mut events);
                self.end_if_whole(id, &mut events);
            }
            ExecType::Filled => self.end(id, OrderState::Filled, None, &mut events),
            ExecType::Canceled => self.end(id, OrderState::Canceled, reason(), &mut events),
            ExecType::Expired => self.end(id, OrderState::Expired, reason(), &mut events),
            ExecType::Amended => {
                let quantity = event.order_qty.and_then(Number::quantity);
                let limit_price = event.limit_price.and_then(Number::price);
                let what = What::Amended { quantity, limit_price };
                self.tell(id, what, &mut events);
            }
            // The status is all that is known of a kind of event we have no name for.
            ExecType::Unknown => match event.order_status {
                OrderStatus::Canceled => self.end(id, OrderState::Canceled, reason(), &mut events),
                OrderStatus::Expired => self.end(id, OrderState::Expired, reason(), &mut events),
                OrderStatus::New | OrderStatus::PartiallyFilled => self.open(id, &mut events),
                OrderStatus::PendingNew | OrderStatus::Filled | OrderStatus::Unknown => {}
            },
        }
        if !matches!(event.exec_type, ExecType::Trade) {
            self.end_if_whole(id, &mut events);
        }
        Ok(events)
    }

    /// A fill of `TradesHistory`.
    pub fn traded(&mut self, exec_id: &str, trade: &RestTrade) -> Result<Vec<Event>, Incomplete> {
        let lacks = |lacks| Incomplete { order_id: trade.ordertxid.clone(), lacks };
        let quantity = trade.vol.quantity().filter(|quantity| !quantity.is_zero());
        let what = What::Fill {
            exec_id: exec_id.to_owned(),
            quantity: quantity.ok_or_else(|| lacks("quantity"))?,
            price: trade.price.price().ok_or_else(|| lacks("price"))?,
            at: trade.at().ok_or_else(|| lacks("time"))?,
        };
        let mut events = Vec::new();
        self.orders.entry(trade.ordertxid.clone()).or_default();
        self.fill(&trade.ordertxid, what, &mut events);
        self.end_if_whole(&trade.ordertxid, &mut events);
        Ok(events)
    }

    /// An order of `OpenOrders` or `ClosedOrders`. Its fills are to be listed before: it may have ended by them.
    pub fn listed(&mut self, order_id: &str, listed: &RestOrder) -> Vec<Event> {
        let order = self.orders.entry(order_id.to_owned()).or_default();
        if listed.cl_ord_id.is_some() {
            order.cl_ord_id.clone_from(&listed.cl_ord_id);
        }
        order.quantity = Some(listed.vol.0);
        order.said = order.said.max(listed.vol_exec.0);
        let mut events = Vec::new();
        let reason = listed.reason.clone();
        match listed.status {
            RestStatus::Pending => {}
            RestStatus::Open => self.open(order_id, &mut events),
            RestStatus::Closed => self.end(order_id, OrderState::Filled, None, &mut events),
            RestStatus::Canceled => self.end(order_id, OrderState::Canceled, reason, &mut events),
            RestStatus::Expired => self.end(order_id, OrderState::Expired, reason, &mut events),
        }
        events
    }

    /// Orders that are at the venue as far as is known.
    pub fn open_orders(&self) -> impl Iterator<Item = &str> {
        let open = self.orders.iter().filter(|(_, order)| order.is_open && !order.ended);
        open.map(|(id, _)| id.as_str())
    }

    /// What was filled of an order by the fills that are known.
    #[must_use]
    pub fn filled(&self, order_id: &str) -> Option<Decimal> {
        self.orders.get(order_id).map(|order| order.filled)
    }

    /// More was filled than there are fills known of: they are to be listed.
    #[must_use]
    pub fn lacks_fills(&self, order_id: &str) -> bool {
        self.orders.get(order_id).is_some_and(|order| order.said > order.filled)
    }

    fn fill(&mut self, order_id: &str, fill: What, events: &mut Vec<Event>) {
        let (Some(order), What::Fill { exec_id, quantity, .. }) =
            (self.orders.get_mut(order_id), &fill)
        else {
            return;
        };
        if order.fills.insert(exec_id.clone()) {
            order.filled = order.filled.saturating_add(quantity.decimal());
            self.tell(order_id, fill, events);
        }
    }

    fn end_if_whole(&mut self, order_id: &str, events: &mut Vec<Event>) {
        let whole = self.orders.get(order_id).is_some_and(|order| {
            order.quantity.is_some_and(|quantity| {
                quantity > Decimal::ZERO && order.filled.max(order.said) >= quantity
            })
        });
        if whole {
            self.end(order_id, OrderState::Filled, None, events);
        }
    }

    fn open(&mut self, order_id: &str, events: &mut Vec<Event>) {
        let Some(order) = self.orders.get_mut(order_id) else { return };
        if !order.is_open && !order.ended {
            order.is_open = true;
            self.tell(order_id, What::Open, events);
        }
    }

    fn end(
        &mut self,
        order_id: &str,
        state: OrderState,
        reason: Option<String>,
        events: &mut Vec<Event>,
    ) {
        let Some(order) = self.orders.get_mut(order_id) else { return };
        if order.ended {
            return;
        }
        order.ended = true;
        self.tell(order_id, What::Ended { state, reason }, events);
        self.ended.push_back(order_id.to_owned());
        if self.ended.len() > ENDED_KEPT {
            self.ended.pop_front().map(|oldest| self.orders.remove(&oldest));
        }
    }

    fn tell(&self, order_id: &str, what: What, events: &mut Vec<Event>) {
        let cl_ord_id = self.orders.get(order_id).and_then(|order| order.cl_ord_id.clone());
        events.push(Event { order_id: order_id.to_owned(), cl_ord_id, what });
    }
}

fn fill(event: &Execution) -> Result<What, Incomplete> {
    let lacks = |lacks| Incomplete { order_id: event.order_id.clone(), lacks };
    let quantity = event.last_qty.and_then(Number::quantity).filter(|q| !q.is_zero());
    Ok(What::Fill {
        exec_id: event.exec_id.clone().ok_or_else(|| lacks("exec_id"))?,
        quantity: quantity.ok_or_else(|| lacks("last_qty"))?,
        price: event.last_price.and_then(Number::price).ok_or_else(|| lacks("last_price"))?,
        at: event.timestamp.0,
    })
}

#[cfg(test)]
mod tests;
