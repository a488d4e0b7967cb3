//! Claims about a Market of several shards: what an algo sees while instruments go from one to another, and while one dies.

use crate::{
    gateway::Settings,
    market::Waits,
    world::{
        account,
        algo::Algo,
        broker::Answers,
        edge::{Edge, quick_settings},
        eventually, instrument, order_id,
    },
};
use std::{collections::BTreeSet, time::Duration};
use tradewind_domain::{ids::InstrumentId, trading::shards::shard_of};
use tradewind_link::rest::Method;
use tradewind_protocol::stream::{Channel, FromAlgo, StreamStatus, ToAlgo, Topic};

const FIRST: &str = "market.crypto.0@a1";
const SECOND: &str = "market.crypto.1@a1";

/// Of the two instruments, the one that a second shard takes and the one that stays.
fn two() -> (InstrumentId, InstrumentId) {
    let (btc, eth) = (instrument("BTC/USD"), instrument("ETH/USD"));
    let goes = |which: &InstrumentId| shard_of(which, &BTreeSet::from([0, 1])) == 1;
    match (goes(&btc), goes(&eth)) {
        (true, false) => (btc, eth),
        (false, true) => (eth, btc),
        both => panic!("one of them goes and one stays: {both:?}"),
    }
}

async fn subscribe(algo: &mut Algo, channel: Channel, instrument: &InstrumentId) {
    let instrument = Some(instrument.clone());
    algo.say(&FromAlgo::Subscribe { channel, instrument, account: None, from: None }).await;
}

/// Reads quotes and trades of both, as the Broker has them for the first shard.
async fn reader(edge: &Edge) -> Algo {
    let (goes, stays) = two();
    let mut algo = edge.algo().await;
    for of in [&goes, &stays] {
        subscribe(&mut algo, Channel::Quotes, of).await;
        subscribe(&mut algo, Channel::Trades, of).await;
    }
    for of in [&goes, &stays] {
        eventually("read", || read_over(edge, of, FIRST)).await;
    }
    algo
}

fn read_over(edge: &Edge, of: &InstrumentId, by: &str) -> bool {
    edge.broker.readers(of) == (vec![by.to_string()], vec![by.to_string()])
}

/// Quotes and trades of one go on until `done`.
async fn goes_on(edge: &Edge, of: &InstrumentId, mut done: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !done() {
        let seq = edge.broker.trade(of).await;
        edge.broker.quote(of, seq);
        assert!(tokio::time::Instant::now() < deadline, "not within 10 s");
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

/// Reads on up to a trade of this number: the trades and the quotes of one, and what else was told of it.
async fn up_to(algo: &mut Algo, of: &InstrumentId, last: u64) -> (Vec<u64>, Vec<u64>, Vec<ToAlgo>) {
    let (mut trades, mut quotes, mut words) = (Vec::new(), Vec::new(), Vec::new());
    while trades.last() != Some(&last) {
        match algo.next().await.unwrap() {
            ToAlgo::Trade { instrument, seq, .. } if instrument == *of => trades.push(seq),
            ToAlgo::Quote { instrument, seq, .. } if instrument == *of => quotes.push(seq),
            word @ (ToAlgo::Gap { .. } | ToAlgo::Status { .. } | ToAlgo::Subscribed { .. }) => {
                words.push(word);
            }
            _ => {}
        }
    }
    (trades, quotes, words)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instrument_goes_to_another_shard_and_back_and_its_algo_sees_nothing_of_it() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let (goes, stays) = two();
    let mut algo = reader(&edge).await;
    let mut rounds = 0..5;
    goes_on(&edge, &goes, || rounds.next().is_none()).await;
    up_to(&mut algo, &goes, 5).await;
    // when
    edge.start_shard(1).await;
    edge.serve(&[0, 1]);
    goes_on(&edge, &goes, || read_over(&edge, &goes, SECOND)).await;
    // then
    assert!(read_over(&edge, &stays, FIRST), "it has stayed");
    assert!(edge.uses(&[0, 1]));
    // when
    edge.serve(&[0]);
    goes_on(&edge, &goes, || edge.uses(&[0])).await;
    edge.stop_shard(1).await;
    assert!(read_over(&edge, &goes, FIRST));
    let last = edge.broker.trade(&goes).await;
    // then
    let (trades, quotes, words) = up_to(&mut algo, &goes, last).await;
    assert_eq!(trades, (6..=last).collect::<Vec<_>>());
    assert!(quotes.is_sorted_by(|one, next| one < next), "{quotes:?}");
    assert_eq!(words, []);
}

fn order(of: &InstrumentId, id: &str) -> String {
    format!(
        r#"{{"client_order_id":"{id}","instrument":"{of}","side":"buy","type":"limit",
            "quantity":"1","limit_price":"100","time_in_force":"gtc"}}"#
    )
}

/// Who has sent the last command.
fn over(edge: &Edge) -> String {
    edge.broker.scene().senders.last().cloned().unwrap_or_default()
}

