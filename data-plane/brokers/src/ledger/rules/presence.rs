//! Orders that are canceled when their session is gone. Decides which session such an order is tied to, and how many of
//! them are watched.

use super::Ledger;
use crate::limits::{RETRY_AFTER_MS, SESSIONS_WATCHED};
use tradewind_domain::{
    ids::SessionId,
    trading::{NewOrder, presence::SessionKey},
};
use tradewind_protocol::{
    problem::{Code, Problem},
    trade::Principal,
};

impl Ledger {
    /// The session that a new order is tied to; `None` if it is to none.
    pub(super) fn tied_to(
        &self,
        principal: &Principal,
        new: &NewOrder,
    ) -> Result<Option<SessionId>, Problem> {
        if new.cancel_on_disconnect.is_none() {
            return Ok(None);
        }
        let session = principal.session.clone().ok_or_else(|| {
            let detail = "cancel_on_disconnect is for orders that are submitted in a session";
            Problem::new(Code::InvalidOrder, detail)
        })?;
        let key = SessionKey { customer: principal.customer.clone(), session: session.clone() };
        if self.marks().sessions() >= SESSIONS_WATCHED && !self.marks().has(&key) {
            let detail = format!(
                "{SESSIONS_WATCHED} sessions have orders here that are canceled when they are gone"
            );
            return Err(Problem::new(Code::TooManyRequests, detail).retry_after_ms(RETRY_AFTER_MS));
        }
        Ok(Some(session))
    }
}
