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
    let access = routes.for_order(&customer(who), &instrument("BTC/USD"), named.as_ref())?;
    Ok(access.account.clone())
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
    let problem = routes.for_order(&customer("solo"), &instrument("ETH/USD"), None).unwrap_err();
    assert_eq!(problem.code, Code::NotFound);
}

#[test]
fn while_no_broker_of_the_venue_is_placed_the_answer_is_to_come_back() {
    // given
    let mut wanted = market_wanted("crypto");
    wanted.accounts.clear();
    // when
    let routes = Routes::new(&wanted);
    let problem = routes.for_order(&customer("acme"), &instrument("BTC/USD"), None).unwrap_err();
    // then
    assert_eq!((problem.status, problem.retry), (503, Retry::After));
}
