//! Claims about trades on a hop.
#![allow(clippy::unwrap_used)]

use super::*;

type Hop = Trades<&'static str>;

const NOW: Monotonic = Monotonic(1);

fn btc() -> InstrumentId {
    "BTC/USD".parse().unwrap()
}

fn numbered(seq: u64) -> Numbered {
    let trade = Trade {
        price: "29430.2".parse().unwrap(),
        quantity: "0.001".parse().unwrap(),
        taker: tradewind_domain::trading::Side::Buy,
        at: tradewind_domain::time::UnixNanos(seq),
    };
    Numbered { epoch: StreamEpoch::new("e").unwrap(), seq, prev: seq - 1, trade }
}

fn told(acts: &[Act<&'static str>]) -> Vec<(ReceiverId, String, u64, u64)> {
    let one = |act: &Act<&'static str>| match act {
        Act::Down { to, frame: TradeUp::Trade { epoch, seq, prev, .. } } => {
            (*to, epoch.to_string(), *seq, *prev)
        }
        other => panic!("{other:?}"),
    };
    acts.iter().map(one).collect()
}

#[test]
fn an_instrument_is_asked_for_once_and_let_go_with_the_last_who_wants_it() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a"]));
    let (one, two) = (ReceiverId(1), ReceiverId(2));
    assert_eq!(hop.want(one, &btc(), Some("a"), &up), Some(subscribe("a", &btc())));
    assert_eq!(hop.want(two, &btc(), Some("a"), &up), None);
    assert_eq!(told(&hop.trade(&"a", &btc(), numbered(7), &up)).len(), 2);
    assert_eq!(hop.unwant(one, &btc(), &up), []);
    assert_eq!(hop.forget(two, &up), [unsubscribe("a", &btc())]);
    assert!(hop.trade(&"a", &btc(), numbered(8), &up).is_empty());
}

#[test]
fn a_pipe_that_stands_again_is_asked_again_and_a_lost_one_is_not() {
    let (mut hop, none) = (Hop::new(), BTreeSet::new());
    assert_eq!(hop.want(ReceiverId(1), &btc(), Some("a"), &none), None, "it does not stand");
    assert_eq!(hop.up(&"a"), [subscribe("a", &btc())]);
    assert!(hop.up(&"b").is_empty());
    assert_eq!(hop.unwant(ReceiverId(1), &btc(), &none), []);
}

#[test]
fn after_a_change_of_routes_trades_come_from_the_new_source_under_another_epoch() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a", "b"]));
    let to = ReceiverId(1);
    hop.reroute(Epoch(1), |_| Some("a"), &up);
    hop.want(to, &btc(), Some("a"), &up);
    assert_eq!(told(&hop.trade(&"a", &btc(), numbered(3), &up)), [(to, "e-1".to_string(), 3, 2)]);
    let acts = hop.reroute(Epoch(2), |_| Some("b"), &up);
    assert_eq!(acts, [unsubscribe("a", &btc()), subscribe("b", &btc())]);
    assert!(hop.trade(&"a", &btc(), numbered(4), &up).is_empty(), "late from the old one");
    let none = Position { epoch: StreamEpoch::new("e").unwrap(), seq: 0 };
    assert!(hop.stands(&"a", &btc(), none.clone(), (&up, NOW)).is_empty());
    let stand = Position { epoch: StreamEpoch::new("e-2").unwrap(), seq: 0 };
    assert_eq!(hop.stands(&"b", &btc(), none, (&up, NOW)), [tell_stand(to, &btc(), &stand)]);
    assert_eq!(told(&hop.trade(&"b", &btc(), numbered(1), &up)), [(to, "e-2".to_string(), 1, 0)]);
}

#[test]
fn a_source_that_comes_back_is_another_one_also_where_nothing_was_traded_there_meanwhile() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a", "b"]));
    let to = ReceiverId(1);
    hop.reroute(Epoch(1), |_| Some("a"), &up);
    hop.want(to, &btc(), Some("a"), &up);
    hop.trade(&"a", &btc(), numbered(3), &up);
    // when: others read there all the time, so that it stands where it stood
    hop.reroute(Epoch(2), |_| Some("b"), &up);
    hop.reroute(Epoch(3), |_| Some("a"), &up);
    let stood = Position { epoch: StreamEpoch::new("e").unwrap(), seq: 3 };
    let acts = hop.stands(&"a", &btc(), stood, (&up, NOW));
    // then: whoever has seen everything up to there is told that something is missing
    let stand = Position { epoch: StreamEpoch::new("e-3").unwrap(), seq: 3 };
    assert_eq!(acts, [tell_stand(to, &btc(), &stand)]);
}

#[test]
fn a_change_of_routes_that_moves_another_instrument_changes_nothing_of_this_one() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a", "b"]));
    let (to, eth): (_, InstrumentId) = (ReceiverId(1), "ETH/USD".parse().unwrap());
    hop.reroute(Epoch(1), |_| Some("a"), &up);
    for instrument in [&btc(), &eth] {
        hop.want(to, instrument, Some("a"), &up);
        hop.trade(&"a", instrument, numbered(3), &up);
    }
    // when
    let acts = hop.reroute(Epoch(2), |which| Some(if *which == eth { "b" } else { "a" }), &up);
    // then
    assert_eq!(acts, [unsubscribe("a", &eth), subscribe("b", &eth)]);
    assert_eq!(told(&hop.trade(&"a", &btc(), numbered(4), &up)), [(to, "e-1".to_string(), 4, 3)]);
}

#[test]
fn whoever_comes_later_is_told_where_the_stream_stands() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a"]));
    hop.want(ReceiverId(1), &btc(), Some("a"), &up);
    assert_eq!(hop.want(ReceiverId(2), &btc(), Some("a"), &up), None, "it is not known yet");
    hop.trade(&"a", &btc(), numbered(7), &up);
    let stand = Position { epoch: StreamEpoch::new("e").unwrap(), seq: 7 };
    let told = hop.want(ReceiverId(3), &btc(), Some("a"), &up);
    assert_eq!(told, Some(tell_stand(ReceiverId(3), &btc(), &stand)));
}
