//! What an error means. Decides of every text Kraken is known to send whether the request was done, may be
//! tried again and when, and what is to be mended first. A text that is not known says nothing: then the
//! outcome is unknown, as after a timeout or an HTTP 5xx (which Kraken has answered to orders it took).

use core::time::Duration;

use tradewind_domain::time::UnixNanos;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not done, and the same request will never be.
    Refused(Refused),
    /// Not done; the same order may be sent under a new id after this time.
    After(After),
    /// Not done; it will be once this is mended.
    Mend(Mend),
    /// Not done, and nothing will be until an operator has acted: the key, its permissions, or a bug.
    Fatal(Fatal),
    /// Perhaps done.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Off the tick, below a minimum, arguments that do not go together.
    Invalid,
    NoFunds,
    /// It would have traded at once.
    PostOnly,
    /// Too many open orders of the pair.
    TooManyOrders,
    /// The order is not open: it never was, or has ended.
    UnknownOrder,
    /// It came after its deadline.
    Deadline,
    /// The pair is not traded.
    NoSuchPair,
    /// The client id is that of an open order.
    Duplicate,
    CancelOnly,
    PostOnlyMarket,
    /// The market is closed to everything for now.
    Maintenance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// When the counter has decayed; our own counter knows when.
    Decay,
    /// Not before this, by the venue's clock.
    Until(UnixNanos),
    /// After this long.
    For(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mend {
    /// A new WebSocket token.
    Token,
    /// A higher nonce; and nobody else may use the key.
    Nonce,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fatal {
    Key,
    Signature,
    Permission,
    /// We sent what is no request.
    Malformed,
}

/// How long Kraken locks a key out after many requests with a wrong one (its REST guide).
pub const LOCKOUT: Duration = Duration::from_secs(15 * 60);

/// Texts that are known whole.
const WHOLE: [(&str, Outcome); 36] = [
    ("EOrder:Insufficient funds", Outcome::Refused(Refused::NoFunds)),
    ("EOrder:Insufficient margin", Outcome::Refused(Refused::NoFunds)),
    ("EOrder:Margin allowance exceeded", Outcome::Refused(Refused::NoFunds)),
    ("EOrder:Unknown order", Outcome::Refused(Refused::UnknownOrder)),
    ("EOrder:Invalid order", Outcome::Refused(Refused::UnknownOrder)),
    ("EOrder:Rate limit exceeded", Outcome::After(After::Decay)),
    ("EOrder:Orders limit exceeded", Outcome::Refused(Refused::TooManyOrders)),
    ("EOrder:Positions limit exceeded", Outcome::Refused(Refused::TooManyOrders)),
    ("EOrder:Post only order", Outcome::Refused(Refused::PostOnly)),
    ("EOrder:Cost minimum not met", Outcome::Refused(Refused::Invalid)),
    ("EOrder:Order minimum not met", Outcome::Refused(Refused::Invalid)),
    ("EOrder:Tick size check failed", Outcome::Refused(Refused::Invalid)),
    ("EOrder:Invalid price", Outcome::Refused(Refused::Invalid)),
    ("EOrder:Reduce only:No position exists", Outcome::Refused(Refused::Invalid)),
    ("EOrder:Trading agreement required", Outcome::Fatal(Fatal::Permission)),
    ("EOrder:cl_ord_id already in use", Outcome::Refused(Refused::Duplicate)),
    ("EService:Market in cancel_only mode", Outcome::Refused(Refused::CancelOnly)),
    ("EService:Market in post_only mode", Outcome::Refused(Refused::PostOnlyMarket)),
    ("EService:Market in limit_only mode", Outcome::Refused(Refused::Invalid)),
    ("EService:Market in maintenance mode", Outcome::Refused(Refused::Maintenance)),
    ("EService:Deadline elapsed", Outcome::Refused(Refused::Deadline)),
    ("EService:Unavailable", Outcome::Unknown),
    ("EService:Busy", Outcome::Unknown),
    ("EService:Timeout", Outcome::Unknown),
    ("EGeneral:Internal error", Outcome::Unknown),
    ("EGeneral:Permission denied", Outcome::Fatal(Fatal::Permission)),
    ("EGeneral:Temporary lockout", Outcome::After(After::For(LOCKOUT))),
    ("EGeneral:Unknown method", Outcome::Fatal(Fatal::Malformed)),
    ("EAPI:Invalid key", Outcome::Fatal(Fatal::Key)),
    ("EAPI:Invalid signature", Outcome::Fatal(Fatal::Signature)),
    ("EAPI:Invalid nonce", Outcome::Mend(Mend::Nonce)),
    ("EAPI:Rate limit exceeded", Outcome::After(After::Decay)),
    ("ESession:Invalid session", Outcome::Mend(Mend::Token)),
    ("EQuery:Unknown asset pair", Outcome::Refused(Refused::NoSuchPair)),
    ("EQuery:Unknown asset", Outcome::Refused(Refused::NoSuchPair)),
    ("Malformed request", Outcome::Fatal(Fatal::Malformed)),
];

/// Texts that are known by how they begin.
const BEGINNINGS: [(&str, Outcome); 4] = [
    ("EGeneral:Invalid arguments", Outcome::Refused(Refused::Invalid)),
    ("EOrder:Invalid arguments", Outcome::Refused(Refused::Invalid)),
    ("Currency pair not supported", Outcome::Refused(Refused::NoSuchPair)),
    ("Unsupported field", Outcome::Fatal(Fatal::Malformed)),
];

const THROTTLED: &str = "EService:Throttled:";

/// What an error text means.
#[must_use]
pub fn of(error: &str) -> Outcome {
    if let Some((_, outcome)) = WHOLE.iter().find(|(text, _)| *text == error) {
        return *outcome;
    }
    if let Some((_, outcome)) = BEGINNINGS.iter().find(|(text, _)| error.starts_with(text)) {
        return *outcome;
    }
    let until = error.strip_prefix(THROTTLED).and_then(|text| text.trim().parse::<u64>().ok());
    match until.and_then(|seconds| seconds.checked_mul(1_000_000_000)) {
        Some(nanos) => Outcome::After(After::Until(UnixNanos(nanos))),
        None => Outcome::Unknown,
    }
}

/// What a REST answer's list of errors means for the one request; none if the list is empty. A text that
/// leaves the outcome open outweighs all others, warnings (`W...`) count for nothing.
#[must_use]
pub fn of_all<'a>(errors: impl IntoIterator<Item = &'a str>) -> Option<Outcome> {
    let errors = errors.into_iter().filter(|error| !error.starts_with('W')).map(of);
    errors.reduce(|first, next| if next == Outcome::Unknown { next } else { first })
}

impl Outcome {
    /// Whether an order that was answered so may be at the venue all the same.
    #[must_use]
    pub fn may_be_placed(self) -> bool {
        match self {
            // A duplicate speaks of the order that is there under the id: perhaps this one.
            Self::Unknown | Self::Refused(Refused::Duplicate) => true,
            Self::Refused(_) | Self::After(_) | Self::Mend(_) | Self::Fatal(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_text_says_whether_the_order_may_be_there() {
        let refused = |why| Outcome::Refused(why);
        let table = [
            ("Currency pair not supported XBT/USD", refused(Refused::NoSuchPair), false),
            ("ESession:Invalid session", Outcome::Mend(Mend::Token), false),
            ("Malformed request", Outcome::Fatal(Fatal::Malformed), false),
            (
                "Unsupported field: 'price' for the given msg type: add order",
                Outcome::Fatal(Fatal::Malformed),
                false,
            ),
            ("EGeneral:Invalid arguments:volume minimum not met", refused(Refused::Invalid), false),
            ("EOrder:Insufficient funds", refused(Refused::NoFunds), false),
            ("EOrder:Unknown order", refused(Refused::UnknownOrder), false),
            ("EOrder:Rate limit exceeded", Outcome::After(After::Decay), false),
            ("EOrder:Orders limit exceeded", refused(Refused::TooManyOrders), false),
            ("EOrder:Post only order", refused(Refused::PostOnly), false),
            ("EService:Market in cancel_only mode", refused(Refused::CancelOnly), false),
            ("EService:Market in post_only mode", refused(Refused::PostOnlyMarket), false),
            ("EService:Deadline elapsed", refused(Refused::Deadline), false),
            ("EService:Unavailable", Outcome::Unknown, true),
            ("EOrder:Cost minimum not met", refused(Refused::Invalid), false),
            ("EOrder:Order minimum not met", refused(Refused::Invalid), false),
            ("EOrder:Tick size check failed", refused(Refused::Invalid), false),
            ("EGeneral:Permission denied", Outcome::Fatal(Fatal::Permission), false),
            ("EAPI:Invalid nonce", Outcome::Mend(Mend::Nonce), false),
            ("EAPI:Invalid key", Outcome::Fatal(Fatal::Key), false),
            ("EAPI:Invalid signature", Outcome::Fatal(Fatal::Signature), false),
            ("EAPI:Rate limit exceeded", Outcome::After(After::Decay), false),
            (
                "EService:Throttled:1762820224",
                Outcome::After(After::Until(UnixNanos(1_762_820_224_000_000_000))),
                false,
            ),
            ("EGeneral:Temporary lockout", Outcome::After(After::For(LOCKOUT)), false),
            ("EGeneral:Internal error", Outcome::Unknown, true),
            ("EService:Timeout", Outcome::Unknown, true),
            // Not known texts, and such as look like known ones.
            ("Exceeded msg rate", Outcome::Unknown, true),
            ("EOrder:Something new", Outcome::Unknown, true),
            ("EService:Throttled:soon", Outcome::Unknown, true),
            ("", Outcome::Unknown, true),
        ];
        for (text, outcome, may_be_placed) in table {
            assert_eq!(of(text), outcome, "{text}");
            assert_eq!(outcome.may_be_placed(), may_be_placed, "{text}");
        }
    }

    #[test]
    fn no_text_stands_twice_in_the_table() {
        let mut texts: Vec<_> = WHOLE.iter().map(|(text, _)| *text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), WHOLE.len());
    }

    #[test]
    fn of_several_errors_the_one_that_leaves_it_open_counts() {
        let refused = "EOrder:Insufficient funds";
        assert_eq!(of_all([]), None);
        assert_eq!(of_all(["WOrder:Something"]), None);
        assert_eq!(of_all([refused]), Some(of(refused)));
        assert_eq!(of_all([refused, "EService:Unavailable"]), Some(Outcome::Unknown));
        assert_eq!(of_all(["EService:Unavailable", refused]), Some(Outcome::Unknown));
    }
}