/// Orders an instrument until that goes over this shard: until its pipe stands another one takes them.
async fn orders_over(edge: &Edge, of: &InstrumentId, shard: &str, id: &mut u32) {
    let began = std::time::Instant::now();
    while over(edge) != shard {
        assert!(began.elapsed() < Duration::from_secs(10), "never over {shard}");
        *id += 1;
        let order = order(of, &id.to_string());
        assert_eq!(edge.rest(Method::POST, "/v1/orders", Some(&order)).await.0, 201);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_go_over_their_instruments_shard_what_is_of_an_account_over_the_main_one() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let (goes, stays) = two();
    edge.start_shard(1).await;
    edge.serve(&[0, 1]);
    let mut id = 0;
    for (of, shard) in [(&stays, FIRST), (&goes, SECOND), (&stays, FIRST)] {
        orders_over(&edge, of, shard, &mut id).await;
    }
    let path = format!("/v1/orders/{}", order_id("1"));
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(edge.rest(method, &path, None).await.0, 200);
        assert_eq!(over(&edge), FIRST, "its id names no instrument");
    }
    // when: it is dead, as is seen soon
    edge.stop_shard(1).await;
    let dead = order(&goes, "dead");
    let mut answer = edge.rest(Method::POST, "/v1/orders", Some(&dead)).await;
    if answer.1["code"] == "unknown" {
        answer = edge.rest(Method::POST, "/v1/orders", Some(&dead)).await;
    }
    // then
    assert_eq!((answer.0, &*over(&edge)), (201, FIRST), "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_dies_costs_its_own_instruments_a_pause_and_what_was_missed_is_told() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let (goes, stays) = two();
    edge.start_shard(1).await;
    let mut algo = reader(&edge).await;
    algo.subscribe_fills(&account("sim-1"), None).await;
    eventually("subscribed", || edge.broker.has_private_subscriber()).await;
    edge.serve(&[0, 1]);
    goes_on(&edge, &goes, || read_over(&edge, &goes, SECOND)).await;
    let last = edge.broker.trade(&goes).await;
    up_to(&mut algo, &goes, last).await;
    // when
    edge.stop_shard(1).await;
    let paused = algo.until(|frame| match frame {
        ToAlgo::Status { topic, status: StreamStatus::Reconnecting } => Some(topic),
        _ => None,
    });
    assert_eq!(paused.await, Topic::Quotes { instrument: goes.clone() });
    eventually("left", || edge.broker.readers(&goes).1.is_empty()).await;
    let missed = edge.broker.trade(&goes).await;
    // then: all else goes on
    edge.broker.fill().await;
    assert_eq!(algo.fill().await.0.seq, 2);
    let other = edge.broker.trade(&stays).await;
    let (_, _, words) = up_to(&mut algo, &stays, other).await;
    assert_eq!(words, []);
    // when: it is there again
    edge.start_shard(1).await;
    eventually("read again", || read_over(&edge, &goes, SECOND)).await;
    // then
    let from = algo.until(|frame| match frame {
        ToAlgo::Gap { topic, from, .. } => Some((topic, from.map(|from| from.seq))),
        _ => None,
    });
    assert_eq!(from.await, (Topic::Trades { instrument: goes.clone() }, Some(missed - 1)));
    let next = edge.broker.trade(&goes).await;
    assert_eq!(up_to(&mut algo, &goes, next).await.0, [next]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_to_go_stays_until_another_has_what_it_has() {
    // given
    let mut edge = Edge::start(quick_settings()).await;
    let (goes, _) = two();
    edge.start_shard(1).await;
    let mut algo = reader(&edge).await;
    edge.serve(&[0, 1]);
    goes_on(&edge, &goes, || read_over(&edge, &goes, SECOND)).await;
    let last = edge.broker.trade(&goes).await;
    up_to(&mut algo, &goes, last).await;
    // when: the one that is to take it is away
    edge.stop_shard(0).await;
    edge.serve(&[0]);
    let mut rounds = 0..200;
    goes_on(&edge, &goes, || rounds.next().is_none()).await;
    // then
    assert!(edge.uses(&[0, 1]) && read_over(&edge, &goes, SECOND));
    // when
    edge.start_shard(0).await;
    goes_on(&edge, &goes, || edge.uses(&[0])).await;
    // then: nothing of it was missed
    let end = edge.broker.trade(&goes).await;
    let (trades, _, words) = up_to(&mut algo, &goes, end).await;
    assert_eq!(trades, (last + 1..=end).collect::<Vec<_>>());
    let of_it = |word: &&ToAlgo| !format!("{word:?}").contains(&format!("{:?}", two().1));
    assert_eq!(words.iter().filter(of_it).collect::<Vec<_>>(), Vec::<&ToAlgo>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_to_go_stays_until_what_was_asked_over_it_has_its_answer() {
    // given
    let waits = Waits { answer: Duration::from_secs(3), ..Waits::default() };
    let mut edge = Edge::start(Settings { waits, ..quick_settings() }).await;
    let (goes, _) = two();
    edge.start_shard(1).await;
    edge.serve(&[0, 1]);
    let mut id = 0;
    orders_over(&edge, &goes, SECOND, &mut id).await;
    // when: an order is on its way over it, and others go over another already
    edge.broker.scene().answers = Answers::Silent;
    let sent = edge.broker.scene().senders.len();
    let late = order(&goes, "late");
    let asked = edge.rest(Method::POST, "/v1/orders", Some(&late));
    let others = async {
        eventually("sent", || edge.broker.scene().senders.len() > sent).await;
        assert_eq!(over(&edge), SECOND);
        edge.broker.scene().answers = Answers::Created;
        edge.serve(&[0]);
        orders_over(&edge, &goes, FIRST, &mut id).await;
        // then
        for _ in 0..200 {
            assert!(edge.uses(&[0, 1]));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let (answer, ()) = tokio::join!(asked, others);
    assert_eq!(answer.1["code"], "unknown", "{}", answer.1);
    eventually("it is let go", || edge.uses(&[0])).await;
}
