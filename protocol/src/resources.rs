//! What operators declare, as it is asked for and told: accounts, customers and their API keys, Markets and their
//! routes, Traders, hours of locations, days of exchanges, risk settings, trading states. Decides the shapes; what
//! is legal to declare is decided in `domain::control`.

mod select;

pub use select::*;

use crate::{
    control::Stand,
    placed::{MarketAt, ServiceNow},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    calendar::{Day, Exchange, OperatorDay},
    control::{
        attach::Attachment,
        copies::AccountDeclaration,
        drain::By,
        risk::{RiskSpec, TradingState},
        row::{Assignment, LocationSpec, MarketSpec},
        trader::TraderDeclaration,
    },
    ids::{
        AccountId, CustomerId, InstrumentId, KeyHash, LocationId, MarketId, Revision, Scope,
        TraderId, VenueId,
    },
};

/// Of a change: the revision that it is made on, in quotes, or `*` for any there is.
pub const IF_MATCH: &str = "if-match";
/// Of a change: `*`, it is made where there is none yet.
pub const IF_NONE_MATCH: &str = "if-none-match";

/// A revision as it stands in `ETag` and `If-Match`.
#[must_use]
pub fn format_etag(revision: Revision) -> String {
    format!("\"{revision}\"")
}

/// Reads what [`format_etag`] wrote. Revisions are exact: a weak one, `W/"7"`, is none.
#[must_use]
pub fn parse_etag(text: &str) -> Option<Revision> {
    let digits = text.trim().strip_prefix('"')?.strip_suffix('"')?;
    let digit = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| digit).map(Revision)
}

/// A list, or a part of it: `GET /v1/accounts` and the like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    #[serde(flatten)]
    pub stand: Stand,
    /// In the order of their names.
    pub items: Vec<T>,
    /// There may be more: `after` for what follows. A page that ends early may be short, or empty.
    pub next: Option<String>,
}

/// One of them: `GET /v1/accounts/{account}` and the like. `ETag` has its revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct One<T> {
    #[serde(flatten)]
    pub stand: Stand,
    pub item: T,
}

/// The answer to an accepted `PUT`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Declared {
    #[serde(flatten)]
    pub stand: Stand,
    /// The entry that decided it; of a repeat the first one.
    pub applied: Revision,
    /// Of what is declared, as `ETag` has it: an earlier one if there was nothing to change.
    pub declared: Revision,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountInfo {
    pub account: AccountId,
    pub revision: Revision,
    pub spec: AccountDeclaration,
    pub brokers: Vec<BrokerInfo>,
}

/// A Broker of an account, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BrokerInfo {
    pub shard: u16,
    pub assignment: Option<Assignment>,
}

/// Of his keys only their ids are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CustomerInfo {
    pub customer: CustomerId,
    pub revision: Revision,
    pub key_ids: BTreeSet<String>,
    pub affinity: Option<Assignment>,
    pub affinity_version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MarketInfo {
    pub market: MarketId,
    pub revision: Revision,
    pub spec: MarketSpec,
    /// Every MarketManager runs its own. Not told by a member that was asked for what it knows itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Vec<MarketAt>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TraderInfo {
    pub trader: TraderId,
    pub revision: Revision,
    pub spec: TraderDeclaration,
    pub assignment: Option<Assignment>,
    /// Not told by a member that was asked for what it knows itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<ServiceNow>,
    /// It waits for Brokers that have not told yet that they refuse its earlier copies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fencing: bool,
    /// Of one that its customer runs himself: the copy that attached last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached: Option<Attachment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LocationInfo {
    pub location: LocationId,
    pub revision: Revision,
    pub spec: LocationSpec,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExchangeDaysInfo {
    pub exchange: Exchange,
    pub revision: Revision,
    pub spec: ExchangeDaysSpec,
}

/// One of a Market's routes. Its revision is its Market's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RouteInfo {
    pub market: MarketId,
    pub instrument: InstrumentId,
    pub revision: Revision,
    pub spec: RouteSpec,
}

/// `PUT /v1/markets/{market}/routes/{instrument}`: the venues that serve it, for data and for orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RouteSpec {
    pub data_venue: VenueId,
    pub order_venue: VenueId,
}

/// Where a route is: the `/` of an instrument stands as `%2F`.
#[must_use]
pub fn path_of_route(market: &MarketId, instrument: &InstrumentId) -> String {
    format!("/v1/markets/{market}/routes/{}", instrument.as_str().replace('/', "%2F"))
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RiskInfo {
    pub scope: Scope,
    pub revision: Revision,
    pub spec: RiskSpec,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TradingStateInfo {
    pub scope: Scope,
    pub revision: Revision,
    pub spec: TradingStateSpec,
    /// The entry that last loosened it. Of two words with one version the tighter counts, else the one with the higher.
    pub version: Revision,
    /// Who set it, and why.
    pub by: Option<By>,
}

/// `PUT /v1/trading-states/{scope}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TradingStateSpec {
    pub state: TradingState,
}

/// What a scope names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum ScopeKind {
    Global,
    Customer,
    Account,
    Trader,
}

impl ScopeKind {
    #[must_use]
    pub fn of(scope: &Scope) -> Self {
        match scope {
            Scope::Global => Self::Global,
            Scope::Customer(_) => Self::Customer,
            Scope::Account(_) => Self::Account,
            Scope::Trader(_) => Self::Trader,
        }
    }
}

/// `PUT /v1/exchange-days/{exchange}`: all of an operator's days of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ExchangeDaysSpec {
    pub days: BTreeMap<Day, OperatorDay>,
}

/// `PUT /v1/customers/{customer}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PutCustomer {
    /// All of his keys. Without it he keeps those that he has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_hashes: Option<BTreeSet<KeyHash>>,
}

/// `POST /v1/customers/{customer}/keys`. The key itself never leaves who drew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AddKey {
    /// SHA-256 of the key, 64 hexadecimal digits in lower case.
    pub key_hash: KeyHash,
}

/// The answer: the name by which the key is told and removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyAdded {
    #[serde(flatten)]
    pub stand: Stand,
    pub applied: Revision,
    pub key_id: String,
}

/// Of `GET /v1/customers/{customer}/keys`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct KeyInfo {
    pub key_id: String,
}

/// `DELETE /v1/accounts/{account}?release=true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteAccount {
    /// Also where a BrokerManager has its Broker, which is stopped by it. Its ledger stays on that disk.
    #[serde(default)]
    pub release: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_read_from_its_etag_and_from_nothing_else() {
        assert_eq!(parse_etag(&format_etag(Revision(7))), Some(Revision(7)));
        for bad in ["", "7", "\"\"", "\"7", "W/\"7\"", "\"+7\"", "\"7\", \"8\"", "*", "\"x\""] {
            assert_eq!(parse_etag(bad), None, "{bad}");
        }
    }
}
