//! A Broker by its account and its shard. Decides its form only.

use super::{AccountId, InvalidName};
use core::{fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Written `sim-1.0`. Without a shard the ledger is meant, shard 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId {
    pub account: AccountId,
    pub shard: u16,
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.account, self.shard)
    }
}

impl fmt::Debug for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BrokerId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (account, shard) = text.split_once('.').unwrap_or((text, "0"));
        let invalid = |_| InvalidName {
            what: "broker",
            given: text.chars().take(80).collect(),
            rule: "an account, a dot and the number of a shard, such as sim-1.0",
        };
        Ok(Self { account: account.parse()?, shard: shard.parse().map_err(invalid)? })
    }
}

serde_as_text!(BrokerId);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_broker_is_read_as_it_is_written_and_without_a_shard_as_the_ledger() {
        let read = |text: &str| text.parse::<BrokerId>().map(|broker| broker.to_string());
        assert_eq!(read("sim-1.3"), Ok("sim-1.3".into()));
        assert_eq!(read("sim-1"), Ok("sim-1.0".into()));
        for bad in ["", ".0", "sim-1.", "sim-1.x", "sim-1.0.1", "sim-1.70000", "Sim.0"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
