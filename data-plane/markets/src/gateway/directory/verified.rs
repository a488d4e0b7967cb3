//! Tokens whose signature was found good. Decides how many are remembered: a signature costs as much as everything else
//! that a MarketManager does for an order. Whether a token is still good is asked each time; the members' keys do not
//! change while these are remembered.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};
use tradewind_domain::limits::SESSIONS_PER_MARKET_MANAGER;
use tradewind_protocol::token::Claims;

#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<String, Claims>>);

impl Verified {
    pub(super) fn claims(&self, token: &str) -> Option<Claims> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// Only what was signed by a member: nobody else can fill it.
    pub(super) fn remember(&self, token: &str, claims: &Claims) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= SESSIONS_PER_MARKET_MANAGER {
            // Those that are in use are soon found good again.
            held.clear();
        }
        held.insert(token.to_string(), claims.clone());
    }
}
