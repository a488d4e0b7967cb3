//! Fees. Decides what a trade costs each of the two who made it, in the quote currency; what that does to anybody's
//! money is not decided here, since the venue keeps none.

use rust_decimal::Decimal;
use tradewind_domain::money::{InvalidAmount, Notional, Price, Quantity};

/// In hundredths of a percent of what a fill is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fees {
    /// Of who came, and took what was there.
    pub taker_bps: u32,
    /// Of who was there.
    pub maker_bps: u32,
}

impl Fees {
    /// What the fill costs, exactly; none if it costs nothing.
    pub(crate) fn of(
        self,
        takes: bool,
        quantity: Quantity,
        price: Price,
    ) -> Result<Option<Notional>, InvalidAmount> {
        let bps = if takes { self.taker_bps } else { self.maker_bps };
        if bps == 0 {
            return Ok(None);
        }
        let share = Decimal::new(i64::from(bps), 4);
        let fee = quantity.notional(price)?.checked_mul(share).ok_or(InvalidAmount::Overflow)?;
        Notional::new(fee.normalize()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_exact_and_its_own_for_who_takes_and_who_was_there() {
        let fees = Fees { taker_bps: 26, maker_bps: 16 };
        let (quantity, price) = ("0.18967538".parse().unwrap(), "29430.2".parse().unwrap());
        let told =
            |fees: Fees, takes| fees.of(takes, quantity, price).unwrap().map(|f| f.to_string());
        assert_eq!(told(fees, true).as_deref(), Some("14.5136793580376"));
        assert_eq!(told(fees, false).as_deref(), Some("8.9314949895616"));
        assert_eq!(told(Fees { taker_bps: 0, ..fees }, true), None);
        assert_eq!(told(Fees::default(), false), None);
    }
}
