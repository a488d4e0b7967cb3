//! A number as it stands on the wire. Decides that no digit is lost: Kraken writes JSON numbers with the
//! engine's full precision, trailing zeros included, and its checksums are made of those digits; so a number is
//! read from its text, never as a float, and written as it was.

use core::{fmt, str::FromStr};

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;
use tradewind_domain::money::{Price, Quantity};

/// A decimal with its digits. Two are equal when their values are: `1.0` is `1.00`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub Decimal);

/// A text that is no decimal of at most 28 digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal of at most 28 digits: {0}")]
pub struct NoNumber(String);

impl Number {
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// The number with exactly so many decimals, as the engine prints it.
    #[must_use]
    pub fn padded(value: Decimal, decimals: u32) -> Self {
        let mut value = value;
        value.rescale(decimals);
        Self(value)
    }

    /// The number in units of its last decimal, if it has no more decimals than that.
    #[must_use]
    pub fn scaled(self, decimals: u32) -> Option<u128> {
        let mantissa = u128::try_from(self.0.mantissa()).ok()?;
        let scale = self.0.scale();
        if scale <= decimals {
            return mantissa.checked_mul(10_u128.checked_pow(decimals - scale)?);
        }
        let divisor = 10_u128.checked_pow(scale - decimals)?;
        mantissa.is_multiple_of(divisor).then(|| mantissa / divisor)
    }

    /// As a price, if it is above zero.
    #[must_use]
    pub fn price(self) -> Option<Price> {
        Price::new(self.0).ok()
    }

    /// As a quantity, if it is not below zero.
    #[must_use]
    pub fn quantity(self) -> Option<Quantity> {
        Quantity::new(self.0).ok()
    }
}

impl From<Price> for Number {
    fn from(price: Price) -> Self {
        Self(price.decimal())
    }
}

impl From<Quantity> for Number {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.decimal())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Number {
    type Err = NoNumber;
    /// Real clients write small amounts as `1e-5`, so an exponent is read too.
    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let read = if text.bytes().any(|byte| byte == b'e' || byte == b'E') {
            Decimal::from_scientific(text)
        } else {
            Decimal::from_str_exact(text)
        };
        read.map(Self).map_err(|_| NoNumber(text.chars().take(40).collect()))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    /// A JSON number; a string too, since the documents print some numbers as strings.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        let text = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw);
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_the_digits_it_came_with() {
        for text in ["119174.000", "0.00672000", "100", "0", "-0.00017", "0.00000001"] {
            let number: Number = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&number).unwrap(), text);
        }
    }

    #[test]
    fn a_number_is_also_read_from_a_string_and_with_an_exponent() {
        let read = |text: &str| serde_json::from_str::<Number>(text).map(|n| n.to_string());
        assert_eq!(read("\"0.50\"").unwrap(), "0.50");
        assert_eq!(read("1e-5").unwrap(), "0.00001");
        for text in ["\"\"", "\"x\"", "true", "null", "[1]", "1e-40", "\"1 \""] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("0.1234567890123456789012345678901").is_err(), "it would have been rounded");
    }

    #[test]
    fn a_scaled_number_is_exact_or_nothing() {
        let scaled = |text: &str, decimals| text.parse::<Number>().unwrap().scaled(decimals);
        assert_eq!(scaled("45285.2", 1), Some(452_852));
        assert_eq!(scaled("45285", 1), Some(452_850));
        assert_eq!(scaled("45285.20", 1), Some(452_852));
        assert_eq!(scaled("45285.25", 1), None);
        assert_eq!(scaled("-1", 1), None);
        assert_eq!(scaled("79228162514264337593543950335", 28), None, "beyond 128 bits");
    }
}
