//! What the SDK promises an algo that its customer runs himself, against scripted servers on real sockets.
#![allow(clippy::unwrap_used)]

mod edge;
mod home;

use edge::{Edge, eventually, ledger, token};
use home::Home;
use std::time::Duration;
use tokio::time::timeout;
use tradewind_protocol::{
    Code, Problem,
    attach::{AttachedAccess, FromTrader, ToTrader, Wish},
};
use tradewind_sdk::{Attachment, Ended, Error, OrderRequest, Session, Side, TraderEvent};

/// Of the token that a TraderManager gives.
const GIVEN: usize = 1_000;

/// A member and MarketManager, and the TraderManager that the customer belongs to.
async fn stage() -> (Edge, Home) {
    let edge = Edge::start(&ledger()).await;
    let home = Home::start(token(GIVEN), vec![edge.address.clone()]).await;
    edge.ledger().market_managers = vec![edge.address.clone()];
    edge.ledger().members = vec![edge.address.clone()];
    edge.ledger().trader_manager = Some(home.address.clone());
    (edge, home)
}

async fn connect(member: &Edge) -> Result<Session, Error> {
    let builder = Session::builder().infrastructure_managers([&member.address]).api_key("key");
    builder.trader("momentum").connect().await
}

async fn attached(member: &Edge) -> (Session, Attachment) {
    let session = connect(member).await.unwrap();
    let attachment = session.attachment().unwrap();
    (session, attachment)
}

async fn submit(session: &Session) {
    session.submit(&OrderRequest::market("BTC/USD", Side::Buy, "1").unwrap()).await.unwrap();
}

async fn until(attachment: &mut Attachment, is: impl Fn(&TraderEvent) -> bool) -> TraderEvent {
    let waited = timeout(Duration::from_secs(20), async {
        loop {
            match attachment.next().await {
                Some(event) if is(&event) => return event,
                Some(_) => {}
                None => panic!("no more events"),
            }
        }
    });
    waited.await.unwrap()
}

fn is_attached(event: &TraderEvent) -> bool {
    matches!(event, TraderEvent::Attached { .. })
}

fn came(home: &Home) -> usize {
    home.stage().came.len()
}

#[tokio::test]
async fn an_algo_that_names_its_trader_trades_under_the_right_of_its_copy() {
    let (edge, home) = stage().await;
    let (session, attachment) = attached(&edge).await;
    submit(&session).await;
    assert_eq!(edge.ledger().sessions, [GIVEN.to_string()]);
    assert_eq!(attachment.epoch().map(|epoch| epoch.0), Some(5));
    let query = home.stage().came[0].clone();
    assert!(query.starts_with("trader=momentum&copy=") && !query.contains("again"), "{query}");
    // when: it is given another token
    let access = AttachedAccess {
        session_token: token(GIVEN + 1),
        market_managers: vec![edge.address.clone()],
        infrastructure_managers: Vec::new(),
    };
    home.say(ToTrader::Access { access });
    let trades_by_it = async {
        while edge.ledger().sessions.last() != Some(&(GIVEN + 1).to_string()) {
            submit(&session).await;
        }
    };
    timeout(Duration::from_secs(20), trades_by_it).await.unwrap();
    // and: one that names none is attached nowhere
    let plain = Session::builder().infrastructure_managers([&edge.address]).api_key("key");
    assert!(plain.connect().await.unwrap().attachment().is_none());
    assert_eq!(came(&home), 1);
}

