//! Names and numbers that tell things apart. Decides what a legal name is; who may use it is decided
//! elsewhere. Every id has its own type, so that none can be passed in another's place.

#[macro_use]
mod forms;

pub use broker::BrokerId;
pub use disk::DiskId;
pub use order::{OrderId, VenueOrderId};
pub use scope::Scope;
pub use target::DrainTarget;

#[cfg(feature = "schema")]
#[allow(unused_imports)]
use crate::schema::prelude::*;
use crate::time::UnixNanos;
use alloc::{format, string::String, string::ToString, sync::Arc};
use core::{cmp::Ordering, fmt, str::FromStr};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A name that is not legal, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a legal {what}: {rule}")]
pub struct InvalidName {
    pub what: &'static str,
    pub given: String,
    pub rule: &'static str,
}

const NAME_RULE: &str = "1 to 63 of a-z, 0-9 and '-', beginning with a letter or a digit";

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

const INSTRUMENT_RULE: &str = "1 to 32 of A-Z, 0-9, '/', '.' and '-', such as BTC/USD or AAPL";

fn is_instrument(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"/.-".contains(&b))
}

const TOKEN_RULE: &str = "1 to 64 printable ASCII characters without blanks";

fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

mod broker;
const NODE_RULE: &str = "1 to 253 printable ASCII characters without blanks";

fn is_node(text: &str) -> bool {
    (1..=253).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

mod disk;
mod order;
mod scope;
mod target;

text_id!(/// A place that can fail as a whole: a data centre, a rack.
    LocationId, "location", is_name, NAME_RULE);
text_id!(/// One set of the three Managers at a location.
    ImplementationId, "implementation", is_name, NAME_RULE);
text_id!(/// The owner of Traders and API keys.
    CustomerId, "customer", is_name, NAME_RULE);
text_id!(/// An account at a venue.
    AccountId, "account", is_name, NAME_RULE);
text_id!(/// A venue: `sim`, `kraken`, `schwab`, or a second `sim` under another name.
    VenueId, "venue", is_name, NAME_RULE);
text_id!(/// What algos trade through: `crypto`, `us-equities`.
    MarketId, "market", is_name, NAME_RULE);
text_id!(/// An algo.
    TraderId, "trader", is_name, NAME_RULE);
text_id!(/// One life of an algo that its customer runs himself: drawn by it when it begins.
    CopyId, "copy", is_token, TOKEN_RULE);
text_id!(/// An algo's right to connect, as its tokens name it: drawn by a member, and kept when a token is renewed.
    SessionId, "session", is_token, TOKEN_RULE);
text_id!(/// A program of a member's options that starts implementations.
    ProgramId, "program", is_name, NAME_RULE);
text_id!(/// A key of the test range of the replicated state.
    RegisterId, "register", is_name, NAME_RULE);
text_id!(/// What is traded: `BTC/USD`, `AAPL`. Names no broker.
    InstrumentId, "instrument", is_instrument, INSTRUMENT_RULE);
text_id!(/// The algo's own name for an order.
    ClientOrderId, "client_order_id", is_token, TOKEN_RULE);
text_id!(/// The venue's name for one execution.
    ExecId, "exec_id", is_token, TOKEN_RULE);
text_id!(/// Who sends commands: half of an idempotency key.
    ClientId, "client", is_token, TOKEN_RULE);
text_id!(/// A machine that Managers run on: what fails as one. The host of an address, unless it is told.
    NodeName, "node", is_node, NODE_RULE);
text_id!(/// Number of a stream's source; compared for equality only, it fences nothing.
    StreamEpoch, "stream epoch", is_token, TOKEN_RULE);

impl NodeName {
    /// The host of a Manager's address: what it is called that has no other name.
    pub fn of_address(address: &str) -> Result<Self, InvalidName> {
        Self::new(address.rsplit_once(':').map_or(address, |(host, _)| host))
    }
}

number_id!(/// A member of the Raft group. Never used twice.
    NodeId);
number_id!(/// Index of the log entry that made a state.
    Revision);
number_id!(/// Fencing number: the index of the entry that gave the right. The higher wins.
    Epoch);
number_id!(/// One life of a process, in Unix milliseconds of its start, never the same or less for a later life.
    Incarnation);
number_id!(/// One life of a cluster, drawn when it is made, restored or recovered. A later life has the higher one.
    ClusterIncarnation);

impl ClusterIncarnation {
    /// Draws one from the time and ten random bits: later lives are higher, and two that begin in the same
    /// millisecond still differ. 53 bits, since every reader of JSON takes such a number whole; never
    /// zero, which stands for a cluster that was not opened.
    #[must_use]
    pub fn draw(now: UnixNanos, random: u64) -> Self {
        let millis = (now.0 / 1_000_000) & ((1 << 43) - 1);
        Self((millis << 10 | random & 0x3ff).max(1))
    }
}

/// What every fenced command carries. The later life of the cluster wins, within one life the higher
/// epoch: a cluster that was restored from a backup gives out epochs anew that the lost life gave out too.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Fence {
    pub cluster: ClusterIncarnation,
    pub epoch: Epoch,
}

/// The three kinds of Managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ManagerKind {
    BrokerManager,
    MarketManager,
    TraderManager,
}

impl ManagerKind {
    pub const ALL: [Self; 3] = [Self::BrokerManager, Self::MarketManager, Self::TraderManager];

    /// The name on the command line and in a [`ManagerId`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrokerManager => "broker-manager",
            Self::MarketManager => "market-manager",
            Self::TraderManager => "trader-manager",
        }
    }
}

impl fmt::Display for ManagerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A Manager: its implementation and its kind, written `a1.market-manager`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ManagerId {
    pub implementation: ImplementationId,
    pub kind: ManagerKind,
}

