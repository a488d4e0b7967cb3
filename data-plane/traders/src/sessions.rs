//! The sessions of a TraderManager's Traders. Decides when one must be opened: for a Trader that has none
//! under its epoch, and from half of a token's life. Tokens are held in memory only.

use crate::limits;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tradewind_domain::{
    control::desired::{ManagerEndpoint, TraderWanted},
    ids::{Fence, TraderId},
    time::UnixNanos,
};
use tradewind_protocol::{session::SessionOpened, supervision::TraderAccess};

struct Session {
    fence: Fence,
    opened: SessionOpened,
    renew_at: Instant,
}

#[derive(Default)]
pub(crate) struct Sessions {
    held: Mutex<BTreeMap<TraderId, Session>>,
}

impl Sessions {
    fn held(&self) -> MutexGuard<'_, BTreeMap<TraderId, Session>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of `wanted` that need a session now, and when the next one will. Forgets all others.
    pub(crate) fn due(
        &self,
        wanted: &[TraderWanted],
        now: Instant,
    ) -> (Vec<TraderWanted>, Option<Instant>) {
        let mut held = self.held();
        held.retain(|trader, _| wanted.iter().any(|w| w.trader == *trader));
        let is_due = |w: &&TraderWanted| {
            // Nobody has attached as it yet.
            let Some(right) = w.right() else { return false };
            let session = held.get(&w.trader).filter(|session| session.fence == right);
            session.is_none_or(|session| session.renew_at <= now)
        };
        let due = wanted.iter().filter(is_due).cloned().collect();
        (due, held.values().map(|session| session.renew_at).filter(|at| *at > now).min())
    }

    pub(crate) fn opened(
        &self,
        wanted: &TraderWanted,
        opened: SessionOpened,
        clock: UnixNanos,
        now: Instant,
    ) {
        // A clock that is wrong by the token's life must not make this spin.
        let half = (opened.expires_at.since(clock) / 2).max(limits::RENEW_AT_MOST_EVERY);
        let Some(fence) = wanted.right() else { return };
        let session = Session { fence, opened, renew_at: now + half };
        self.held().insert(wanted.trader.clone(), session);
    }

    /// What a Trader is given; `None` before it has a session under its epoch. Of the MarketManagers
    /// those that live come first, in the order of the session; dead ones may come back.
    pub(crate) fn access(
        &self,
        wanted: &TraderWanted,
        live: &[ManagerEndpoint],
    ) -> Option<TraderAccess> {
        let held = self.held();
        let right = wanted.right()?;
        let session = held.get(&wanted.trader).filter(|session| session.fence == right)?;
        let opened = &session.opened;
        let address_of = |endpoint: &ManagerEndpoint| {
            live.iter().find(|one| one.manager == endpoint.manager).map(|one| one.address.clone())
        };
        let in_order = opened.market_managers.iter().filter_map(address_of);
        let others = live.iter().map(|one| one.address.clone());
        let dead = opened.market_managers.iter().map(|one| one.address.clone());
        let mut market_managers = Vec::<String>::new();
        for address in in_order.chain(others).chain(dead) {
            if !market_managers.contains(&address) {
                market_managers.push(address);
            }
        }
        Some(TraderAccess {
            session_token: opened.token.clone(),
            market_managers,
            infrastructure_managers: opened.infrastructure_managers.clone(),
        })
    }
}

/// The time until `at`, zero if it has passed.
pub(crate) fn until(at: Instant, now: Instant) -> Duration {
    at.saturating_duration_since(now)
}

#[cfg(test)]
mod tests;
