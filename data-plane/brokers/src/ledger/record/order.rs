//! An order as it stands in the ledger's records. Decides its shape there, which is frozen like theirs: what came later
//! stands beside it, in parts, so that records of orders without any keep their bytes.

use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::risk::TradingState,
    ids::{
        AccountId, ClientOrderId, CustomerId, InstrumentId, OrderId, SessionId, VenueId,
        VenueOrderId,
    },
    money::{Price, Quantity},
    time::UnixNanos,
    trading::{
        CancelOnDisconnect, Conditions, Order, OrderState, OrderType, Replacement, Side,
        TimeInForce,
    },
};

/// What an order has beside its `OrderRecord`. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    LaterVenueIds(Vec<VenueOrderId>),
    /// The terms that are on their way.
    Replacement {
        replace_id: ClientOrderId,
        quantity: Quantity,
        limit_price: Option<Price>,
    },
    Conditions {
        stop_price: Option<Price>,
        expires_at: Option<UnixNanos>,
        post_only: bool,
        reduce_only: bool,
    },
    /// It is canceled when its session is away for so long.
    CancelOnDisconnect {
        after_ms: u64,
    },
    /// The session that submitted it: stands in its intent alone.
    Session(SessionId),
}

/// An order whole; the account is the ledger's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRecord {
    pub venue_order_id: VenueOrderId,
    pub customer: CustomerId,
    pub client_order_id: ClientOrderId,
    pub venue: VenueId,
    pub instrument: InstrumentId,
    pub side: SideRecord,
    pub order_type: OrderTypeRecord,
    pub quantity: Quantity,
    pub limit_price: Option<Price>,
    pub time_in_force: TimeInForceRecord,
    pub state: StateRecord,
    pub filled_quantity: Quantity,
    pub reason: Option<String>,
    pub created_at: UnixNanos,
    pub updated_at: UnixNanos,
    pub version: u32,
}

/// The domain's enums have their own order on disk, which a new variant there cannot disturb.
macro_rules! mirror {
    ($record:ident = $domain:ident { $($variant:ident),+ }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $record { $($variant),+ }

        impl From<$domain> for $record {
            fn from(value: $domain) -> Self {
                match value { $($domain::$variant => Self::$variant),+ }
            }
        }

        impl From<$record> for $domain {
            fn from(value: $record) -> Self {
                match value { $($record::$variant => Self::$variant),+ }
            }
        }
    };
}

mirror!(TradingStateRecord = TradingState { Active, Reducing, Halted });
mirror!(SideRecord = Side { Buy, Sell });
mirror!(OrderTypeRecord = OrderType { Market, Limit, Stop, StopLimit });
mirror!(TimeInForceRecord = TimeInForce { Gtc, Ioc, Day, Fok, Gtd });
mirror!(
    StateRecord = OrderState {
        Accepted,
        PendingNew,
        New,
        PartiallyFilled,
        Filled,
        PendingCancel,
        Canceled,
        Rejected,
        Expired,
        Unknown,
        PendingReplace
    }
);

impl OrderRecord {
    #[must_use]
    pub fn of(order: &Order) -> Self {
        Self {
            venue_order_id: order.order_id.venue_order_id,
            customer: order.customer.clone(),
            client_order_id: order.client_order_id.clone(),
            venue: order.venue.clone(),
            instrument: order.instrument.clone(),
            side: order.side.into(),
            order_type: order.order_type.into(),
            quantity: order.quantity,
            limit_price: order.limit_price,
            time_in_force: order.time_in_force.into(),
            state: order.state.into(),
            filled_quantity: order.filled_quantity,
            reason: order.reason.clone(),
            created_at: order.created_at,
            updated_at: order.updated_at,
            version: order.version,
        }
    }

    /// `parts`: what stands beside it in its record.
    #[must_use]
    pub fn order(&self, account: &AccountId, parts: &[Part]) -> Order {
        let mut order = Order {
            order_id: OrderId { account: account.clone(), venue_order_id: self.venue_order_id },
            customer: self.customer.clone(),
            client_order_id: self.client_order_id.clone(),
            venue: self.venue.clone(),
            instrument: self.instrument.clone(),
            side: self.side.into(),
            order_type: self.order_type.into(),
            quantity: self.quantity,
            limit_price: self.limit_price,
            time_in_force: self.time_in_force.into(),
            conditions: Conditions::NONE,
            cancel_on_disconnect: None,
            state: self.state.into(),
            filled_quantity: self.filled_quantity,
            reason: self.reason.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
            later_venue_ids: Vec::new(),
            replacement: None,
        };
        for part in parts.iter().cloned() {
            match part {
                Part::LaterVenueIds(ids) => order.later_venue_ids = ids,
                Part::Replacement { replace_id, quantity, limit_price } => {
                    order.replacement = Some(Replacement { replace_id, quantity, limit_price });
                }
                Part::Conditions { stop_price, expires_at, post_only, reduce_only } => {
                    order.conditions =
                        Conditions { stop_price, expires_at, post_only, reduce_only };
                }
                Part::CancelOnDisconnect { after_ms } => {
                    order.cancel_on_disconnect = Some(CancelOnDisconnect { after_ms });
                }
                // The ledger's own.
                Part::Session(_) => {}
            }
        }
        order
    }
}

impl Part {
    pub(crate) fn session(&self) -> Option<&SessionId> {
        let Self::Session(session) = self else { return None };
        Some(session)
    }

    /// Of most orders there are none.
    #[must_use]
    pub fn of(order: &Order) -> Vec<Self> {
        let later = &order.later_venue_ids;
        let ids = (!later.is_empty()).then(|| Self::LaterVenueIds(later.clone()));
        let asked = order.replacement.clone();
        let asked = asked.map(|Replacement { replace_id, quantity, limit_price }| {
            Self::Replacement { replace_id, quantity, limit_price }
        });
        let Conditions { stop_price, expires_at, post_only, reduce_only } = order.conditions;
        let conditions = (!order.conditions.is_none()).then_some(Self::Conditions {
            stop_price,
            expires_at,
            post_only,
            reduce_only,
        });
        let away = order.cancel_on_disconnect;
        let away =
            away.map(|CancelOnDisconnect { after_ms }| Self::CancelOnDisconnect { after_ms });
        ids.into_iter().chain(asked).chain(conditions).chain(away).collect()
    }
}
