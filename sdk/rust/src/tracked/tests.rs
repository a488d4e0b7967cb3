//! Claims about what is known of an order that somebody follows.
#![allow(clippy::unwrap_used)]
use super::*;
use serde_json::json;

fn order(account: &str, version: u32, state: &str, filled: &str) -> Order {
    serde_json::from_value(json!({
        "order_id": format!("{account}.0123456789abcdef0123456789abcdef"), "customer": "acme",
        "client_order_id": "x", "venue": "sim", "instrument": "BTC/USD", "side": "buy",
        "type": "limit", "quantity": "2", "limit_price": "1", "time_in_force": "gtc",
        "state": state, "filled_quantity": filled, "reason": null,
        "created_at": "2026-01-31T12:00:00Z", "updated_at": "2026-01-31T12:00:00Z",
        "version": version,
    }))
    .unwrap()
}

fn id() -> ClientOrderId {
    ClientOrderId::new("x").unwrap()
}

fn state(watched: &Watched) -> Option<(u32, OrderState)> {
    watched.known.borrow().order.as_ref().map(|order| (order.version, order.state))
}

/// Those states for which waiting is over.
fn over(known: &Known) -> Vec<OrderState> {
    OrderState::ALL.into_iter().filter(|state| known.is_over(*state)).collect()
}

#[test]
fn a_state_is_over_once_the_order_was_in_it_or_has_gone_past_it() {
    use OrderState as S;
    let cases: [(&str, &str, &[S]); 8] = [
        ("accepted", "0", &[S::Accepted]),
        ("pending_new", "0", &[S::Accepted, S::PendingNew]),
        ("unknown", "0", &[S::Accepted, S::PendingNew, S::Unknown]),
        ("new", "0", &[S::Accepted, S::PendingNew, S::New]),
        ("pending_cancel", "0", &[S::Accepted, S::PendingNew, S::PendingCancel]),
        ("pending_replace", "0", &[S::Accepted, S::PendingNew, S::New, S::PendingReplace]),
        ("partially_filled", "1", &[S::Accepted, S::PendingNew, S::New, S::PartiallyFilled]),
        ("rejected", "0", &S::ALL),
    ];
    for (state, filled, expected) in cases {
        let mut known = Known::default();
        assert!(over(&known).is_empty());
        known.told(&order("sim-1", 1, state, filled));
        assert_eq!(over(&known), expected, "{state}");
    }
    // What comes and goes is remembered.
    let mut known = Known::default();
    for (version, state) in [(1, "new"), (2, "pending_cancel"), (3, "new")] {
        known.told(&order("sim-1", version, state, "0"));
    }
    assert!(known.is_over(S::PendingCancel) && !known.is_over(S::PendingReplace));
}

#[test]
fn what_is_older_is_no_news_and_an_end_always_is() {
    // given
    let tracked = Tracked::default();
    let watched = tracked.watch(&id(), None);
    // when
    tracked.told(&order("sim-1", 5, "new", "0"));
    tracked.told(&order("sim-1", 4, "pending_new", "0"));
    watched.answered(&order("sim-1", 1, "accepted", "0"), 0);
    // then
    assert_eq!(state(&watched), Some((5, OrderState::New)));
    // An end is one, whatever its version.
    tracked.told(&order("sim-1", 2, "canceled", "0"));
    tracked.told(&order("sim-1", 1, "new", "0"));
    assert_eq!(state(&watched), Some((2, OrderState::Canceled)));
    // A late fill.
    tracked.told(&order("sim-1", 3, "filled", "2"));
    assert_eq!(state(&watched), Some((3, OrderState::Filled)));
}

#[test]
fn an_order_of_another_account_under_the_same_id_is_another() {
    // given
    let tracked = Tracked::default();
    let [one, other] = ["sim-1", "sim-2"].map(|name| AccountId::new(name).unwrap());
    let (named, unnamed) = (tracked.watch(&id(), Some(&other)), tracked.watch(&id(), None));
    // when
    tracked.told(&order(one.as_str(), 7, "filled", "2"));
    tracked.told(&order(other.as_str(), 1, "accepted", "0"));
    // then
    assert_eq!(state(&named), Some((1, OrderState::Accepted)));
    assert_eq!(state(&unnamed), Some((7, OrderState::Filled)), "nobody has said which it is");
    // when
    unnamed.answered(&order(other.as_str(), 1, "accepted", "0"), 0);
    tracked.told(&order(one.as_str(), 8, "filled", "2"));
    // then
    assert_eq!(state(&unnamed), Some((1, OrderState::Accepted)));
    assert_eq!(over(&unnamed.known.borrow()), [OrderState::Accepted]);
}

