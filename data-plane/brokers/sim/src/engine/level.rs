//! One price of a book: the orders that stand there in the order they came, and the street's quantity
//! among them. Decides whose turn it is at this price; which price trades is decided by the book.

use std::collections::VecDeque;

use super::OrderKey;
use crate::instrument::Lots;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Level {
    /// All of the street's quantity at this price.
    street: Lots,
    orders: VecDeque<Resting>,
}

#[derive(Debug)]
struct Resting {
    key: OrderKey,
    left: Lots,
    /// How much of the street stands before this order. Never falls from one order to the next, and is
    /// never more than the street.
    ahead: Lots,
}

/// Who gave, in [`Level::take`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Maker {
    /// None is the street.
    pub(super) key: Option<OrderKey>,
    /// Nothing is left of this order.
    pub(super) done: bool,
}

impl Level {
    pub(super) fn is_empty(&self) -> bool {
        self.street.is_zero() && self.orders.is_empty()
    }

    /// All that stands here.
    pub(super) fn quantity(&self) -> Lots {
        self.orders.iter().fold(self.street, |sum, order| sum.plus(order.left))
    }

    pub(super) fn street(&self) -> Lots {
        self.street
    }

    /// An order joins at the end, behind all of the street.
    pub(super) fn rest(&mut self, key: OrderKey, quantity: Lots) {
        self.orders.push_back(Resting { key, left: quantity, ahead: self.street });
    }

    /// Takes an order out. Gives what was left of it.
    pub(super) fn remove(&mut self, key: OrderKey) -> Option<Lots> {
        let place = self.orders.iter().position(|order| order.key == key)?;
        self.orders.remove(place).map(|order| order.left)
    }

    /// Leaves an order no more than that, in its place. Whether it was larger.
    pub(super) fn reduce(&mut self, key: OrderKey, left: Lots) -> bool {
        let found = self.orders.iter_mut().find(|order| order.key == key && order.left > left);
        found.map(|order| order.left = left).is_some()
    }

    /// Takes up to `wanted` from the one whose turn it is. Nothing only from an empty level.
    pub(super) fn take(&mut self, wanted: Lots) -> (Maker, Lots) {
        match self.orders.front_mut() {
            Some(order) if order.ahead.is_zero() => {
                let taken = wanted.min(order.left);
                order.left = order.left.less(taken);
                let maker = Maker { key: Some(order.key), done: order.left.is_zero() };
                if maker.done {
                    self.orders.pop_front();
                }
                (maker, taken)
            }
            first => {
                let taken = wanted.min(first.map_or(self.street, |order| order.ahead));
                self.street = self.street.less(taken);
                for order in &mut self.orders {
                    order.ahead = order.ahead.less(taken);
                }
                (Maker { key: None, done: false }, taken)
            }
        }
    }

    /// Who gives in which order, and how much: what [`Level::take`] takes.
    pub(super) fn queue(&self) -> impl Iterator<Item = (Option<OrderKey>, Lots)> {
        let mut before = Lots::ZERO;
        let orders = self.orders.iter().flat_map(move |order| {
            let street = order.ahead.less(before);
            before = order.ahead;
            [(None, street), (Some(order.key), order.left)]
        });
        let last = self.orders.back().map_or(Lots::ZERO, |order| order.ahead);
        let rest = [(None, self.street.less(last))];
        orders.chain(rest).filter(|(_, quantity)| !quantity.is_zero())
    }

    /// The order that has stood here longest.
    pub(super) fn first_order(&self) -> Option<OrderKey> {
        self.orders.front().map(|order| order.key)
    }

    /// Sets the street's quantity. More joins at the end; less is taken to have left from the end, so an
    /// order moves up only when not even the street ahead of it can still be there.
    pub(super) fn set_street(&mut self, street: Lots) {
        self.street = street;
        for order in &mut self.orders {
            order.ahead = order.ahead.min(street);
        }
    }

    /// The first order, if there is one, filled up to `most` by a street that has come through this
    /// price. All of the street before it is gone.
    pub(super) fn take_order(&mut self, most: Lots) -> Option<(Maker, Lots)> {
        self.set_street(Lots::ZERO);
        (!self.orders.is_empty()).then(|| self.take(most))
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }
}
