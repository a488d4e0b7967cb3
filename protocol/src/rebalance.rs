//! Evening out TraderManagers, as it is asked for and told (REST). Decides shapes only; which customers would move and
//! what becomes of them is `domain::control::placement`'s decision.

use crate::control::Stand;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::drain::By,
    ids::{CustomerId, Epoch, ManagerId},
    time::UnixNanos,
};

/// `GET` shows it, `POST` applies the plan, `DELETE` cancels what has not moved.
pub const REBALANCE: &str = "/v1/rebalance";

/// `POST`, `DELETE`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AskRebalance {
    pub who: String,
    pub why: String,
}

impl AskRebalance {
    #[must_use]
    pub fn by(&self) -> By {
        By { who: self.who.clone(), why: self.why.clone() }
    }
}

/// A customer moves as a whole, with all his Traders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CustomerMove {
    pub customer: CustomerId,
    pub from: ManagerId,
    pub to: ManagerId,
    /// How much of the capacity he takes: his Traders that are to run, at least 1.
    pub weight: u32,
}

/// The one that was begun and has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RebalanceUnderWay {
    /// The entry that began it.
    pub epoch: Epoch,
    pub since: UnixNanos,
    pub by: By,
    /// How many moves it began with.
    pub moves: u64,
    /// Those that have not been made.
    pub left: Vec<CustomerMove>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RebalanceTold {
    #[serde(flatten)]
    pub stand: Stand,
    pub under_way: Option<RebalanceUnderWay>,
    /// What would be moved if it were begun now; 700 at most, then it is begun again. `null`: the member that
    /// answers does not lead, or has not heard all Managers yet.
    pub plan: Option<Vec<CustomerMove>>,
}
