//! Where a customer stands: the last numbers of his private streams, and his orders. Decides which number follows.

use super::{Broken, record::Number};
use std::collections::BTreeSet;
use tradewind_domain::ids::VenueOrderId;
use tradewind_protocol::trade::PrivateChannel;

/// The last numbers of one customer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stand {
    pub seq: u64,
    pub orders: u64,
    pub fills: u64,
}

impl Stand {
    /// The last number on that channel, 0 if there is none.
    #[must_use]
    pub fn on(&self, channel: PrivateChannel) -> u64 {
        match channel {
            PrivateChannel::Orders => self.orders,
            PrivateChannel::Fills => self.fills,
        }
    }

    pub(super) fn next(&self, channel: PrivateChannel) -> Number {
        Number { seq: self.seq + 1, prev: self.on(channel) }
    }

    pub(super) fn take(&mut self, channel: PrivateChannel, number: Number) -> Result<(), Broken> {
        if number != self.next(channel) {
            return Err(Broken::Number { expected: self.next(channel), found: number });
        }
        self.seq = number.seq;
        match channel {
            PrivateChannel::Orders => self.orders = number.seq,
            PrivateChannel::Fills => self.fills = number.seq,
        }
        Ok(())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Customer {
    pub(super) stand: Stand,
    /// In the order in which they were accepted.
    pub(super) orders: Vec<VenueOrderId>,
    /// The places among them of those that have not ended: a customer may have had a million.
    pub(super) open: BTreeSet<usize>,
}
