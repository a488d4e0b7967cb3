//! Between a Broker and whoever keeps the copy of its ledger, and how a ledger's copies are told upward. Decides shapes;
//! who says what when is decided in `domain::trading::copies`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use tradewind_domain::{
    control::copies::LedgerTold,
    ids::{AccountId, Fence, ManagerId},
    trading::copies::{Greeting, Sealed},
};

/// Where a BrokerManager takes pipes of those whose copies it keeps.
pub const COPIES_PATH: &str = "/v1/copies";

/// A record of the ledger as it stands on disk; in JSON base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBytes(pub Vec<u8>);

impl Serialize for RecordBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for RecordBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        STANDARD.decode(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

/// Broker to copy holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CopyDown {
    /// First: whose ledger it is, and by which right it comes.
    Greet { account: AccountId, right: Fence },
    /// What is kept is given up; the ledger follows from its first record on.
    Begin { since: Fence },
    /// The ledger's next records.
    Append { first: u64, records: Vec<RecordBytes> },
    /// Asks for records behind this one.
    Fetch { after: u64 },
    /// Instead of a greeting, by who is to continue the ledger: nothing below this right is served any more.
    Seal { account: AccountId, right: Fence },
}

/// Copy holder to Broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CopyUp {
    Greeted {
        greeting: Greeting,
    },
    Begun,
    /// The copy's disk has everything up to this record.
    Acknowledged {
        index: u64,
    },
    /// As many as a frame takes; none: there are no more.
    Records {
        first: u64,
        records: Vec<RecordBytes>,
    },
    Sealed {
        sealed: Sealed,
    },
    /// It promised to serve nothing below this right.
    Refused {
        by: Fence,
    },
    /// It cannot keep the copy: its disk does not let it.
    Failed {
        why: String,
    },
}

/// On how many disks an account's ledger is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum LedgerState {
    /// The Broker's own.
    #[default]
    Single,
    /// The Broker's own, and a copy is being filled.
    CatchingUp,
    /// Both: nothing is answered, told or sent before both have it.
    TwoCopies,
    /// This Broker is to continue it, and loads the copy.
    Loading,
    /// It is continued elsewhere: this Broker does nothing more.
    Sealed,
}

/// Of a Broker whose account has, or had, a second copy of its ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct LedgerStatus {
    pub state: LedgerState,
    /// Who keeps the copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<ManagerId>,
    /// For the leader.
    #[serde(default)]
    pub told: LedgerTold,
}
