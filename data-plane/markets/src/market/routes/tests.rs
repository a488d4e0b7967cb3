//! Claims about routes: which account carries data, which takes an order, and what is told otherwise.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::{access, account, customer, instrument, market_wanted, venue};
use tradewind_protocol::Retry;

/// Data of BTC/USD comes from `a`, orders go to `b`; `acme` has two accounts at `b`, `solo` one.
fn routes() -> Routes {
    let mut wanted = market_wanted("crypto");
    wanted.spec.routes = vec![Route {
        instrument: instrument("BTC/USD"),
        data_venue: venue("a"),
        order_venue: venue("b"),
    }];
    wanted.accounts = vec![
        access("b-2", "b", &["acme"]),
        access("b-1", "b", &["acme", "solo"]),
        access("a-2", "a", &[]),
        access("a-1", "a", &["solo"]),
    ];
    Routes::new(&wanted)
}

fn chosen(who: &str, named: Option<&str>) -> Result<AccountId, Problem> {
    let named = named.map(account);
    let routes = routes();
    let way = routes.way(&customer(who), &instrument("BTC/USD"), named.as_ref());
    assert!(way.ask.is_empty(), "these routes never changed");
    way.to
}

#[test]
fn data_comes_from_the_first_account_at_the_data_venue_whoever_owns_it() {
    assert_eq!(routes().carrier(&instrument("BTC/USD")), Some(account("a-1")));
    assert_eq!(routes().carrier(&instrument("ETH/USD")), None);
}

#[test]
fn an_order_goes_to_the_customers_only_account_at_the_order_venue() {
    assert_eq!(chosen("solo", None), Ok(account("b-1")));
}

#[test]
fn a_customer_with_several_accounts_is_asked_to_name_one() {
    let problem = chosen("acme", None).unwrap_err();
    assert_eq!((problem.status, problem.code), (422, Code::InvalidOrder));
    assert!(problem.detail.contains("b-1") && problem.detail.contains("name one"), "{problem}");
    assert_eq!(chosen("acme", Some("b-2")), Ok(account("b-2")));
}

#[test]
fn a_customer_without_an_account_there_is_told_so() {
    for (who, named) in
        [("eve", None), ("eve", Some("b-1")), ("solo", Some("b-2")), ("solo", Some("a-1"))]
    {
        let problem = chosen(who, named).unwrap_err();
        assert_eq!((problem.status, problem.code), (422, Code::NoAccount), "{who} {named:?}");
    }
}

#[test]
fn an_instrument_without_a_route_is_not_found() {
    let routes = routes();
    let problem = routes.way(&customer("solo"), &instrument("ETH/USD"), None).to.unwrap_err();
    assert_eq!(problem.code, Code::NotFound);
}

#[test]
fn while_no_broker_of_the_venue_is_placed_the_answer_is_to_come_back() {
    // given
    let mut wanted = market_wanted("crypto");
    wanted.accounts.clear();
    // when
    let routes = Routes::new(&wanted);
    let problem = routes.way(&customer("acme"), &instrument("BTC/USD"), None).to.unwrap_err();
    // then
    assert_eq!((problem.status, problem.retry), (503, Retry::After));
}

/// BTC/USD was moved from `old` to `new`, where `acme` and `solo` have accounts; `acme` has two at `old`.
fn moved() -> Routes {
    let mut wanted = market_wanted("crypto");
    for route in &mut wanted.spec.routes {
        (route.data_venue, route.order_venue) = (venue("new"), venue("new"));
    }
    wanted.former_venues = BTreeSet::from([venue("old")]);
    wanted.accounts = vec![
        access("new-1", "new", &["acme", "solo"]),
        access("old-1", "old", &["acme"]),
        access("old-2", "old", &["acme"]),
        access("other-1", "other", &["acme"]),
    ];
    Routes::new(&wanted)
}

#[test]
fn after_a_move_an_order_may_be_known_to_his_accounts_where_it_went_before_and_to_no_others() {
    let routes = moved();
    let way = |who, named| {
        let named = Option::map(named, account);
        let way = routes.way(&customer(who), &instrument("BTC/USD"), named.as_ref());
        let ask: Vec<String> = way.ask.iter().map(ToString::to_string).collect();
        (way.to.map_err(|problem| problem.code), ask)
    };
    let both = ["old-1".to_string(), "old-2".to_string()].to_vec();
    assert_eq!(way("acme", None), (Ok(account("new-1")), both.clone()));
    assert_eq!(way("solo", None), (Ok(account("new-1")), Vec::new()));
    // one who names his account is taken by his word
    assert_eq!(way("acme", Some("new-1")), (Ok(account("new-1")), Vec::new()));
    let old = (Err(Code::NoAccount), ["old-2".to_string()].to_vec());
    assert_eq!(way("acme", Some("old-2")), old, "a new order does not go there any more");
    assert_eq!(way("solo", Some("old-2")), (Err(Code::NoAccount), Vec::new()));
}

#[test]
fn where_a_move_was_taken_back_the_account_itself_is_not_asked_first() {
    let mut wanted = market_wanted("crypto");
    wanted.former_venues = BTreeSet::from([venue("sim"), venue("new")]);
    wanted.accounts.push(access("new-1", "new", &["acme"]));
    let way = Routes::new(&wanted).way(&customer("acme"), &instrument("BTC/USD"), None);
    assert_eq!((way.to, way.ask), (Ok(account("sim-1")), vec![account("new-1")]));
}
