//! The SDK's promises, against scripted servers on real sockets.
#![allow(clippy::unwrap_used)]

mod edge;

use edge::{Edge, Greeting, eventually, ledger};
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tradewind_protocol::Code;
use tradewind_sdk::{
    Error, OrderError, OrderRequest, OrderState, ReplaceRequest, Session, Side, TradingState,
};

/// Two edges over one ledger, the first preferred; both are members, too.
async fn two() -> (Edge, Edge) {
    let ledger = ledger();
    let (one, other) = (Edge::start(&ledger).await, Edge::start(&ledger).await);
    let addresses = vec![one.address.clone(), other.address.clone()];
    one.ledger().market_managers.clone_from(&addresses);
    one.ledger().members = addresses;
    (one, other)
}

async fn connect(member: &Edge) -> Result<Session, Error> {
    Session::builder().infrastructure_managers([&member.address]).api_key("key").connect().await
}

fn an_order() -> OrderRequest {
    OrderRequest::market("BTC/USD", Side::Buy, "1").unwrap()
}

fn tokens(edge: &Edge) -> usize {
    edge.ledger().tokens
}

#[tokio::test]
async fn a_fill_is_handed_over_once_and_in_order_however_often_the_connection_is_lost() {
    let (one, other) = two().await;
    let session = connect(&one).await.unwrap();
    let mut fills = session.fills().await.unwrap();
    for n in 0..60 {
        one.ledger().fills.push(format!("x-{n}"));
        if n % 7 == 0 {
            one.cut();
            other.cut();
        }
        let fill = timeout(Duration::from_secs(10), fills.next()).await.unwrap().unwrap();
        assert_eq!(fill.exec_id.as_str(), format!("x-{n}"));
    }
    assert!(one.stage().connections + other.stage().connections > 8);
    timeout(edge::HEARTBEAT * 3, fills.next()).await.unwrap_err();
}

#[tokio::test]
async fn an_order_is_sent_again_only_under_its_own_id() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    one.ledger().refusals.extend([Code::Unknown, Code::Unavailable, Code::StaleEpoch]);
    let request = an_order();
    session.submit(&request).await.unwrap();
    let submits = one.ledger().submits.clone();
    assert_eq!(submits.len(), 4);
    assert!(submits.iter().all(|body| *body == submits[0]), "{submits:?}");
    assert_eq!(submits[0]["client_order_id"], request.id().as_str());
}

#[tokio::test]
async fn a_replace_is_sent_again_only_under_its_own_id_and_names_the_version_that_was_seen() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    let order = session.submit(&an_order()).await.unwrap();
    one.ledger().submits.clear();
    one.ledger().refusals.extend([Code::Unknown, Code::Unavailable]);
    let request = ReplaceRequest::of(&order).unwrap().quantity("2").unwrap();
    session.replace(&request).await.unwrap();
    let sent = one.ledger().submits.clone();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|body| *body == sent[0]), "{sent:?}");
    assert_eq!(sent[0]["replace_id"], request.id().as_str());
    assert_eq!((&sent[0]["version"], &sent[0]["quantity"]), (&order.version.into(), &"2".into()));
    one.ledger().refusals.push_back(Code::Busy);
    let busy = session.replace(&ReplaceRequest::of(&order).unwrap()).await;
    assert!(matches!(busy, Err(OrderError::Refused { .. })), "{busy:?}");
}

#[tokio::test]
async fn trading_is_tightened_and_never_loosened() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    let account = session.accounts()[0].clone();
    let halted = session.tighten(&account, TradingState::Halted).await.unwrap();
    assert_eq!(halted, TradingState::Halted);
    let loosened = session.tighten(&account, TradingState::Active).await;
    assert!(matches!(loosened, Err(Error::Refused(_))), "{loosened:?}");
}

#[tokio::test]
async fn a_refusal_after_an_unknown_outcome_is_not_taken_for_the_outcome() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    one.ledger().refusals.extend([Code::InvalidOrder, Code::Unknown, Code::InvalidOrder]);
    let refused = session.submit(&an_order()).await;
    assert!(matches!(refused, Err(OrderError::Refused { .. })), "{refused:?}");
    let unknown = session.submit(&an_order()).await;
    assert!(matches!(unknown, Err(OrderError::Unknown { .. })), "{unknown:?}");
}

#[tokio::test]
async fn a_token_is_renewed_from_half_of_its_life_on() {
    let (one, _other) = two().await;
    one.ledger().token_life = Duration::from_secs(2);
    let session = connect(&one).await.unwrap();
    eventually("the token is renewed", || tokens(&one) >= 2).await;
    // Only a token that was drawn later is good now.
    one.ledger().good_from = 2;
    session.submit(&an_order()).await.unwrap();
}

#[tokio::test]
async fn a_token_renews_itself_so_that_the_session_goes_on_and_the_api_key_only_where_it_cannot() {
    let (one, _other) = two().await;
    one.ledger().token_life = Duration::from_secs(2);
    let session = connect(&one).await.unwrap();
    eventually("the token is renewed", || tokens(&one) >= 2).await;
    assert_eq!(one.ledger().renewals, [false, true]);
    one.ledger().renewal = Some(Code::Unauthorized);
    eventually("the key opens a session", || tokens(&one) >= 3).await;
    let renewals = one.ledger().renewals.clone();
    assert!(renewals.ends_with(&[true, false]), "the key comes last: {renewals:?}");
    session.submit(&an_order()).await.unwrap();
}

