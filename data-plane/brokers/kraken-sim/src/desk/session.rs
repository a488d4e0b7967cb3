//! Who may do what: the one API key, its nonces and calls, and the tokens made with it. Decides which error text a
//! call gets before it is looked at; what a call does is decided elsewhere.

use std::collections::BTreeMap;

use tradewind_domain::time::UnixNanos;
use tradewind_kraken::limits::TOKEN;
use tradewind_kraken::outcome::LOCKOUT;
use tradewind_kraken::rate::{Counter, Tier};
use tradewind_kraken::sign::Secret;

use crate::errors;
use crate::exchange::monotonic;
use crate::limits::TOKENS;

/// Requests with a wrong key in a row after which all are locked out.
const WRONG_KEYS: u32 = 10;
const POINT: u64 = 1_000_000_000;

/// A private call as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// `/0/private/AddOrder`
    pub(crate) path: String,
    pub(crate) body: String,
    pub(crate) json: bool,
    pub(crate) key: String,
    pub(crate) sign: String,
}

/// See the module.
pub(crate) struct Session {
    key: String,
    secret: Secret,
    nonce: u64,
    calls: Counter,
    wrong: u32,
    locked_until: UnixNanos,
    /// Tokens and when they end.
    tokens: BTreeMap<String, UnixNanos>,
}

impl Session {
    pub(crate) fn new(key: String, secret: Secret, tier: Tier, now: UnixNanos) -> Self {
        Self {
            key,
            secret,
            nonce: 0,
            calls: Counter::new(tier.calls(), monotonic(now)),
            wrong: 0,
            locked_until: UnixNanos(0),
            tokens: BTreeMap::new(),
        }
    }

    /// Whether the call may be done.
    pub(crate) fn admit(
        &mut self,
        call: &Call,
        nonce: Option<&str>,
        points: u64,
        now: UnixNanos,
    ) -> Result<(), &'static str> {
        if now < self.locked_until {
            return Err("EGeneral:Temporary lockout");
        }
        if call.key != self.key {
            self.wrong += 1;
            if self.wrong >= WRONG_KEYS {
                (self.wrong, self.locked_until) = (0, now + LOCKOUT);
            }
            return Err(errors::INVALID_KEY);
        }
        self.wrong = 0;
        let text = nonce.unwrap_or_default();
        let Ok(number) = text.parse::<u64>() else { return Err(errors::INVALID_NONCE) };
        if !self.secret.verifies(&call.path, text, &call.body, &call.sign) {
            return Err(errors::INVALID_SIGNATURE);
        }
        if number <= self.nonce {
            return Err(errors::INVALID_NONCE);
        }
        self.nonce = number;
        let counted = self.calls.admit(points * POINT, 0, monotonic(now));
        counted.map_err(|_| errors::CALLS_EXCEEDED)
    }

    /// A new token.
    pub(crate) fn token(&mut self, now: UnixNanos) -> Option<String> {
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random).ok()?;
        let token: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.tokens.len() >= TOKENS {
            let oldest = self.tokens.iter().min_by_key(|(_, ends)| **ends);
            let oldest = oldest.map(|(token, _)| token.clone());
            oldest.map(|token| self.tokens.remove(&token));
        }
        self.tokens.insert(token.clone(), now + TOKEN);
        Some(token)
    }

    /// Whether a token is good. One in use by a private subscription does not end by time.
    pub(crate) fn is_token(&self, token: &str, in_use: bool, now: UnixNanos) -> bool {
        self.tokens.get(token).is_some_and(|ends| in_use || now < *ends)
    }

    pub(crate) fn expire_tokens(&mut self) {
        self.tokens.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn session() -> Session {
        let secret = Secret::from_base64("c2VjcmV0").unwrap();
        Session::new("key".into(), secret, Tier::Starter, UnixNanos(0))
    }

    fn call(nonce: u64) -> Call {
        let secret = Secret::from_base64("c2VjcmV0").unwrap();
        let (path, body) = ("/0/private/Balance".to_owned(), format!("nonce={nonce}"));
        let sign = secret.sign(&path, &nonce.to_string(), &body);
        Call { path, body, json: false, key: "key".into(), sign }
    }

    #[test]
    fn a_call_needs_the_key_a_signature_and_a_higher_nonce() {
        let mut session = session();
        let now = UnixNanos(1);
        assert_eq!(session.admit(&call(5), Some("5"), 1, now), Ok(()));
        assert_eq!(session.admit(&call(5), Some("5"), 1, now), Err(errors::INVALID_NONCE));
        assert_eq!(session.admit(&call(4), Some("4"), 1, now), Err(errors::INVALID_NONCE));
        assert_eq!(session.admit(&call(6), None, 1, now), Err(errors::INVALID_NONCE));
        assert_eq!(session.admit(&call(6), Some("7"), 1, now), Err(errors::INVALID_SIGNATURE));
        let strange = Call { key: "other".into(), ..call(8) };
        assert_eq!(session.admit(&strange, Some("8"), 1, now), Err(errors::INVALID_KEY));
        assert_eq!(session.admit(&call(9), Some("9"), 1, now), Ok(()));
    }

    #[test]
    fn calls_are_counted_and_wrong_keys_lock_everybody_out() {
        let mut session = session();
        let now = UnixNanos(1);
        for nonce in 1..=15 {
            assert_eq!(session.admit(&call(nonce), Some(&nonce.to_string()), 1, now), Ok(()));
        }
        assert_eq!(session.admit(&call(20), Some("20"), 1, now), Err(errors::CALLS_EXCEEDED));
        assert_eq!(session.admit(&call(21), Some("21"), 0, now), Ok(()), "orders are not counted");
        for _ in 0..WRONG_KEYS {
            let strange = Call { key: "other".into(), ..call(30) };
            assert_eq!(session.admit(&strange, Some("30"), 1, now), Err(errors::INVALID_KEY));
        }
        let locked = session.admit(&call(31), Some("31"), 0, now);
        assert_eq!(locked, Err("EGeneral:Temporary lockout"));
        assert_eq!(session.admit(&call(31), Some("31"), 0, now + LOCKOUT), Ok(()));
    }

    #[test]
    fn a_token_ends_by_time_unless_it_is_in_use_or_by_order() {
        let mut session = session();
        let token = session.token(UnixNanos(0)).unwrap();
        let late = UnixNanos(0) + TOKEN + Duration::from_secs(1);
        assert!(session.is_token(&token, false, UnixNanos(5)));
        assert!(!session.is_token(&token, false, late));
        assert!(session.is_token(&token, true, late));
        session.expire_tokens();
        assert!(!session.is_token(&token, true, UnixNanos(5)));
    }
}
