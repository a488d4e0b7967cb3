//! Claims about the fan-out: who gets which quote, what a heartbeat may name, what is kept for how long.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::{epoch, instrument, quote};
use tokio::sync::oneshot::error::TryRecvError;

const NOW: Monotonic = Monotonic(0);

fn last(seq: u64) -> Last {
    Last { epoch: epoch("e"), seq, quote: quote(seq) }
}

fn port(number: u64) -> Arc<Port> {
    let port = Arc::new(Port::new(ReceiverId(number), 8, limits::SLOW_AFTER));
    port.reserve(&Topic::Quotes { instrument: instrument("BTC/USD") }, 1);
    port
}

fn numbers(port: &Port) -> Vec<u64> {
    let seq = |frame: &ToAlgo| match frame {
        ToAlgo::Quote { seq, .. } => Some(*seq),
        _ => None,
    };
    port.taken().iter().filter_map(seq).collect()
}

#[test]
fn a_slow_reader_gets_the_latest_few_while_a_quick_one_gets_all() {
    // given
    let (mut fan_out, btc) = (FanOut::default(), instrument("BTC/USD"));
    let (slow, quick) = (port(1), port(2));
    assert!(fan_out.subscribe(&slow, &btc), "new here");
    assert!(!fan_out.subscribe(&quick, &btc));
    // when
    let mut seen = Vec::new();
    for seq in 1..=100 {
        fan_out.publish(&btc, last(seq));
        seen.extend(numbers(&quick));
    }
    // then
    assert_eq!(seen, (1..=100).collect::<Vec<_>>());
    let latest = 100 - limits::QUOTES_WAITING as u64 + 1..=100;
    assert_eq!(numbers(&slow), latest.collect::<Vec<_>>());
}

#[test]
fn a_heartbeat_names_only_what_was_queued_before_it() {
    // given
    let (mut fan_out, btc) = (FanOut::default(), instrument("BTC/USD"));
    let reader = port(1);
    fan_out.subscribe(&reader, &btc);
    fan_out.publish(&btc, last(3));
    // when
    reader.heartbeat(tradewind_domain::time::UnixNanos(1));
    // then
    let frames = reader.taken();
    let [ToAlgo::Subscribed { position: None, .. }, ToAlgo::Quote { seq: 3, .. }, beat] =
        &frames[..]
    else {
        panic!("{frames:?}");
    };
    let ToAlgo::Heartbeat { streams, .. } = beat else { panic!("{beat:?}") };
    assert_eq!(streams.iter().map(|stream| stream.position.seq).collect::<Vec<_>>(), [3]);
}

#[test]
fn an_instrument_nobody_wants_is_kept_for_a_while_and_then_given_back() {
    // given
    let (mut fan_out, btc) = (FanOut::default(), instrument("BTC/USD"));
    fan_out.subscribe(&port(1), &btc);
    fan_out.publish(&btc, last(3));
    fan_out.unsubscribe(ReceiverId(1), &btc, NOW);
    // when
    let again = port(2);
    assert!(!fan_out.subscribe(&again, &btc));
    // then
    assert_eq!(numbers(&again), [3], "kept");
    fan_out.publish(&btc, last(4));
    fan_out.unsubscribe(ReceiverId(2), &btc, NOW);
    assert!(numbers(&again).is_empty(), "what waited for who has left");
    assert!(fan_out.tick(NOW).is_empty());
    assert_eq!(fan_out.tick(NOW + limits::QUOTE_LINGER), [btc]);
}

#[test]
fn a_question_waits_for_the_first_quote_and_not_for_ever() {
    // given
    let (mut fan_out, btc) = (FanOut::default(), instrument("BTC/USD"));
    let (first, mut answer) = oneshot::channel();
    assert!(fan_out.ask(&btc, first, NOW));
    // when
    assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
    fan_out.publish(&btc, last(3));
    fan_out.status(&btc, StreamStatus::Live);
    // then
    assert_eq!(answer.try_recv().unwrap().unwrap().seq, 3);
    // when its source is away
    fan_out.status(&btc, StreamStatus::Reconnecting);
    let (late, mut answer) = oneshot::channel();
    fan_out.ask(&btc, late, NOW);
    fan_out.tick(NOW + limits::QUOTE_WITHIN);
    // then
    assert_eq!(answer.try_recv().unwrap().unwrap_err().status, 503);
}
