//! Claims about operations over the session: each is what it is by REST, they are bounded in number and in pace, and what has
//! been sent is sent.

use crate::world::{
    algo::Algo,
    broker::Answers,
    edge::{Edge, quick_settings},
    eventually, order_id,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tradewind_link::rest::Method;
use tradewind_protocol::{Code, Problem, stream::ToAlgo, trade::OrderCommand};

fn order(name: &str) -> Value {
    json!({"client_order_id": name, "instrument": "BTC/USD", "side": "buy", "type": "limit",
        "quantity": "1", "limit_price": "100", "time_in_force": "gtc"})
}

/// Of each operation what is said over the session, and the request that says the same; with bodies that cannot be.
fn both_ways() -> Vec<(Value, Method, String, Option<Value>)> {
    let (id, path) = (order_id("1").to_string(), format!("/v1/orders/{}", order_id("1")));
    let replace = json!({"replace_id": "r", "version": 3, "quantity": "2"});
    let foreign = json!({"state": "halted"});
    let mut nothing = order("2");
    nothing["quantity"] = "0".into();
    let mut elsewhere = order("3");
    elsewhere["instrument"] = "XRP/USD".into();
    let submit = |order: &Value| json!({"type": "submit", "order": order});
    let listed = json!({"type": "list", "account": "sim-1", "client_order_id": "1", "open": true});
    let list = "/v1/orders?account=sim-1&client_order_id=1&open=true";
    let timer = json!({"after_ms": 5000});
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let cases = [
        (submit(&order("1")), post.clone(), "/v1/orders", Some(order("1"))),
        (submit(&nothing), post.clone(), "/v1/orders", Some(nothing)),
        (submit(&elsewhere), post.clone(), "/v1/orders", Some(elsewhere)),
        (json!({"type": "get", "order_id": id}), get.clone(), &path, None),
        (
            json!({"type": "replace", "order_id": id, "replace": replace}),
            Method::PATCH,
            &path,
            Some(replace.clone()),
        ),
        (json!({"type": "cancel", "order_id": id}), Method::DELETE, &path, None),
        (json!({"type": "list"}), get.clone(), "/v1/orders", None),
        (listed, get.clone(), list, None),
        (
            json!({"type": "list", "account": "sim-9"}),
            get.clone(),
            "/v1/orders?account=sim-9",
            None,
        ),
        (json!({"type": "fills"}), get.clone(), "/v1/fills", None),
        (
            json!({"type": "positions", "account": "sim-1"}),
            get,
            "/v1/positions?account=sim-1",
            None,
        ),
        (
            json!({"type": "cancel_all_after", "after_ms": 5000}),
            post,
            "/v1/cancel_all_after",
            Some(timer),
        ),
        (
            json!({"type": "tighten", "account": "sim-1", "state": "halted"}),
            put.clone(),
            "/v1/accounts/sim-1/trading_state",
            Some(foreign.clone()),
        ),
        (
            json!({"type": "tighten", "account": "sim-9", "state": "halted"}),
            put,
            "/v1/accounts/sim-9/trading_state",
            Some(foreign),
        ),
    ];
    cases.map(|(said, method, path, body)| (said, method, path.to_string(), body)).into()
}

/// Says an operation under a number.
async fn ask(algo: &mut Algo, request: u64, mut said: Value) {
    said["request"] = request.into();
    algo.send(Message::text(said.to_string())).await;
}

/// The next answer: its number, its status, and the body or the problem.
async fn answer(algo: &mut Algo) -> (u64, u16, Value) {
    algo.until(|frame| match frame {
        ToAlgo::Answer { request, status, body: Some(body), problem: None } => {
            Some((request, status, body))
        }
        ToAlgo::Answer { request, status, body: None, problem: Some(problem) } => {
            Some((request, status, serde_json::to_value(problem).unwrap()))
        }
        ToAlgo::Answer { .. } | ToAlgo::Error { .. } => panic!("{frame:?}"),
        _ => None,
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_asks_the_same_over_the_session_and_by_rest_and_is_answered_the_same() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    let refused = Answers::Refused(Problem::new(Code::Busy, "another one").retry_after_ms(7));
    for answers in [Answers::Created, Answers::Repeated, refused] {
        edge.broker.scene().answers = answers;
        for (request, (said, method, path, body)) in (0..).zip(both_ways()) {
            edge.broker.scene().commands.clear();
            // when
            let body = body.map(|body| body.to_string());
            let by_rest = edge.rest(method, &path, body.as_deref()).await;
            ask(&mut algo, request, said.clone()).await;
            let (number, status, told) = answer(&mut algo).await;
            // then
            assert_eq!((number, status, &told), (request, by_rest.0, &by_rest.1), "{said}");
            let commands = &edge.broker.scene().commands;
            match commands.as_slice() {
                [] => assert!(status >= 400, "{said}: nobody was asked"),
                [one, other] => {
                    assert_eq!(one, other, "{said}");
                    if let OrderCommand::List { client_order_id, open, .. } = &one.2 {
                        let asked = client_order_id.as_ref().map(ToString::to_string);
                        assert_eq!(asked.as_deref(), said["client_order_id"].as_str());
                        assert_eq!(*open, said["open"] == true);
                    }
                }
                _ => panic!("{said}: {commands:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operation_that_cannot_be_read_is_answered_with_what_is_wrong_and_ends_nothing() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    let mut coloured = order("1");
    coloured["colour"] = "red".into();
    let replace = json!({"replace_id": "r", "version": 3, "colour": "red"});
    let id = order_id("1").to_string();
    let cases = [
        (json!({"type": "submit", "order": coloured}), "`colour`"),
        (json!({"type": "submit", "order": order("1"), "colour": "red"}), "`colour`"),
        (json!({"type": "replace", "order_id": id, "replace": replace}), "`colour`"),
        (json!({"type": "cancel", "order_id": id, "colour": "red"}), "`colour`"),
        (json!({"type": "fills", "open": true}), "`open`"),
        (json!({"type": "get", "order_id": "nonsense"}), "order"),
        (json!({"type": "tighten", "account": "sim-1", "state": "frozen"}), "`frozen`"),
        (json!({"type": "submit"}), "`order`"),
        (json!({"type": "bars"}), "`bars`"),
    ];
    for (request, (said, named)) in (0..).zip(cases) {
        // when
        ask(&mut algo, request, said.clone()).await;
        let (number, status, told) = answer(&mut algo).await;
        // then
        assert_eq!((number, status), (request, 400), "{said}");
        assert_eq!(told["code"], "malformed_request");
        assert!(told["detail"].as_str().unwrap().contains(named), "{said}: {told}");
    }
    assert!(edge.broker.scene().commands.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_operation_too_many_and_a_number_used_twice_are_told_at_once_and_reach_no_broker() {
    // given: two are under way, as many as may be
    let mut settings = quick_settings();
    settings.operations = 2;
    settings.waits.answer = Duration::from_secs(20);
    let mut edge = Edge::start(settings).await;
    let mut algo = edge.algo().await;
    edge.broker.scene().answers = Answers::Silent;
    for request in [1, 2] {
        ask(&mut algo, request, json!({"type": "submit", "order": order(&request.to_string())}))
            .await;
    }
    eventually("sent", || edge.broker.scene().commands.len() == 2).await;
    // when
    ask(&mut algo, 3, json!({"type": "fills"})).await;
    // then
    let (number, status, told) = answer(&mut algo).await;
    assert_eq!((number, status, &told["code"]), (3, 429, &"too_many_requests".into()), "{told}");
    assert!(told["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0), "{told}");
    // when: what might be taken for the first one's answer is none
    ask(&mut algo, 1, json!({"type": "fills"})).await;
    ask(&mut algo, 1, json!({"type": "nothing"})).await;
    // then
    for code in [Code::Conflict, Code::MalformedRequest] {
        let detail = algo.until(|frame| match frame {
            ToAlgo::Error { code: told, detail } => Some((told, detail)),
            ToAlgo::Answer { .. } => panic!("{frame:?}"),
            _ => None,
        });
        let (told, detail) = detail.await;
        assert!(told == code && detail.contains("request 1"), "{told:?}: {detail}");
    }
    assert_eq!(edge.broker.scene().commands.len(), 2);
    // and: what makes less is not kept out
    edge.broker.scene().answers = Answers::Created;
    for (request, said) in [
        (3, json!({"type": "cancel", "order_id": order_id("1").to_string()})),
        (4, json!({"type": "cancel_all_after", "after_ms": 5000})),
        (5, json!({"type": "tighten", "account": "sim-1", "state": "halted"})),
    ] {
        ask(&mut algo, request, said).await;
        let (number, status, told) = answer(&mut algo).await;
        assert_eq!((number, status), (request, 200), "{told}");
    }
    // when they are over, so is their hold on numbers and places
    edge.stop_market().await;
    let mut unknown =
        [answer(&mut algo).await, answer(&mut algo).await].map(|told| (told.0, told.1));
    unknown.sort_unstable();
    assert_eq!(unknown, [(1, 504), (2, 504)]);
    edge.start_market().await;
    for request in [1, 2, 1, 2] {
        ask(&mut algo, request, json!({"type": "fills"})).await;
        assert_eq!(answer(&mut algo).await.0, request);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_session_has_sent_is_sent_in_its_order_though_the_session_ends_before_any_answer() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let mut algo = edge.algo().await;
    edge.broker.scene().answers = Answers::Silent;
    // when
    for request in 0..50 {
        ask(&mut algo, request, json!({"type": "submit", "order": order(&request.to_string())}))
            .await;
    }
    algo.send(Message::Close(None)).await;
    algo.end().await;
    // then
    eventually("all have come", || edge.broker.scene().commands.len() == 50).await;
    let came: Vec<String> =
        edge.broker.scene().commands.iter().map(|came| named(&came.2)).collect();
    assert_eq!(came, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    eventually("the session is over", || edge.sessions.count() == 0).await;
    // And another one goes on.
    edge.broker.scene().answers = Answers::Created;
    let mut next = edge.algo().await;
    ask(&mut next, 0, json!({"type": "submit", "order": order("more")})).await;
    assert_eq!(answer(&mut next).await.1, 201);
}

fn named(command: &OrderCommand) -> String {
    let OrderCommand::Submit { order, .. } = command else { panic!("{command:?}") };
    order.client_order_id.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_asks_too_fast_is_told_when_to_go_on_by_rest_and_over_its_stream() {
    // given
    let mut settings = quick_settings();
    settings.requests_per_second = 20;
    let edge = Edge::start(settings).await;
    let began = Instant::now();
    let mut algo = edge.algo().await;
    // when
    for request in 0..60 {
        ask(&mut algo, request, json!({"type": "submit", "order": order(&request.to_string())}))
            .await;
    }
    let mut told = BTreeMap::<u16, Vec<Value>>::new();
    for _ in 0..60 {
        let (_, status, body) = answer(&mut algo).await;
        told.entry(status).or_default().push(body);
    }
    // then
    let (done, refused) = (&told[&201], &told[&429]);
    assert_eq!(done.len() + refused.len(), 60, "{told:?}");
    assert_eq!(edge.broker.scene().commands.len(), done.len(), "what is refused goes nowhere");
    let waits = refused.iter().map(|problem| problem["retry_after_ms"].as_u64().unwrap());
    assert!(waits.clone().all(|wait| (1..=51).contains(&wait)), "{:?}", waits.collect::<Vec<_>>());
    // What is refused costs time too: frames are read at twice the rate, 40 of them at once.
    assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    // The same session by REST has the same rate.
    let mut refused = None;
    for _ in 0..1_000 {
        let answer = edge.rest(Method::GET, "/v1/accounts", None).await;
        if answer.0 == 429 {
            refused = Some(answer.1);
            break;
        }
    }
    let refused = refused.expect("one is too many");
    assert_eq!(refused["code"], "too_many_requests");
    assert!(refused["retry_after_ms"].is_number(), "{refused}");
    // And yet it may make less, by either.
    let path = format!("/v1/orders/{}", order_id("1"));
    assert_eq!(edge.rest(Method::DELETE, &path, None).await.0, 200);
    let halted = json!({"state": "halted"}).to_string();
    let path = "/v1/accounts/sim-1/trading_state";
    assert_eq!(edge.rest(Method::PUT, path, Some(&halted)).await.0, 200);
    ask(&mut algo, 60, json!({"type": "cancel", "order_id": order_id("1").to_string()})).await;
    assert_eq!(answer(&mut algo).await.1, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_that_come_too_fast_are_read_later_and_all_granted() {
    // given
    let mut settings = quick_settings();
    settings.requests_per_second = 20;
    let edge = Edge::start(settings).await;
    let began = Instant::now();
    let mut algo = edge.algo().await;
    // when
    let wish = json!({"type": "unsubscribe", "channel": "quotes", "instrument": "BTC/USD"});
    for _ in 0..40 {
        algo.send(Message::text(wish.to_string())).await;
    }
    // then
    for _ in 0..40 {
        let code = algo.until(|frame| match frame {
            ToAlgo::Error { code, .. } => Some(code),
            _ => None,
        });
        assert_eq!(code.await, Code::NotFound);
    }
    // The connection was the first of the 20 that come at once.
    let paced = Duration::from_millis(1_000);
    assert!(began.elapsed() >= paced, "{:?}", began.elapsed());
}
