//! Claims about who is connected, as Brokers are told it.

use crate::world::{
    algo::Algo,
    broker::Answers,
    claims,
    edge::{Edge, quick_settings},
    eventually, token,
};
use std::time::Duration;
use tokio::task::JoinSet;
use tradewind_protocol::token::Claims;

/// An edge that tells, as its MarketManager has it do.
async fn telling(watches: bool) -> (Edge, JoinSet<()>) {
    let edge = Edge::start(quick_settings()).await;
    edge.broker.scene().watches = watches;
    let gateway = edge.gateway.clone();
    let mut telling = JoinSet::new();
    telling.spawn(async move { match gateway.tell_presence().await {} });
    (edge, telling)
}

fn told(edge: &Edge, session: &str) -> Vec<u64> {
    let scene = edge.broker.scene();
    let his = scene.present.iter().filter(|seen| seen.session.session.as_str() == session);
    his.map(|seen| seen.silent_ms).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_hears_again_and_again_of_its_customers_sessions_that_are_connected() {
    // given
    let (edge, _telling) = telling(false).await;
    let other = token(&Claims { session: "s-2".parse().unwrap(), ..claims("acme") });
    let stranger = token(&Claims { session: "s-3".parse().unwrap(), ..claims("bolt") });
    let one = edge.algo().await;
    let two = Algo::connect(&edge.address, &other).await.unwrap();
    // Who may not use the account is no matter of its Broker's.
    let _three = Algo::connect(&edge.address, &stranger).await;
    // then
    eventually("both are told", || {
        !told(&edge, "s-1").is_empty() && !told(&edge, "s-2").is_empty()
    })
    .await;
    drop(two);
    eventually("one is gone", || edge.sessions.count() <= 2).await;
    let before = told(&edge, "s-2").len();
    let still = told(&edge, "s-1").len();
    eventually("the other is told on", || told(&edge, "s-1").len() >= still + 3).await;
    assert!(told(&edge, "s-2").len() <= before + 1, "one turn may have been under way");
    assert!(told(&edge, "s-3").is_empty());
    // One from which nothing comes is told with its silence: nobody asks it for a sign.
    eventually("its silence is told", || told(&edge, "s-1").last() >= Some(&1_000)).await;
    drop(one);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_orders_depend_on_is_asked_for_signs_and_one_that_gives_none_is_told_as_silent()
 {
    // given
    let (edge, _telling) = telling(true).await;
    let mut algo = edge.algo().await;
    // when: it reads, and so answers
    let reading = tokio::time::Instant::now() + Duration::from_secs(3);
    while tokio::time::Instant::now() < reading {
        algo.next().await.unwrap();
    }
    // then
    let silences = told(&edge, "s-1");
    assert!(silences.len() >= 3, "{silences:?}");
    assert!(silences.last() < Some(&2_000), "unasked it would be silent for 3 s: {silences:?}");
    // when: it reads no more, though its connection stands
    eventually("it is told as silent", || told(&edge, "s-1").last() >= Some(&2_000)).await;
    assert_eq!(edge.sessions.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_whose_answers_are_late_costs_no_session_its_signs() {
    let (edge, _telling) = telling(true).await;
    let mut algo = edge.algo().await;
    let mut reads = async |seconds| {
        let until = tokio::time::Instant::now() + Duration::from_secs(seconds);
        while tokio::time::Instant::now() < until {
            algo.next().await.unwrap();
        }
    };
    reads(1).await;
    // when: it hears all of it, and answers none of it in time
    edge.broker.scene().answers = Answers::Silent;
    reads(4).await;
    // then
    let silences = told(&edge, "s-1");
    assert!(silences.last() < Some(&2_000), "unasked it would be silent for 4 s: {silences:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_that_comes_back_tells_the_broker_at_once_who_is_connected() {
    let (mut edge, _telling) = telling(false).await;
    let _algo = edge.algo().await;
    eventually("it is told", || !told(&edge, "s-1").is_empty()).await;
    edge.stop_market().await;
    edge.start_market().await;
    edge.broker.scene().present.clear();
    eventually("it is told again", || !told(&edge, "s-1").is_empty()).await;
}