/// Orders may be tied to it.
#[tokio::test]
async fn a_member_that_cannot_renew_a_token_now_costs_no_session() {
    let (one, _other) = two().await;
    one.ledger().token_life = Duration::from_secs(2);
    let session = connect(&one).await.unwrap();
    one.ledger().renewal = Some(Code::Unavailable);
    eventually("a renewal fails", || one.ledger().renewals.len() >= 2).await;
    // Only a token that was drawn later is good now.
    one.ledger().renewal = None;
    one.ledger().good_from = 2;
    session.submit(&an_order()).await.unwrap();
    let renewals = one.ledger().renewals.clone();
    assert!(renewals[1..].iter().all(|by_token| *by_token), "{renewals:?}");
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_the_order_accepted() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    one.ledger().good_from = 2;
    session.submit(&an_order()).await.unwrap();
    // A token that stays refused is not renewed again and again.
    let before = tokens(&one);
    one.ledger().good_from = usize::MAX;
    let refused = session.submit(&an_order()).await;
    assert!(matches!(refused, Err(OrderError::Refused { .. })), "{refused:?}");
    assert_eq!(tokens(&one), before + 1);
}

#[tokio::test]
async fn new_lists_come_from_a_member_that_was_never_named_by_the_algo() {
    let (one, other) = two().await;
    let elsewhere = Edge::start(&one.ledger).await;
    one.ledger().market_managers.truncate(1);
    let session = connect(&one).await.unwrap();
    one.ledger().market_managers = vec![elsewhere.address.clone()];
    one.leave();
    eventually("the session is elsewhere", || elsewhere.stage().connections > 0).await;
    session.submit(&an_order()).await.unwrap();
    assert_eq!(other.stage().connections, 0);
}

#[tokio::test]
async fn whoever_accepts_and_stays_silent_is_left_for_the_next() {
    let (one, other) = two().await;
    one.stage().greeting = Greeting::Nothing;
    let began = Instant::now();
    let _session = connect(&one).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(other.stage().connections, 1);
}

#[tokio::test]
async fn whoever_greets_and_hangs_up_is_not_dialled_without_a_wait() {
    let (one, other) = two().await;
    let session = connect(&one).await.unwrap();
    one.stage().greeting = Greeting::HelloAndGone;
    other.stage().greeting = Greeting::HelloAndGone;
    one.cut();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let dials = one.stage().connections + other.stage().connections;
    assert!((3..40).contains(&dials), "{dials} dials in 2 s");
    one.stage().greeting = Greeting::Hello;
    let mut fills = session.fills().await.unwrap();
    one.ledger().fills.push("x".to_string());
    assert_eq!(fills.next().await.unwrap().exec_id.as_str(), "x");
}

#[tokio::test]
async fn a_session_told_to_go_is_connected_there_before_it_leaves() {
    let (one, other) = two().await;
    let session = connect(&one).await.unwrap();
    let mut fills = session.fills().await.unwrap();
    one.stage().goaway = Some(vec![other.address.clone()]);
    eventually("the session has moved", || other.stage().connections == 1).await;
    one.ledger().fills.push("x".to_string());
    assert_eq!(fills.next().await.unwrap().exec_id.as_str(), "x");
    assert_eq!(one.stage().connections, 1);
}

#[tokio::test]
async fn a_session_told_to_go_where_nobody_is_stays_for_as_long_as_it_can() {
    let (one, other) = two().await;
    let session = connect(&one).await.unwrap();
    let mut fills = session.fills().await.unwrap();
    one.stage().goaway = Some(vec!["127.0.0.1:1".to_string(), one.address.clone()]);
    eventually("the goaway is told", || one.stage().goaway.is_none()).await;
    for n in 0..20 {
        one.ledger().fills.push(format!("x-{n}"));
        assert_eq!(fills.next().await.unwrap().exec_id.as_str(), format!("x-{n}"));
    }
    assert_eq!((one.stage().connections, other.stage().connections), (1, 0));
}

#[tokio::test]
async fn a_cancel_that_comes_too_late_gives_the_order_as_it_ended() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    let order = session.submit(&an_order()).await.unwrap();
    assert_eq!(session.cancel(&order.order_id).await.unwrap().state, OrderState::Filled);
    // Also when it is not known whether an earlier attempt of the same cancel arrived.
    one.ledger().cancels.extend([Code::Unknown]);
    assert_eq!(session.cancel(&order.order_id).await.unwrap().state, OrderState::Filled);
}

#[tokio::test]
async fn winding_down_waits_for_a_fill_that_a_heartbeat_under_way_did_not_name() {
    let (one, _other) = two().await;
    let session = connect(&one).await.unwrap();
    let mut fills = session.fills().await.unwrap();
    one.ledger().late_fill = Some("late".to_string());
    eventually("a heartbeat without it is under way", || one.ledger().held).await;
    session.wind_down().await.unwrap();
    let late = timeout(Duration::ZERO, fills.next()).await.expect("it is here already").unwrap();
    assert_eq!(late.exec_id.as_str(), "late");
}

#[tokio::test]
async fn what_is_missing_is_said_at_once_and_in_words() {
    let began = Instant::now();
    let said = |error: Error| error.to_string();
    let nothing = Session::builder().connect().await.map_err(said).unwrap_err();
    assert!(nothing.contains("infrastructure_managers"), "{nothing}");
    let keyless = Session::builder().infrastructure_managers(["127.0.0.1:1"]).connect().await;
    assert!(keyless.map_err(said).unwrap_err().contains("api_key"));
    let (one, _other) = two().await;
    one.ledger().accounts.clear();
    let session = connect(&one).await.unwrap();
    let fills = session.fills().await.map_err(said).unwrap_err();
    assert!(fills.contains("account"), "{fills}");
    assert!(began.elapsed() < Duration::from_secs(2));
}
