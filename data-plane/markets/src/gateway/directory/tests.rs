//! Claims about who is let in.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::{access, account, claims, customer, desired, market_wanted, token};
use ed25519_dalek::SigningKey;
use tradewind_domain::ids::{ClusterIncarnation, NodeId};
use tradewind_protocol::{Retry, token::sign};

/// Long after the claims' tokens were issued, and before they expire.
const NOW: UnixNanos = UnixNanos(60_000_000_000);

fn directory() -> Directory {
    Directory::new(&desired(vec![market_wanted("crypto")])).unwrap()
}

fn refused(token: &str) -> (u16, Retry) {
    let problem = directory().admit(token, NOW).unwrap_err();
    (problem.status, problem.retry)
}

#[test]
fn a_good_token_is_let_in_without_asking_anyone() {
    assert_eq!(directory().admit(&token(&claims("acme")), NOW), Ok(claims("acme")));
}

#[test]
fn a_token_that_is_wrong_expired_forged_or_of_another_cluster_is_not() {
    let unauthorized = (401, Retry::Never);
    assert_eq!(refused("nonsense"), unauthorized);
    let expired = Claims { expires_at: NOW, ..claims("acme") };
    assert_eq!(refused(&token(&expired)), unauthorized);
    let other = Claims { cluster: ClusterIncarnation(9), ..claims("acme") };
    assert_eq!(refused(&token(&other)), unauthorized);
    let forged = sign(&claims("acme"), NodeId(1), &SigningKey::from_bytes(&[9; 32]));
    assert_eq!(refused(&forged), unauthorized);
    let revoked = Claims { key_id: Some("revoked".to_string()), ..claims("acme") };
    assert_eq!(refused(&token(&revoked)), unauthorized);
    assert_eq!(refused(&token(&claims("nobody"))), unauthorized);
}

#[test]
fn a_token_that_was_let_in_before_is_looked_at_again() {
    let directory = directory();
    let short = Claims { expires_at: UnixNanos(NOW.0 + 1), ..claims("acme") };
    let good = token(&short);
    assert_eq!(directory.admit(&good, NOW), Ok(short.clone()));
    assert_eq!(directory.admit(&good, NOW), Ok(short));
    let late = directory.admit(&good, UnixNanos(NOW.0 + 1)).unwrap_err();
    assert_eq!((late.status, late.retry), (401, Retry::Never));
    // Another signature under the same claims is another token.
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, other) = token(&claims("acme"))
        .rsplit_once('.')
        .map(|(a, b)| (a.to_string(), b.to_string()))
        .unwrap();
    assert!(directory.admit(&format!("{signed}.{other}"), NOW).is_err());
    // A customer that is nobody's any more, by a token that was found good.
    let nobody = token(&claims("nobody"));
    assert!(directory.admit(&nobody, NOW).is_err());
    assert!(directory.admit(&nobody, NOW).is_err());
}

#[test]
fn a_token_of_moments_ago_whose_customer_is_not_known_yet_may_come_back() {
    let fresh = Claims { issued_at: NOW, ..claims("newcomer") };
    assert_eq!(refused(&token(&fresh)), (503, Retry::After));
    let joined = sign(&claims("acme"), NodeId(2), &SigningKey::from_bytes(&[9; 32]));
    assert_eq!(refused(&joined), (503, Retry::After), "the key of a member that has just joined");
}

#[test]
fn an_account_is_its_customers_alone() {
    // given
    let mut wanted = market_wanted("crypto");
    wanted.accounts.push(access("sim-2", "sim", &["other"]));
    let directory = Directory::new(&desired(vec![wanted])).unwrap();
    let asked = |name| directory.market_for(&customer("acme"), &account(name));
    // then
    assert_eq!(asked("sim-1").map(MarketId::as_str), Ok("crypto"));
    assert_eq!(asked("sim-2").unwrap_err().code, Code::Forbidden);
    assert_eq!(asked("sim-3").unwrap_err().code, Code::NotFound);
    assert_eq!(directory.accounts(&customer("acme")), [account("sim-1")]);
}