impl fmt::Display for ManagerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.implementation, self.kind)
    }
}

impl fmt::Debug for ManagerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ManagerId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            what: "manager",
            given: text.chars().take(80).collect(),
            rule: "an implementation, a dot and a kind, such as a1.market-manager",
        };
        let (implementation, kind) = text.split_once('.').ok_or_else(invalid)?;
        let kind = ManagerKind::ALL.into_iter().find(|k| k.as_str() == kind).ok_or_else(invalid)?;
        Ok(Self { implementation: ImplementationId::new(implementation)?, kind })
    }
}

serde_as_text!(ManagerId);

/// A service below a Manager, written `broker.sim-1.0`, `market.crypto.0`, `trader.sample`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceId {
    Broker { account: AccountId, shard: u16 },
    Market { market: MarketId, shard: u16 },
    Trader { trader: TraderId },
}

impl ServiceId {
    /// The kind of Manager that runs it.
    #[must_use]
    pub fn manager_kind(&self) -> ManagerKind {
        match self {
            Self::Broker { .. } => ManagerKind::BrokerManager,
            Self::Market { .. } => ManagerKind::MarketManager,
            Self::Trader { .. } => ManagerKind::TraderManager,
        }
    }

    /// The subcommand of the one binary that runs it.
    #[must_use]
    pub fn subcommand(&self) -> &'static str {
        match self {
            Self::Broker { .. } => "broker",
            Self::Market { .. } => "market",
            Self::Trader { .. } => "trader",
        }
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker { account, shard } => write!(f, "broker.{account}.{shard}"),
            Self::Market { market, shard } => write!(f, "market.{market}.{shard}"),
            Self::Trader { trader } => write!(f, "trader.{trader}"),
        }
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ServiceId {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            what: "service",
            given: text.chars().take(80).collect(),
            rule: "broker.ACCOUNT.SHARD, market.MARKET.SHARD or trader.TRADER",
        };
        let mut parts = text.split('.');
        let kind = parts.next().ok_or_else(invalid)?;
        let name = parts.next().ok_or_else(invalid)?;
        let shard = parts.next();
        if parts.next().is_some() {
            return Err(invalid());
        }
        let shard = shard.map(|s| s.parse::<u16>().map_err(|_| invalid())).transpose()?;
        match (kind, shard) {
            ("broker", Some(shard)) => Ok(Self::Broker { account: AccountId::new(name)?, shard }),
            ("market", Some(shard)) => Ok(Self::Market { market: MarketId::new(name)?, shard }),
            ("trader", None) => Ok(Self::Trader { trader: TraderId::new(name)? }),
            _ => Err(invalid()),
        }
    }
}

serde_as_text!(ServiceId);

/// Hash of an API key: SHA-256, 64 hexadecimal digits. The key itself is never kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(pub String);

const KEY_ID_DIGITS: usize = 12;

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl KeyHash {
    #[must_use]
    pub fn of(key: &str) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(key.as_bytes());
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether it can be one.
    #[must_use]
    pub fn is_hash(&self) -> bool {
        self.0.len() == 64 && self.0.bytes().all(is_digit)
    }

    /// Whether a text can be the short name of a key.
    #[must_use]
    pub fn is_id(text: &str) -> bool {
        text.len() == KEY_ID_DIGITS && text.bytes().all(is_digit)
    }

    /// The short name of a key in tokens and logs: the first 12 digits of its hash.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.0.chars().take(KEY_ID_DIGITS).collect::<String>().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_and_survive_a_round_trip() {
        assert!(CustomerId::new("acme-1").is_ok());
        for bad in ["", "-a", "A", "a b", "a.b", &"x".repeat(64)] {
            assert!(CustomerId::new(bad).is_err(), "{bad}");
        }
        for text in ["broker.sim-1.0", "market.crypto.3", "trader.sample"] {
            assert_eq!(text.parse::<ServiceId>().map(|s| s.to_string()), Ok(text.into()));
        }
        let manager = "a1.market-manager".parse::<ManagerId>();
        assert_eq!(manager.map(|m| m.kind), Ok(ManagerKind::MarketManager));
        assert!("a1.market_manager".parse::<ManagerId>().is_err());
    }

    #[test]
    fn a_later_life_of_the_cluster_wins_over_any_epoch_of_an_earlier_one() {
        let at =
            |millis: u64, random| ClusterIncarnation::draw(UnixNanos(millis * 1_000_000), random);
        assert!(at(1_700_000_000_001, 0) > at(1_700_000_000_000, u64::MAX));
        assert_ne!(at(5, 1), at(5, 2));
        assert_ne!(at(0, 0), ClusterIncarnation(0));
        assert!(ClusterIncarnation::draw(UnixNanos(u64::MAX), u64::MAX).0 < 1 << 53);
        let fence = |cluster, epoch| Fence { cluster, epoch: Epoch(epoch) };
        assert!(fence(at(2, 0), 1) > fence(at(1, 0), 1_000));
        assert!(fence(at(2, 0), 2) > fence(at(2, 0), 1));
    }

    #[test]
    fn the_venue_order_id_depends_on_all_three_names_and_on_nothing_else() {
        let id = |a: &str, c: &str, o: &str| {
            VenueOrderId::of(
                &AccountId::new(a).expect("legal"),
                &CustomerId::new(c).expect("legal"),
                &ClientOrderId::new(o).expect("legal"),
            )
        };
        assert_eq!(id("a", "c", "1"), id("a", "c", "1"));
        assert_ne!(id("a", "c", "1"), id("ac", "c", "1"));
        assert_ne!(id("a", "c", "1"), id("a", "c", "2"));
        assert_eq!(id("a", "c", "1").to_string().parse(), Ok(id("a", "c", "1")));
    }
}