#[test]
fn after_a_gap_only_an_answer_that_was_asked_for_behind_it_is_trusted() {
    // given
    let tracked = Tracked::default();
    let watched = tracked.watch(&id(), None);
    let [one, other] = ["sim-1", "sim-2"].map(|name| AccountId::new(name).unwrap());
    let is_doubted = || watched.known.borrow().is_doubted();
    tracked.told(&order("sim-1", 1, "new", "0"));
    tracked.doubt(&other);
    assert!(!is_doubted(), "it is of another account");
    // when
    let before = watched.gaps();
    tracked.doubt(&one);
    watched.answered(&order("sim-1", 2, "new", "0"), before);
    // then
    assert!(is_doubted());
    watched.answered(&order("sim-1", 2, "new", "0"), watched.gaps());
    assert!(!is_doubted());
    tracked.told(&order("sim-1", 3, "canceled", "0"));
    tracked.doubt(&one);
    assert!(!is_doubted(), "nothing more is to come");
}

/// The orders of an account come from another ledger.
fn rebuilt(tracked: &Tracked) {
    let topic = Topic::Orders { account: AccountId::new("sim-1").unwrap() };
    let [was, is] = ["e", "f"].map(|epoch| StreamEpoch::new(epoch).unwrap());
    tracked.heard(&topic, Some(&was), &is);
}

#[test]
fn versions_of_a_ledger_that_was_built_anew_are_compared_with_its_own_alone() {
    for by_the_stream in [true, false] {
        // given
        let tracked = Tracked::default();
        let watched = tracked.watch(&id(), None);
        tracked.told(&order("sim-1", 5, "pending_cancel", "0"));
        let before = watched.gaps();
        // when
        rebuilt(&tracked);
        assert!(watched.known.borrow().is_doubted());
        // then
        watched.answered(&order("sim-1", 6, "new", "0"), before);
        assert_eq!(state(&watched), Some((6, OrderState::New)), "asked for before that");
        let first = order("sim-1", 2, "new", "0");
        if by_the_stream {
            tracked.told(&first);
        } else {
            watched.answered(&first, watched.gaps());
        }
        assert_eq!(state(&watched), Some((2, OrderState::New)));
        watched.answered(&order("sim-1", 7, "new", "0"), before);
        watched.answered(&order("sim-1", 1, "accepted", "0"), watched.gaps());
        assert_eq!(state(&watched), Some((2, OrderState::New)), "older");
        tracked.told(&order("sim-1", 3, "partially_filled", "1"));
        assert_eq!(state(&watched), Some((3, OrderState::PartiallyFilled)));
        assert!(!watched.known.borrow().is_doubted());
    }
}

#[test]
fn an_order_that_has_ended_stays_so_when_its_ledger_is_built_anew() {
    // given
    let tracked = Tracked::default();
    let watched = tracked.watch(&id(), None);
    tracked.told(&order("sim-1", 5, "new", "0"));
    let before = watched.gaps();
    // when
    rebuilt(&tracked);
    watched.answered(&order("sim-1", 6, "canceled", "0"), before);
    tracked.told(&order("sim-1", 1, "new", "0"));
    // then
    assert_eq!(state(&watched), Some((6, OrderState::Canceled)));
}

#[test]
fn nothing_is_kept_of_an_order_that_nobody_holds_any_more() {
    let tracked = Tracked::default();
    let watched = [(); 3].map(|()| tracked.watch(&id(), None));
    assert_eq!(tracked.lock().len(), 1);
    let [one, others @ ..] = watched;
    drop(others);
    tracked.told(&order("sim-1", 1, "new", "0"));
    assert_eq!(state(&one), Some((1, OrderState::New)));
    drop(one);
    assert!(tracked.lock().is_empty());
}
