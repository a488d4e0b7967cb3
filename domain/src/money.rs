//! Prices, quantities and amounts as decimals with checked arithmetic. Decides what a legal amount is;
//! ticks and lots belong to the instrument. In JSON always a string, never a float.

use alloc::string::String;
use core::{fmt, str::FromStr};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A text that is no legal amount, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    #[error("not a decimal of at most 28 digits, such as \"29430.2\"")]
    NotADecimal,
    #[error("must be above zero")]
    NotPositive,
    #[error("must not be below zero")]
    Negative,
    #[error("too large to compute with")]
    Overflow,
}

fn parse(text: &str) -> Result<Decimal, InvalidAmount> {
    // The library takes `1_000` and `+1` too, which are no decimals to anybody else.
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') {
        return Err(InvalidAmount::NotADecimal);
    }
    // Exactly or not at all: an amount that would be rounded is not the one that was meant.
    Decimal::from_str_exact(text).map_err(|_| InvalidAmount::NotADecimal)
}

macro_rules! amount {
    ($(#[$doc:meta])* $name:ident, $check:expr, $wrong:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Decimal);

        impl $name {
            pub fn new(value: Decimal) -> Result<Self, InvalidAmount> {
                let check: fn(Decimal) -> bool = $check;
                if check(value) { Ok(Self(value)) } else { Err($wrong) }
            }

            #[must_use]
            pub fn decimal(self) -> Decimal {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidAmount;
            fn from_str(text: &str) -> Result<Self, InvalidAmount> {
                Self::new(parse(text)?)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

amount!(/// A price in the quote currency for one unit. Above zero.
    Price, |v| v > Decimal::ZERO, InvalidAmount::NotPositive);
amount!(/// A number of units. Zero or more: what is left of an order may be nothing.
    Quantity, |v| v >= Decimal::ZERO, InvalidAmount::Negative);
amount!(/// Money in the quote currency. Above zero.
    Notional, |v| v > Decimal::ZERO, InvalidAmount::NotPositive);
amount!(/// A share of something: `0.05` is five percent of it. Above zero.
    Share, |v| v > Decimal::ZERO, InvalidAmount::NotPositive);

amount!(/// Units held. Below zero they are owed: sold and not had.
    Net, |_| true, InvalidAmount::Overflow);

impl Quantity {
    pub const ZERO: Self = Self(Decimal::ZERO);

    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    pub fn checked_add(self, other: Self) -> Result<Self, InvalidAmount> {
        self.0.checked_add(other.0).map(Self).ok_or(InvalidAmount::Overflow)
    }

    /// `self - other`, refused below zero.
    pub fn checked_sub(self, other: Self) -> Result<Self, InvalidAmount> {
        Self::new(self.0.checked_sub(other.0).ok_or(InvalidAmount::Overflow)?)
    }

    /// Quantity times price, in the quote currency.
    pub fn notional(self, price: Price) -> Result<Decimal, InvalidAmount> {
        self.0.checked_mul(price.0).ok_or(InvalidAmount::Overflow)
    }
}

impl Share {
    #[must_use]
    pub fn is_more_than_all(self) -> bool {
        self.0 > Decimal::ONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_or_refused() {
        assert!("29430.2".parse::<Price>().is_ok());
        for bad in ["1_000", "+1", " 1", "0x1", "1,5", "\u{661}"] {
            assert!(bad.parse::<Price>().is_err(), "{bad}");
        }
        for bad in ["", "0", "-1", "NaN", "1e400", "0.1234567890123456789012345678901234567890"] {
            assert!(bad.parse::<Price>().is_err(), "{bad}");
        }
        assert!("-0.1".parse::<Quantity>().is_err());
        assert!("0".parse::<Quantity>().is_ok());
    }
}
