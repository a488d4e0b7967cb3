//! A history of operations, one JSON object a line, in Jepsen's form. Decides the shape; the SDK writes
//! what its algo saw, the fault harness what it did, and checkers read both.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The environment variable that names the file an SDK writes its history to.
pub const HISTORY_FILE: &str = "TRADEWIND_HISTORY";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationType {
    Invoke,
    /// It happened.
    Ok,
    /// It surely did not.
    Fail,
    /// Not known.
    Info,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub index: u64,
    /// Unix nanoseconds by the writer's clock.
    pub time: u64,
    /// A number, or `nemesis`.
    pub process: Value,
    #[serde(rename = "type")]
    pub kind: OperationType,
    /// `submit`, `cancel`, `fill`, `quote`, `gap`, `untold-gap`, `order`, ...
    pub f: String,
    pub value: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
