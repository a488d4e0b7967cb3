//! Claims about the Traders' sessions.

#![allow(clippy::unwrap_used)]
use super::*;
use tradewind_domain::ids::{ClusterIncarnation, Epoch};
use tradewind_protocol::control::Stand;

const HOUR: Duration = Duration::from_secs(3_600);

fn wanted(epoch: u64) -> TraderWanted {
    TraderWanted {
        trader: "sample".parse().unwrap(),
        customer: "acme".parse().unwrap(),
        fence: Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) },
        command: vec!["true".to_string()],
        run: Default::default(),
        paused: false,
        fencing: false,
        attached: None,
    }
}

fn endpoint(implementation: &str, address: &str) -> ManagerEndpoint {
    let manager = format!("{implementation}.market-manager").parse().unwrap();
    ManagerEndpoint { manager, address: address.to_string() }
}

fn session(hours: u32) -> SessionOpened {
    SessionOpened {
        stand: Stand::default(),
        customer: "acme".parse().unwrap(),
        trader: None,
        token: "tw1.x".to_string(),
        expires_at: UnixNanos(0) + HOUR * hours,
        market_managers: vec![endpoint("b2", "2:1"), endpoint("a1", "1:1")],
        infrastructure_managers: vec!["9:1".to_string()],
        trader_manager: None,
    }
}

#[test]
fn a_session_is_opened_once_an_epoch_and_again_from_half_of_its_life() {
    // given
    let (sessions, start) = (Sessions::default(), Instant::now());
    assert_eq!(sessions.due(&[wanted(5)], start).0, [wanted(5)]);
    // when
    sessions.opened(&wanted(5), session(12), UnixNanos(0), start);
    // then
    assert_eq!(sessions.due(&[wanted(5)], start), (vec![], Some(start + HOUR * 6)));
    assert_eq!(sessions.due(&[wanted(5)], start + HOUR * 6).0, [wanted(5)]);
    assert_eq!(sessions.due(&[wanted(6)], start).0, [wanted(6)]);
    assert!(sessions.access(&wanted(6), &[]).is_none(), "a token of another epoch was given");
    // and one that is no longer wanted is forgotten
    sessions.due(&[], start);
    assert!(sessions.access(&wanted(5), &[]).is_none());
}

#[test]
fn market_managers_that_live_come_first_in_the_sessions_order() {
    // given
    let sessions = Sessions::default();
    sessions.opened(&wanted(5), session(12), UnixNanos(0), Instant::now());
    // when: one moved, one died, one is new
    let live = [endpoint("a1", "1:9"), endpoint("c3", "3:1")];
    let access = sessions.access(&wanted(5), &live).unwrap();
    // then
    assert_eq!(access.market_managers, ["1:9", "3:1", "2:1", "1:1"]);
    assert_eq!(access.session_token, "tw1.x");
}

#[test]
fn a_token_that_seems_expired_is_not_renewed_without_pause() {
    let (sessions, start) = (Sessions::default(), Instant::now());
    sessions.opened(&wanted(5), session(1), UnixNanos(0) + HOUR * 9, start);
    assert!(sessions.due(&[wanted(5)], start).0.is_empty());
}
