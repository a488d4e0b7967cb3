//! How a session gets in, and how it gets in again: the token, the lists of MarketManagers and
//! InfrastructureManagers. Decides when the token is renewed and whom it asks; one renewal at a time.

use crate::{
    clock,
    edges::Edges,
    events::{Events, SessionEvent},
    requests::{Failed, Requests},
};
use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use tradewind_protocol::{
    Code, attach::AttachedAccess, domain::limits::SESSION_TOKEN_LIFE, session::SessionOpened, token,
};

/// A renewal that failed is tried again after this time: half of a token's life is left for it.
const RENEW_AGAIN_AFTER: Duration = Duration::from_secs(30);
/// However short a token's life is said to be.
const RENEW_AT_MOST_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) edges: Edges,
    pub(crate) events: Events,
    requests: Requests,
    api_key: Option<String>,
    held: Mutex<Held>,
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Held {
    token: String,
    renew_at: Instant,
    members: Vec<String>,
}

impl Held {
    fn learn(&mut self, members: Vec<String>) {
        for member in members {
            if !self.members.contains(&member) {
                self.members.push(member);
            }
        }
    }
}

impl Access {
    /// `edges` and `members` in the order of preference.
    pub(crate) fn new(
        requests: Requests,
        api_key: Option<String>,
        token: String,
        edges: Vec<String>,
        members: Vec<String>,
    ) -> Self {
        let renew_at = Instant::now() + renewed_in(&token);
        let held = Mutex::new(Held { token, renew_at, members });
        let renewing = tokio::sync::Mutex::new(());
        let (edges, events) = (Edges::new(edges), Events::default());
        Self { edges, events, requests, api_key, held, renewing }
    }

    // A panic while the lock is held leaves values that are still whole.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn token(&self) -> String {
        self.held().token.clone()
    }

    /// Gets a token in place of `old`, with the lists of now; does nothing if another caller just has.
    /// Asks each member at most once. May be cancelled: the next call begins with another member.
    pub(crate) async fn renew(&self, old: &str) -> Result<(), Failed> {
        let _one_at_a_time = self.renewing.lock().await;
        if self.token() != old {
            return Ok(());
        }
        // A token can be renewed while it is good, and the session is the one it was; an API key opens a new one.
        match (self.opened_by(old).await, &self.api_key) {
            (Err(Failed::Problem(why)), Some(key)) if why.code == Code::Unauthorized => {
                self.opened_by(key).await
            }
            (renewed, _) => renewed,
        }
    }

    async fn opened_by(&self, secret: &str) -> Result<(), Failed> {
        let mut last = Failed::NotSent("no InfrastructureManager is known".to_string());
        let members = self.held().members.len();
        for _ in 0..members {
            let member = {
                let mut held = self.held();
                held.members.rotate_left(1);
                held.members.last().cloned().unwrap_or_default()
            };
            match self.requests.open_session(&member, secret).await {
                Ok(opened) => {
                    self.take(opened);
                    return Ok(());
                }
                Err(failed) => last = failed,
            }
        }
        Err(last)
    }

    fn take(&self, opened: SessionOpened) {
        let edges = opened.market_managers.into_iter().map(|edge| edge.address);
        self.edges.replace(edges.collect());
        let mut held = self.held();
        held.renew_at = Instant::now() + renewed_in(&opened.token);
        held.token = opened.token;
        held.learn(opened.infrastructure_managers);
        drop(held);
        self.events.tell(SessionEvent::TokenRenewed);
    }

    /// What a TraderManager has given: its token is the newest of this copy's right.
    pub(crate) fn give(&self, given: AttachedAccess) {
        let mut held = self.held();
        if held.token == given.session_token {
            drop(held);
            return self.edges.replace(given.market_managers);
        }
        held.renew_at = Instant::now() + renewed_in(&given.session_token);
        held.token = given.session_token;
        held.learn(given.infrastructure_managers);
        drop(held);
        self.edges.replace(given.market_managers);
        self.events.tell(SessionEvent::TokenRenewed);
    }

    /// Renews the token from half of its life on, for ever.
    pub(crate) async fn keep_fresh(&self) -> Infallible {
        loop {
            let at = self.held().renew_at;
            sleep_until(at).await;
            if let Err(failed) = self.renew(&self.token()).await {
                tracing::warn!(?failed, "the session could not be renewed yet");
                self.held().renew_at = Instant::now() + RENEW_AGAIN_AFTER;
            }
        }
    }
}

/// How long from now a token is renewed. A clock that is wrong makes this neither spin nor sleep too long.
fn renewed_in(text: &str) -> Duration {
    let Some(claims) = token::claims_unchecked(text) else { return SESSION_TOKEN_LIFE / 2 };
    let half = claims.expires_at.since(claims.issued_at) / 2;
    let due = claims.issued_at + half;
    due.since(clock::now()).clamp(half / 10, half).max(RENEW_AT_MOST_EVERY)
}
