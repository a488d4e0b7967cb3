//! Claims about who is let in: every door of a MarketManager refuses a wrong token, and tells no more than that.

use crate::world::{
    algo::Algo,
    claims,
    edge::{Edge, quick_settings},
    order_id, token,
};
use tradewind_domain::ids::ClusterIncarnation;
use tradewind_link::rest::Method;
use tradewind_protocol::token::Claims;

const ORDER: &str = r#"{"client_order_id":"1","instrument":"BTC/USD","side":"buy","type":"market",
    "quantity":"1","time_in_force":"ioc"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_refused_at_every_door_in_the_same_words_before_anything_is_looked_at() {
    // given
    let edge = Edge::start(quick_settings()).await;
    let order = format!("/v1/orders/{}", order_id("1"));
    let doors = [
        (Method::POST, "/v1/orders", Some(ORDER)),
        (Method::POST, "/v1/orders", Some("no order")),
        (Method::GET, "/v1/orders", None),
        (Method::GET, order.as_str(), None),
        (Method::DELETE, order.as_str(), None),
        (Method::GET, "/v1/fills", None),
        (Method::GET, "/v1/accounts", None),
        (Method::GET, "/v1/quotes/BTC/USD", None),
        (Method::GET, "/v1/quotes/UNHEARD/OF", None),
        (Method::GET, "/v1/calendar?market=crypto", None),
        (Method::GET, "/v1/calendar?exchange=UNHEARD", None),
        (Method::GET, "/v1/calendar/XNYS", None),
        (Method::GET, "/v1/calendar/UNHEARD", None),
        (Method::GET, "/v1/instruments", None),
        (Method::GET, "/v1/instruments?after=none", None),
        (Method::GET, "/v1/instruments/BTC/USD", None),
        (Method::GET, "/v1/instruments/unheard/of", None),
    ];
    let good = token(&claims("acme"));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let another = token(&Claims { session: "s-2".parse().unwrap(), ..claims("acme") });
    let wrong = [
        "nonsense".to_owned(),
        body.to_owned(),
        format!("{body}.{}", signature.to_uppercase()),
        format!("{body}.{}", another.rsplit_once('.').unwrap().1),
        token(&Claims { cluster: ClusterIncarnation(4_711), ..claims("acme") }),
    ];
    // when
    let mut told = Vec::new();
    for (method, path, body) in &doors {
        for token in &wrong {
            let answer = edge.rest_as(token, method.clone(), path, *body).await;
            assert_eq!(answer.0, 401, "{method} {path} {token}");
            told.push(answer.1);
        }
    }
    for token in &wrong {
        assert_eq!(Algo::connect(&edge.address, token).await.err(), Some(401), "{token}");
    }
    // then
    assert!(told.iter().all(|answer| *answer == told[0]), "{told:?}");
    let words = told[0].to_string();
    for secret in ["acme", "s-2", "signature", "cluster", "4711", "nonsense"] {
        assert!(!words.contains(secret), "{words}");
    }
    assert!(edge.broker.scene().commands.is_empty(), "one has come as far as a Broker");
    // and the good one is let in at each
    for (method, path, body) in doors {
        let (status, answer) = edge.rest(method.clone(), path, body).await;
        assert_ne!(status, 401, "{method} {path}: {answer}");
    }
}
