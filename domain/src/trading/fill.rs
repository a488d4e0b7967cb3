//! One execution of an order. Decides nothing: fills are a set keyed by account and `exec_id`, so that
//! hearing of one twice changes nothing.

use super::order::Side;
use crate::{
    ids::{ClientOrderId, CustomerId, ExecId, InstrumentId, OrderId},
    money::{Price, Quantity},
    time::UnixNanos,
};
use serde::{Deserialize, Serialize};

/// So many units of an order, at this price, at this moment by the venue's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    pub exec_id: ExecId,
    pub order_id: OrderId,
    pub customer: CustomerId,
    pub client_order_id: ClientOrderId,
    pub instrument: InstrumentId,
    pub side: Side,
    pub quantity: Quantity,
    pub price: Price,
    pub at: UnixNanos,
}