#[tokio::test]
async fn it_comes_back_as_the_same_copy_and_goes_where_it_is_told() {
    let (edge, home) = stage().await;
    let (session, mut attachment) = attached(&edge).await;
    let first = home.stage().came[0].clone();
    // when
    home.cut();
    until(&mut attachment, |event| matches!(event, TraderEvent::Away { .. })).await;
    until(&mut attachment, is_attached).await;
    // then
    assert_eq!(home.stage().came[1], format!("{first}&again=true"));
    // when: it is told to go elsewhere
    let next = Home::start(token(GIVEN), vec![edge.address.clone()]).await;
    home.say(ToTrader::Goaway { reconnect_to: vec![next.address.clone()], within_ms: 5_000 });
    eventually("it goes there", || came(&next) > 0).await;
    let there = next.address.clone();
    until(&mut attachment, |event| {
        matches!(event, TraderEvent::Attached { trader_manager, .. } if *trader_manager == there)
    })
    .await;
    // when: it comes to one that it does not belong to
    let last = Home::start(token(GIVEN), vec![edge.address.clone()]).await;
    edge.ledger().trader_manager = Some(next.address.clone());
    let misdirected = Problem::new(Code::Misdirected, "it belongs elsewhere");
    next.stage().reconnect_to = vec![last.address.clone()];
    next.stage().refusals.push(misdirected);
    next.cut();
    eventually("it goes where it belongs", || came(&last) > 0).await;
    // when: where it is dies, and a member says where it belongs now
    edge.ledger().trader_manager = Some(home.address.clone());
    let before = came(&home);
    last.leave().await;
    eventually("it is back at the first", || came(&home) > before).await;
    submit(&session).await;
}

#[tokio::test]
async fn while_no_member_answers_it_comes_back_to_where_it_was() {
    let (edge, home) = stage().await;
    let (session, _attachment) = attached(&edge).await;
    edge.leave();
    home.leave().await;
    // when: its TraderManager is there again
    let again = Home::start_at(&home.address, token(GIVEN), Vec::new()).await;
    eventually("it is back", || came(&again) > 0).await;
    assert!(again.stage().came[0].ends_with("&again=true"));
    drop(session);
}

#[tokio::test]
async fn it_finds_where_it_belongs_by_what_its_market_manager_says_while_no_member_answers() {
    // given: it trades by a MarketManager that is no member
    let (member, home) = stage().await;
    let market_manager = Edge::start(&member.ledger).await;
    home.give(vec![market_manager.address.clone()]);
    market_manager.stage().home = (Some(home.address.clone()), 4);
    let (session, mut attachment) = attached(&member).await;
    let there = async |home: &Home, attachment: &mut Attachment| {
        until(attachment, |event| {
            matches!(event, TraderEvent::Attached { trader_manager, .. } if *trader_manager == home.address)
        })
        .await;
    };
    member.leave();
    // when: it hangs on one that was cut off, and is told so where it trades
    let next = Home::start(token(GIVEN), vec![market_manager.address.clone()]).await;
    market_manager.stage().home = (Some(next.address.clone()), 5);
    // then
    there(&next, &mut attachment).await;
    assert!(next.stage().came[0].ends_with("&again=true"));
    // when: the one dies where it is, and where it belongs is known only afterwards
    home.leave().await;
    next.leave().await;
    until(&mut attachment, |event| matches!(event, TraderEvent::Away { .. })).await;
    let last = Home::start(token(GIVEN), vec![market_manager.address.clone()]).await;
    market_manager.stage().home = (Some(last.address.clone()), 6);
    // then
    there(&last, &mut attachment).await;
    submit(&session).await;
}

#[tokio::test]
async fn it_tries_again_to_come_where_it_belongs_until_it_is_let_in_and_follows_every_word() {
    // given: no member answers, and where it belongs is not ready when it is told so
    let (member, home) = stage().await;
    let market_manager = Edge::start(&member.ledger).await;
    home.give(vec![market_manager.address.clone()]);
    market_manager.stage().home = (Some(home.address.clone()), 4);
    let (session, mut attachment) = attached(&member).await;
    member.leave();
    let next = Home::start(token(GIVEN), vec![market_manager.address.clone()]).await;
    let not_yet = Problem::new(Code::Unavailable, "not yet").retry_after_ms(10);
    next.stage().refusals = vec![not_yet];
    // when
    market_manager.stage().home = (Some(next.address.clone()), 5);
    // then: it goes on where it was, and leaves once more
    let there = async |home: &Home, attachment: &mut Attachment| {
        until(attachment, |event| {
            matches!(event, TraderEvent::Attached { trader_manager, .. } if *trader_manager == home.address)
        })
        .await;
    };
    there(&home, &mut attachment).await;
    there(&next, &mut attachment).await;
    assert_eq!(came(&next), 2, "it is tried, and where it was stands next");
    // when, then: it is sent to and fro
    for (version, at) in [(6, &home), (7, &next)] {
        market_manager.stage().home = (Some(at.address.clone()), version);
        there(at, &mut attachment).await;
    }
    submit(&session).await;
}

