//! Conditions of an order: what must be so for it to trade, beside its price. Decides which go with which type and time
//! in force; holding an order to them is the venue's work, refusing what a venue does not offer the Broker's.

use super::order::{InvalidOrder, OrderType, TimeInForce};
use crate::{money::Price, time::UnixNanos};
use serde::{Deserialize, Serialize};

/// Of most orders there are none. In JSON they stand among the order's other fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Of a stop or stop-limit order: it waits until the market has reached this price, and is a market or limit order
    /// from then on. For a buy that is this price and above, for a sell this price and below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<Price>,
    /// Of `gtd`: from then on, by the venue's clock, it is not open any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<UnixNanos>,
    /// It never takes what stands in the book: where it would, it is refused.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub post_only: bool,
    /// It makes the position smaller and never turns it: what would is canceled.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub reduce_only: bool,
}

impl Conditions {
    pub const NONE: Self =
        Self { stop_price: None, expires_at: None, post_only: false, reduce_only: false };

    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether these, the type, its price and the time in force go together. `now`: by the clock of whoever asks.
    pub fn check(
        &self,
        order_type: OrderType,
        limit_price: Option<Price>,
        time_in_force: TimeInForce,
        now: UnixNanos,
    ) -> Result<(), InvalidOrder> {
        match (order_type.has_limit(), limit_price) {
            (true, None) => return Err(InvalidOrder::LimitWithoutPrice),
            (false, Some(_)) => return Err(InvalidOrder::MarketWithPrice),
            (true, Some(_)) | (false, None) => {}
        }
        match (order_type.waits(), self.stop_price) {
            (true, None) => return Err(InvalidOrder::StopWithoutPrice),
            (false, Some(_)) => return Err(InvalidOrder::StopPriceWithoutStop),
            (true, Some(_)) | (false, None) => {}
        }
        match (time_in_force, self.expires_at) {
            (TimeInForce::Gtd, None) => return Err(InvalidOrder::GtdWithoutEnd),
            (TimeInForce::Gtd, Some(end)) if end <= now => return Err(InvalidOrder::Over),
            (TimeInForce::Gtd, Some(_)) => {}
            (_, Some(_)) => return Err(InvalidOrder::EndWithoutGtd),
            (_, None) => {}
        }
        let rests = order_type == OrderType::Limit && time_in_force.rests();
        if self.post_only && !rests {
            return Err(InvalidOrder::PostOnlyTakes);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OrderType::{Limit, Market, Stop, StopLimit};
    use TimeInForce::{Day, Fok, Gtc, Gtd, Ioc};

    fn price() -> Option<Price> {
        "100".parse().ok()
    }

    fn stop() -> Conditions {
        Conditions { stop_price: price(), ..Conditions::NONE }
    }

    #[test]
    fn each_type_has_the_prices_it_needs_and_no_others() {
        let check = |order_type, limit, conditions: Conditions| {
            conditions.check(order_type, limit, Gtc, UnixNanos(1))
        };
        for (order_type, has_limit, has_stop) in [
            (Market, false, false),
            (Limit, true, false),
            (Stop, false, true),
            (StopLimit, true, true),
        ] {
            for limit in [false, true] {
                for stops in [false, true] {
                    let conditions = if stops { stop() } else { Conditions::NONE };
                    let answer = check(order_type, price().filter(|_| limit), conditions);
                    let legal = (limit, stops) == (has_limit, has_stop);
                    assert_eq!(answer.is_ok(), legal, "{order_type:?} {limit} {stops}: {answer:?}");
                }
            }
        }
    }

    #[test]
    fn an_end_goes_with_gtd_alone_and_lies_ahead() {
        let at = |end| Conditions { expires_at: end, ..Conditions::NONE };
        let check = |force, end| at(end).check(Limit, price(), force, UnixNanos(10));
        assert_eq!(check(Gtd, Some(UnixNanos(11))), Ok(()));
        assert_eq!(check(Gtd, Some(UnixNanos(10))), Err(InvalidOrder::Over));
        assert_eq!(check(Gtd, None), Err(InvalidOrder::GtdWithoutEnd));
        for force in [Gtc, Ioc, Day, Fok] {
            assert_eq!(check(force, None), Ok(()));
            assert_eq!(check(force, Some(UnixNanos(11))), Err(InvalidOrder::EndWithoutGtd));
        }
    }

    #[test]
    fn what_must_not_take_has_a_price_to_stand_at_and_time_to_stand() {
        let post_only = Conditions { post_only: true, ..Conditions::NONE };
        for (order_type, force, legal) in [
            (Limit, Gtc, true),
            (Limit, Day, true),
            (Limit, Ioc, false),
            (Limit, Fok, false),
            (Market, Gtc, false),
        ] {
            let limit = price().filter(|_| order_type == Limit);
            let answer = post_only.check(order_type, limit, force, UnixNanos(1));
            assert_eq!(answer.is_ok(), legal, "{order_type:?} {force:?}: {answer:?}");
        }
        let stops = Conditions { post_only: true, ..stop() };
        assert!(
            stops.check(StopLimit, price(), Gtc, UnixNanos(1)).is_err(),
            "it takes when it is triggered"
        );
    }
}
