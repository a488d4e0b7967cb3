//! A Trader that its customer runs himself, and his TraderManager: a WebSocket that the Trader opens and opens again. Decides
//! shapes; which copy has the right is decided in `domain::control::attach`. Frames are JSON as text.

use crate::Problem;
use serde::{Deserialize, Serialize};
use tradewind_domain::{
    control::attach::Attach,
    ids::{CopyId, CustomerId, Epoch, Incarnation, ManagerId, TraderId},
};

/// `GET /v1/attach?trader=T&copy=C[&again=true]` of a TraderManager, with `Authorization: Bearer TOKEN`: what
/// `POST /v1/sessions` gave.
pub const ATTACH: &str = "/v1/attach";

/// Who attaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachOptions {
    pub trader: TraderId,
    /// Drawn by chance when the algo begins, and kept until it ends.
    pub copy: CopyId,
    /// It was told `attached` before: it takes nobody's place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// What it should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Run,
    /// It is not to trade for now: it ends what it wants to end, and waits.
    Pause,
}

/// What a Trader trades with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedAccess {
    /// To be sent as `Authorization: Bearer ...` to a MarketManager. It carries the right of the copy.
    pub session_token: String,
    /// To be used in this order, `host:port`.
    pub market_managers: Vec<String>,
    pub infrastructure_managers: Vec<String>,
}

/// Trader to TraderManager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum FromTrader {
    /// Every `beat_ms`, from the beginning on; `n` rises.
    Beat {
        n: u64,
        /// What it does as it was told.
        does: Wish,
        /// In its own words, shown to operators; at most 256 bytes.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        says: String,
    },
}

/// TraderManager to Trader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToTrader {
    /// First: who answers, and how often it wants to hear.
    Hello {
        manager: ManagerId,
        beat_ms: u64,
    },
    /// It is not attached yet: why.
    Waiting {
        detail: String,
    },
    /// From now on its orders are accepted under this right, and of no copy before it.
    Attached {
        customer: CustomerId,
        epoch: Epoch,
        wish: Wish,
    },
    /// With what to trade from now on: after `attached`, and whenever a token or a list is new. One that comes back may
    /// go on with what it has.
    Access {
        access: AttachedAccess,
    },
    /// It should do something else from now on.
    Wished {
        wish: Wish,
    },
    BeatAnswer {
        n: u64,
    },
    /// Attach at one of these, then close this one; if there is none, ask an InfrastructureManager.
    Goaway {
        reconnect_to: Vec<String>,
        within_ms: u64,
    },
    /// It has no right any more, or gets none; the connection is closed after it, by the code of `ended`.
    Ended {
        why: Ended,
        detail: String,
    },
}

/// Why a copy is attached no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// Another copy has attached: this one's orders are refused.
    TakenOver,
    /// The Trader is stopped, or deleted: its orders are refused, its cancels are not.
    Stopped,
    /// Its API key was revoked.
    Revoked,
    /// It sent what is no message, or nothing.
    Silent,
}

impl Ended {
    /// The close code of the WebSocket.
    #[must_use]
    pub fn code(self) -> u16 {
        match self {
            Self::Silent => 4400,
            Self::Revoked => 4401,
            Self::TakenOver => 4409,
            Self::Stopped => 4410,
        }
    }
}

/// The problem of whoever attaches where he does not belong, and where he does: `host:port`, to be used in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misdirected {
    #[serde(flatten)]
    pub problem: Problem,
    pub reconnect_to: Vec<String>,
}

/// `POST /v1/traders/{trader}/attachments`: a TraderManager asks for the right of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AttachTrader {
    pub manager: ManagerId,
    pub incarnation: Incarnation,
    pub copy: CopyId,
    pub key_id: String,
    pub takes_over: bool,
    /// The right that it was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Epoch>,
}

impl AttachTrader {
    #[must_use]
    pub fn of(self, trader: TraderId) -> Attach {
        let Self { manager, incarnation, copy, key_id, takes_over, replaces } = self;
        Attach { trader, manager, incarnation, copy, key_id, takes_over, replaces }
    }
}
