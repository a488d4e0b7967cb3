//! What a limit or a trading state is set for. Decides its form only; that what it names is there is decided where it
//! is declared.

use super::{AccountId, CustomerId, InvalidName, TraderId};
use alloc::string::String;
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Written `global`, `customer.acme`, `account.sim-1` or `trader.sample`: names have no dots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Global,
    Customer(CustomerId),
    Account(AccountId),
    Trader(TraderId),
}

impl Scope {
    /// The kind alone: `global`, `customer`, `account`, `trader`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Customer(_) => "customer",
            Self::Account(_) => "account",
            Self::Trader(_) => "trader",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())?;
        match self {
            Self::Global => Ok(()),
            Self::Customer(name) => write!(f, ".{name}"),
            Self::Account(name) => write!(f, ".{name}"),
            Self::Trader(name) => write!(f, ".{name}"),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Scope {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split_once('.') {
            None if text == "global" => Ok(Self::Global),
            Some(("customer", name)) => name.parse().map(Self::Customer),
            Some(("account", name)) => name.parse().map(Self::Account),
            Some(("trader", name)) => name.parse().map(Self::Trader),
            None | Some(_) => Err(InvalidName {
                what: "scope",
                given: text.chars().take(80).collect::<String>(),
                rule: "global, customer.NAME, account.NAME or trader.NAME",
            }),
        }
    }
}

serde_as_text!(Scope);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_scope_is_read_as_it_is_written_and_nothing_else_is_one() {
        for text in ["global", "customer.acme", "account.sim-1", "trader.sample"] {
            assert_eq!(text.parse::<Scope>().map(|scope| scope.to_string()), Ok(text.into()));
        }
        for bad in
            ["", "acme", "global.", "global.x", "customer", "customer.", "customer.A", "venue.sim"]
        {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }
}
