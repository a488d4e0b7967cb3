//! Every error text the simulator answers with. Decides the words; when they are said is decided where they are
//! used. The last block is not documented by Kraken: one place to change it when it is known better.

pub(crate) const INVALID_KEY: &str = "EAPI:Invalid key";
pub(crate) const INVALID_SIGNATURE: &str = "EAPI:Invalid signature";
pub(crate) const INVALID_NONCE: &str = "EAPI:Invalid nonce";
pub(crate) const CALLS_EXCEEDED: &str = "EAPI:Rate limit exceeded";
pub(crate) const UNKNOWN_METHOD: &str = "EGeneral:Unknown method";
pub(crate) const UNKNOWN_PAIR: &str = "EQuery:Unknown asset pair";
pub(crate) const INVALID_SESSION: &str = "ESession:Invalid session";
pub(crate) const MALFORMED: &str = "Malformed request";
pub(crate) const MSG_RATE: &str = "Exceeded msg rate";
pub(crate) const UNKNOWN_ORDER: &str = "EOrder:Unknown order";
pub(crate) const FUNDS: &str = "EOrder:Insufficient funds";
pub(crate) const ORDER_RATE: &str = "EOrder:Rate limit exceeded";
pub(crate) const TOO_MANY_ORDERS: &str = "EOrder:Orders limit exceeded";
pub(crate) const POST_ONLY: &str = "EOrder:Post only order";
pub(crate) const COST_MINIMUM: &str = "EOrder:Cost minimum not met";
pub(crate) const ORDER_MINIMUM: &str = "EOrder:Order minimum not met";
pub(crate) const VOLUME_MINIMUM: &str = "EGeneral:Invalid arguments:volume minimum not met";
pub(crate) const TICK_SIZE: &str = "EOrder:Tick size check failed";
pub(crate) const CANCEL_ONLY: &str = "EService:Market in cancel_only mode";
pub(crate) const POST_ONLY_MARKET: &str = "EService:Market in post_only mode";
pub(crate) const DEADLINE: &str = "EService:Deadline elapsed";
pub(crate) const UNAVAILABLE: &str = "EService:Unavailable";

/// `EGeneral:Invalid arguments:` and what is wrong.
pub(crate) fn invalid(what: &str) -> String {
    format!("EGeneral:Invalid arguments:{what}")
}

/// Of a subscription.
pub(crate) fn unsupported_pair(symbol: &str) -> String {
    format!("Currency pair not supported {symbol}")
}

/// Of a request whose parameters have a field too many.
pub(crate) fn unsupported_field(field: &str, method: &str) -> String {
    let words = method.replace('_', " ");
    format!("Unsupported field: '{field}' for the given msg type: {words}")
}

/// Not documented by Kraken.
pub(crate) const DUPLICATE: &str = "EOrder:cl_ord_id already in use";
pub(crate) const SUBSCRIBED: &str = "Already subscribed";
pub(crate) const NOT_SUBSCRIBED: &str = "Subscription Not Found";
/// Why the rest of an order that may not rest is canceled.
pub(crate) const NOT_TRADED: &str = "Order could not be filled immediately";
pub(crate) const SELF_TRADE: &str = "Self trade prevention";
pub(crate) const USER: &str = "User requested";
pub(crate) const SWITCH: &str = "Cancel all orders after";
pub(crate) const EXPIRED: &str = "Order expired";
