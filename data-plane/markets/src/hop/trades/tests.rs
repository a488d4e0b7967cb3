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
fn after_a_change_of_routes_trades_come_from_the_new_source_by_its_own_numbers() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a", "b"]));
    let (to, of_b) = (ReceiverId(1), StreamEpoch::new("f").unwrap());
    hop.want(to, &btc(), Some("a"), &up);
    assert_eq!(told(&hop.trade(&"a", &btc(), numbered(3), &up)), [(to, "e".to_string(), 3, 2)]);
    let acts = hop.reroute(|_| Some("b"), &up);
    assert_eq!(acts, [unsubscribe("a", &btc()), subscribe("b", &btc())]);
    assert!(hop.trade(&"a", &btc(), numbered(4), &up).is_empty(), "late from the old one");
    let late = Position { epoch: StreamEpoch::new("e").unwrap(), seq: 0 };
    assert!(hop.stands(&"a", &btc(), late, (&up, NOW)).is_empty());
    let stand = Position { epoch: of_b.clone(), seq: 0 };
    let acts = hop.stands(&"b", &btc(), stand.clone(), (&up, NOW));
    assert_eq!(acts, [tell_stand(to, &btc(), &stand)]);
    let first = Numbered { epoch: of_b, ..numbered(1) };
    assert_eq!(told(&hop.trade(&"b", &btc(), first, &up)), [(to, "f".to_string(), 1, 0)]);
}

#[test]
fn a_change_of_routes_that_moves_another_instrument_changes_nothing_of_this_one() {
    let (mut hop, up) = (Hop::new(), BTreeSet::from(["a", "b"]));
    let (to, eth): (_, InstrumentId) = (ReceiverId(1), "ETH/USD".parse().unwrap());
    for instrument in [&btc(), &eth] {
        hop.want(to, instrument, Some("a"), &up);
        hop.trade(&"a", instrument, numbered(3), &up);
    }
    // when
    let acts = hop.reroute(|which| Some(if *which == eth { "b" } else { "a" }), &up);
    // then
    assert_eq!(acts, [unsubscribe("a", &eth), subscribe("b", &eth)]);
    assert_eq!(told(&hop.trade(&"a", &btc(), numbered(4), &up)), [(to, "e".to_string(), 4, 3)]);
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