#[tokio::test]
async fn it_stays_where_a_trader_manager_has_sent_it_although_a_market_manager_says_what_was() {
    // given: the MarketManager of an earlier build, or one that is cut off, says it once
    let (member, home) = stage().await;
    let market_manager = Edge::start(&member.ledger).await;
    home.give(vec![market_manager.address.clone()]);
    market_manager.stage().home = (Some(home.address.clone()), 4);
    let (session, mut attachment) = attached(&member).await;
    submit(&session).await;
    member.leave();
    let next = Home::start(token(GIVEN), vec![market_manager.address.clone()]).await;
    let before = came(&home);
    // when
    let to = vec![next.address.clone()];
    home.say(ToTrader::Goaway { reconnect_to: to, within_ms: 5_000 });
    until(&mut attachment, |event| {
        matches!(event, TraderEvent::Attached { trader_manager, .. } if *trader_manager == next.address)
    })
    .await;
    // then: for longer than it waits before it leaves for where it belongs
    let beats = next.stage().beats.len();
    eventually("it beats on", || next.stage().beats.len() >= beats + 6).await;
    assert_eq!((came(&home), came(&next)), (before, 1));
}

#[tokio::test]
async fn a_copy_that_another_has_taken_the_place_of_ends_and_does_not_come_back() {
    let (edge, home) = stage().await;
    let (session, mut attachment) = attached(&edge).await;
    let stopped = session.clone();
    let stopped = tokio::spawn(async move { stopped.stopped().await });
    // when
    let detail = "another copy".to_owned();
    home.say(ToTrader::Ended { why: Ended::TakenOver, detail });
    // then
    timeout(Duration::from_secs(10), stopped).await.unwrap().unwrap();
    let ended = until(&mut attachment, |event| matches!(event, TraderEvent::Ended { .. })).await;
    assert!(matches!(ended, TraderEvent::Ended { why: Ended::TakenOver, .. }));
    assert_eq!(attachment.ended(), Some(Ended::TakenOver));
    // What is open is the other copy's now.
    session.wind_down().await.unwrap();
    assert!(!edge.ledger().listed, "it looks for what to cancel");
    // and the same when it learns it at the door
    let (other, mut attachment) = attached(&edge).await;
    let before = came(&home);
    home.stage().refusals.push(Problem::new(Code::StaleTrader, "another copy"));
    home.cut();
    until(&mut attachment, |event| matches!(event, TraderEvent::Ended { .. })).await;
    assert_eq!(came(&home), before + 1, "the first one came back as well");
    drop((session, other));
}

#[tokio::test]
async fn one_that_is_not_let_in_at_first_says_why() {
    let (edge, home) = stage().await;
    home.stage().refusals = vec![
        Problem::new(Code::Unavailable, "not yet").retry_after_ms(10),
        Problem::new(Code::NotFound, "there is no Trader momentum of acme"),
    ];
    let refused = connect(&edge).await;
    assert!(matches!(refused, Err(Error::Refused(problem)) if problem.code == Code::NotFound));
    assert_eq!(came(&home), 2, "what passes is waited for");
}

#[tokio::test]
async fn a_pause_is_told_and_that_it_was_heard_is_told_back() {
    let (edge, home) = stage().await;
    let (_session, mut attachment) = attached(&edge).await;
    let told = |is: fn(&FromTrader) -> bool| {
        let home = home.clone();
        move || home.stage().beats.iter().any(is)
    };
    home.say(ToTrader::Wished { wish: Wish::Pause });
    until(&mut attachment, |event| *event == TraderEvent::Pause).await;
    eventually("it says so", told(|FromTrader::Beat { does, .. }| *does == Wish::Pause)).await;
    assert!(attachment.is_paused());
    // Longer than is taken, and cut between two letters.
    attachment.say(&"ä".repeat(200));
    eventually("it is said", told(|FromTrader::Beat { says, .. }| says.len() == 256)).await;
    home.say(ToTrader::Wished { wish: Wish::Run });
    until(&mut attachment, |event| *event == TraderEvent::Resume).await;
    assert!(!attachment.is_paused());
}
