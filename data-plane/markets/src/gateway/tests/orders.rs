//! Claims about orders over REST: what each answer of a Broker becomes, and what a lost pipe means.

use crate::{
    market::Waits,
    world::{
        broker::{Answers, Broker},
        customer,
        edge::{Edge, quick_settings},
        eventually, instrument, new_order, order_id,
    },
};
use std::time::Duration;
use tradewind_domain::ids::{ClusterIncarnation, Epoch, Fence};
use tradewind_link::rest::Method;
use tradewind_protocol::{
    Code, Problem,
    trade::{CommandAnswer, OrderCommand, Principal},
};

const ORDER: &str = r#"{"client_order_id":"1","instrument":"BTC/USD","side":"buy","type":"limit",
    "quantity":"1","limit_price":"100","time_in_force":"gtc"}"#;

fn told(answer: &(u16, serde_json::Value)) -> (u16, &str, &str) {
    let field = |name| answer.1.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    (answer.0, field("code"), field("retry"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_order_is_201_a_repeated_one_200_a_refused_one_the_brokers_problem() {
    // given
    let edge = Edge::start(quick_settings()).await;
    // then
    let (status, body) = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(body["order_id"], order_id("1").to_string());
    edge.broker.scene().answers = Answers::Repeated;
    assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 200);
    let other_body = Problem::new(Code::Conflict, "another body");
    edge.broker.scene().answers = Answers::Refused(other_body);
    let answer = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    assert_eq!(told(&answer), (409, "conflict", "never"));
    let scene = edge.broker.scene();
    let (fence, principal, command) = &scene.commands[0];
    assert_eq!(*fence, Fence { cluster: ClusterIncarnation(1), epoch: Epoch(5) });
    assert_eq!(principal.customer.as_str(), "acme");
    let OrderCommand::Submit { account, .. } = command else { panic!("{command:?}") };
    assert_eq!(account.as_ref().map(ToString::to_string), Some("sim-1".to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_cordon_orders_of_a_session_that_is_here_go_on_and_of_a_new_one_are_refused() {
    // given
    let edge = Edge::start(quick_settings()).await;
    assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 201);
    edge.sessions.cordon(true);
    // then
    assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 201);
    // when: it has never been here
    let new = Edge::start(quick_settings()).await;
    new.sessions.cordon(true);
    let refused = new.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    assert_eq!(told(&refused), (503, "unavailable", "after"), "{}", refused.1);
    assert!(new.broker.scene().commands.is_empty(), "nothing was sent");
    // What stands is looked at and cancelled all the same.
    let path = format!("/v1/orders/{}", order_id("1"));
    assert_eq!(new.rest(Method::GET, &path, None).await.0, 200);
    assert_eq!(new.rest(Method::DELETE, &path, None).await.0, 200);
    new.sessions.cordon(false);
    assert_eq!(new.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replace_goes_to_the_broker_that_the_orders_id_names_and_unknown_fields_go_nowhere() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let path = format!("/v1/orders/{}", order_id("1"));
    // when, then
    let body = r#"{"replace_id":"r","version":3,"quantity":"2"}"#;
    assert_eq!(edge.rest(Method::PATCH, &path, Some(body)).await.0, 200);
    let other = r#"{"replace_id":"r","version":3,"colour":"red"}"#;
    let answer = edge.rest(Method::PATCH, &path, Some(other)).await;
    assert_eq!(told(&answer), (400, "malformed_request", "never"));
    let busy = Problem::new(Code::Busy, "another replace");
    edge.broker.scene().answers = Answers::Refused(busy);
    let answer = edge.rest(Method::PATCH, &path, Some(body)).await;
    assert_eq!(told(&answer), (409, "busy", "never"));
    let scene = edge.broker.scene();
    assert_eq!(scene.commands.len(), 2);
    let OrderCommand::Replace { order_id: named, replace } = &scene.commands[0].2 else {
        panic!("{:?}", scene.commands[0])
    };
    assert_eq!((named, replace.version), (&order_id("1"), 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tightening_goes_straight_to_the_broker_of_an_account_of_the_caller_s() {
    let edge = Edge::start(quick_settings()).await;
    let put = |account| format!("/v1/accounts/{account}/trading_state");
    let halt = Some(r#"{"state":"halted"}"#);
    let (status, body) = edge.rest(Method::PUT, &put("sim-1"), halt).await;
    assert_eq!((status, &body["state"], &body["version"]), (200, &"halted".into(), &7.into()));
    let scene = edge.broker.scene().commands.len();
    let answer = edge.rest(Method::PUT, &put("another"), halt).await;
    assert!(matches!(answer.0, 403 | 404 | 422), "{answer:?}");
    let unknown = Some(r#"{"state":"frozen"}"#);
    assert_eq!(edge.rest(Method::PUT, &put("sim-1"), unknown).await.0, 400);
    assert_eq!(edge.broker.scene().commands.len(), scene);
    let command = edge.broker.scene().commands[0].2.clone();
    assert!(matches!(command, OrderCommand::Tighten { .. }), "{command:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_answered_yet_counts_as_something_that_the_manager_holds() {
    // given
    let mut settings = quick_settings();
    settings.waits.answer = Duration::from_secs(3);
    let edge = Edge::start(settings).await;
    edge.broker.scene().answers = Answers::Silent;
    assert_eq!(edge.sessions.count(), 0);
    // when
    let asked = edge.rest(Method::POST, "/v1/orders", Some(ORDER));
    let counted = eventually("it is counted", || {
        !edge.broker.scene().commands.is_empty() && edge.sessions.count() == 1
    });
    let (answer, ()) = tokio::join!(asked, counted);
    // then: answered, whatever the answer is, it is over
    assert_eq!(answer.0, 504, "{}", answer.1);
    eventually("it is over", || edge.sessions.count() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_fills_accounts_and_quotes_are_read_by_rest() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let path = format!("/v1/orders/{}", order_id("1"));
    // then
    assert_eq!(edge.rest(Method::GET, &path, None).await.1["client_order_id"], "1");
    assert_eq!(edge.rest(Method::DELETE, &path, None).await.0, 200);
    let (_, listed) = edge.rest(Method::GET, "/v1/orders?open=true", None).await;
    assert_eq!(listed["orders"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(edge.rest(Method::GET, "/v1/fills?account=sim-1", None).await.0, 200);
    let (_, positions) = edge.rest(Method::GET, "/v1/positions", None).await;
    assert_eq!(positions["accounts"][0]["as_of"]["seq"], 3, "{positions}");
    assert_eq!(edge.rest(Method::GET, "/v1/positions?open=true", None).await.0, 400);
    let timer = Some(r#"{"after_ms":5000}"#);
    let (_, timers) = edge.rest(Method::POST, "/v1/cancel_all_after", timer).await;
    assert_eq!(timers["accounts"][0]["account"], "sim-1", "{timers}");
    let (_, accounts) = edge.rest(Method::GET, "/v1/accounts", None).await;
    assert_eq!(accounts["accounts"], serde_json::json!(["sim-1"]));
    let btc = instrument("BTC/USD");
    let quote = async {
        eventually("subscribed", || edge.broker.is_subscribed(&btc)).await;
        edge.broker.quote(&btc, 4);
    };
    let (answer, ()) = tokio::join!(edge.rest(Method::GET, "/v1/quotes/BTC/USD", None), quote);
    assert_eq!((answer.0, &answer.1["seq"]), (200, &serde_json::json!(4)), "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_exist_or_cannot_be_read_is_told_and_reaches_no_broker() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let changed = |from: &str, to: &str| {
        assert!(ORDER.contains(from));
        Some(ORDER.replace(from, to))
    };
    let cases: [(Method, &str, Option<String>, u16); 9] = [
        (Method::POST, "/v1/orders", changed("BTC", "XRP"), 404),
        (Method::POST, "/v1/orders", changed("\"gtc\"", "\"gtc\",\"extra\":1"), 400),
        (Method::POST, "/v1/orders", Some("{".to_string()), 400),
        (Method::POST, "/v1/orders", changed("\"100\"", "\"-1\""), 400),
        (Method::POST, "/v1/orders", changed("\"quantity\":\"1\"", "\"quantity\":\"0\""), 422),
        (Method::GET, "/v1/orders/nonsense", None, 400),
        (Method::GET, "/v1/orders?account=sim-9", None, 404),
        (Method::GET, "/v1/quotes/XRP/USD", None, 404),
        (Method::GET, "/v1/fills?open=true", None, 400),
    ];
    for (method, path, body, status) in cases {
        // when
        let answer = edge.rest(method, path, body.as_deref()).await;
        // then
        assert_eq!(answer.0, status, "{path} {body:?}: {}", answer.1);
    }
    assert!(edge.broker.scene().commands.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_on_its_way_when_a_pipe_is_lost_is_unknown() {
    for lose_market in [true, false] {
        // given
        let mut edge = Edge::start(quick_settings()).await;
        edge.broker.scene().answers = Answers::Silent;
        let gateway = edge.gateway.clone();
        let order = tokio::spawn(async move {
            let market = gateway.known().unwrap().markets().next().unwrap().clone();
            let principal = Principal { customer: customer("acme"), trader: None, session: None };
            let command = OrderCommand::Submit { account: None, order: new_order("1") };
            gateway.link(&market).unwrap().send(principal, command).await.answer().await
        });
        eventually("arrived", || !edge.broker.scene().commands.is_empty()).await;
        // when
        if lose_market {
            edge.stop_market().await;
        } else {
            edge.broker.stop().await;
        }
        // then
        let answer = order.await.unwrap();
        let CommandAnswer::Problem { problem } = answer else { panic!("{answer:?}") };
        assert_eq!((problem.status, problem.code), (504, Code::Unknown), "{problem}");
        assert!(problem.detail.contains("lost"), "not by its deadline: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_answered_in_time_is_504_with_the_same_id() {
    // given
    let mut settings = quick_settings();
    settings.waits.answer = Duration::from_millis(300);
    let edge = Edge::start(settings).await;
    edge.broker.scene().answers = Answers::Silent;
    // when
    let answer = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    // then
    assert_eq!(told(&answer), (504, "unknown", "same_id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_waits_for_a_market_that_comes_back_and_is_else_surely_not_sent() {
    // given
    let mut settings = quick_settings();
    settings.waits = Waits { hold: Duration::from_millis(100), ..Waits::default() };
    let mut edge = Edge::without_market(settings).await;
    edge.broker.start().await;
    // when no Market comes
    let answer = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    // then
    assert_eq!(told(&answer), (503, "unavailable", "after"));
    assert!(answer.1["retry_after_ms"].is_number());
    // when one is there, its Broker being reached a moment later
    edge.start_market().await;
    let mut answer = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    for _ in 0..100 {
        if answer.0 != 503 {
            break;
        }
        answer = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    }
    // then
    assert_eq!(answer.0, 201, "{}", answer.1);
    assert_eq!(edge.broker.scene().commands.len(), 1, "what was refused was never sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_while_the_market_is_respawned_notices_nothing() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 201);
    edge.stop_market().await;
    edge.start_market().await;
    // when
    let answer = edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await;
    // then
    assert!([201, 504].contains(&answer.0), "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_follow_an_account_to_its_new_broker_though_the_old_one_lives_on() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 201);
    let mut successor = Broker::new().await;
    successor.start().await;
    // when
    edge.move_account(&successor.manager);
    eventually("left", || edge.broker.scene().is_left()).await;
    // then
    assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(ORDER)).await.0, 201);
    assert_eq!(edge.broker.scene().commands.len(), 1);
    assert_eq!(successor.scene().commands.len(), 1);
}
