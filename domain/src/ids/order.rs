//! The two ids of an order: ours and the venue's. Decides that both follow from account, customer and
//! client_order_id alone, so that whoever computes one, whenever, gets the same.

use super::{AccountId, ClientOrderId, CustomerId, InvalidName};
use alloc::format;
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The id an order has at the venue: the first 128 bits of SHA-256 over account, customer and
/// client_order_id, so that it is the same whoever computes it, whenever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VenueOrderId(u128);

impl VenueOrderId {
    #[must_use]
    pub fn of(account: &AccountId, customer: &CustomerId, order: &ClientOrderId) -> Self {
        use sha2::{Digest, Sha256};
        // A zero byte stands in none of the names, so no two triples give the same text.
        let text = format!("{account}\0{customer}\0{order}");
        let digest = Sha256::digest(text.as_bytes());
        let mut first = [0_u8; 16];
        first.copy_from_slice(&digest[..16]);
        Self(u128::from_be_bytes(first))
    }
}

impl fmt::Display for VenueOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for VenueOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VenueOrderId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match u128::from_str_radix(text, 16) {
            Ok(number) if lower && text.len() == 32 => Ok(Self(number)),
            _ => Err(InvalidName {
                what: "venue order id",
                given: text.chars().take(80).collect(),
                rule: "32 lower-case hexadecimal digits",
            }),
        }
    }
}

serde_as_text!(VenueOrderId);

/// Our id of an order. It names the account, and so the Broker that every cancel and query goes to;
/// it never changes while the order lives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId {
    pub account: AccountId,
    pub venue_order_id: VenueOrderId,
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.account, self.venue_order_id)
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OrderId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (account, venue) = text.split_once('.').ok_or_else(|| InvalidName {
            what: "order id",
            given: text.chars().take(80).collect(),
            rule: "an account, a dot and 32 hexadecimal digits",
        })?;
        Ok(Self { account: AccountId::new(account)?, venue_order_id: venue.parse()? })
    }
}

serde_as_text!(OrderId);
