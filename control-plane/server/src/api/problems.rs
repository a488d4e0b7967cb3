//! How refusals and missing leaders are told. Decides the code of each: one a thing the caller can do.

use crate::limits::NO_LEADER_RETRY_MS;
use tradewind_domain::control::Refusal;
use tradewind_protocol::{Code, Problem};

/// The machine's refusal.
pub(crate) fn refused(refusal: &Refusal) -> Problem {
    let code = match refusal {
        Refusal::KeyExpired => Code::KeyExpired,
        Refusal::AlreadyOpen
        | Refusal::StaleIncarnation { .. }
        | Refusal::Superseded
        | Refusal::Mismatch { .. } => Code::Conflict,
        Refusal::NotFound { .. } => Code::NotFound,
        Refusal::KeyFromFuture
        | Refusal::NotEligible
        | Refusal::AgainstAffinity
        | Refusal::TooLarge { .. } => Code::Refused,
    };
    Problem::new(code, refusal.to_string())
}

/// Surely not done: nobody was there to do it.
pub(crate) fn no_leader(stopped: bool) -> Problem {
    let detail = if stopped {
        "this member is stopping; ask another one"
    } else {
        "the group has no leader at the moment; an election takes less than a second"
    };
    Problem::new(Code::NoLeader, detail).retry_after_ms(NO_LEADER_RETRY_MS)
}

/// Handed to a leader whose answer did not come.
pub(crate) fn unknown() -> Problem {
    let detail = "the change was handed to a leader and no answer came; send it again with the same \
                  Idempotency-Key";
    Problem::new(Code::Unknown, detail).retry_after_ms(NO_LEADER_RETRY_MS)
}

/// An adapter that is named and not there.
pub(crate) fn adapter_not_built(adapter: &str) -> Problem {
    let detail = format!("the adapter `{adapter}` is not built yet; `sim` is the one there is");
    Problem::new(Code::Unsupported, detail)
}

/// The test range is off.
pub(crate) fn registers_disabled() -> Problem {
    let detail =
        "registers are a test range and off here; start the member with --enable-registers";
    Problem::new(Code::NotFound, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tradewind_domain::ids::Incarnation;
    use tradewind_protocol::Retry;

    #[test]
    fn a_refusal_is_told_with_the_code_that_says_what_to_do() {
        let told = |refusal| refused(&refusal).code;
        assert_eq!(told(Refusal::KeyExpired), Code::KeyExpired);
        assert_eq!(told(Refusal::Superseded), Code::Conflict);
        assert_eq!(told(Refusal::StaleIncarnation { held: Incarnation(1) }), Code::Conflict);
        assert_eq!(told(Refusal::NotEligible), Code::Refused);
    }

    #[test]
    fn no_leader_says_when_to_come_back_and_unknown_says_with_which_key() {
        assert_eq!(no_leader(false).retry, Retry::After);
        assert!(no_leader(false).retry_after_ms.is_some());
        assert_eq!(unknown().retry, Retry::SameId);
    }
}
