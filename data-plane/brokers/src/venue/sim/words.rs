//! What the sim venue's words mean for an order. Decides what each refusal says of where the order is.

use crate::venue::{Placed, Refusal, VenueFill, VenueOrder, external::Terms};
use tradewind_sim::wire::{self, RefusalCode, VenueOrderState};

pub(super) fn refusal(code: RefusalCode, reason: String) -> Refusal {
    let placed = match code {
        RefusalCode::DeadlinePassed
        | RefusalCode::UnknownInstrument
        | RefusalCode::InvalidOrder
        | RefusalCode::WouldTake
        | RefusalCode::WouldNotReduce
        | RefusalCode::NotLoggedIn => Placed::No,
        RefusalCode::Duplicate
        | RefusalCode::UnknownOrder
        | RefusalCode::TooLate
        | RefusalCode::AlreadyLoggedIn
        | RefusalCode::BadFrame
        | RefusalCode::TooMany
        | RefusalCode::Unavailable => Placed::Perhaps,
    };
    Refusal { placed, reason }
}

/// A replace that is refused for its order leaves nothing behind; a submit that is refused so speaks of another one.
pub(super) fn not_replaced(code: RefusalCode, reason: String) -> Refusal {
    match code {
        RefusalCode::UnknownOrder | RefusalCode::TooLate => Refusal { placed: Placed::No, reason },
        RefusalCode::DeadlinePassed
        | RefusalCode::UnknownInstrument
        | RefusalCode::InvalidOrder
        | RefusalCode::WouldTake
        | RefusalCode::WouldNotReduce
        | RefusalCode::NotLoggedIn
        | RefusalCode::Duplicate
        | RefusalCode::AlreadyLoggedIn
        | RefusalCode::BadFrame
        | RefusalCode::TooMany
        | RefusalCode::Unavailable => refusal(code, reason),
    }
}

pub(super) fn venue_order(order: wire::VenueOrder) -> VenueOrder {
    let wire::VenueOrder { venue_order_id, state, reason, .. } = order;
    let replaced = state == VenueOrderState::Replaced;
    let wire::VenueOrder { instrument, side, quantity, filled, limit_price, .. } = order;
    let terms = Some(Terms { instrument, side, quantity, filled, limit_price });
    VenueOrder { venue_order_id, state: state.into(), reason, replaced, terms }
}

pub(super) fn venue_fill(fill: wire::VenueFill) -> VenueFill {
    let wire::VenueFill { exec_id, venue_order_id, quantity, price, time, .. } = fill;
    let wire::VenueFill { instrument, side, .. } = fill;
    let traded = Some((instrument, side));
    VenueFill { exec_id, venue_order_id, quantity, price, at: time, traded }
}
