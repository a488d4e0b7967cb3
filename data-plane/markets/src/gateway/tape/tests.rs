//! Claims about trades to sessions: who gets which, and that nothing is missing that was not told.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    limits,
    world::{epoch, instrument},
};
use proptest::prelude::*;
use tradewind_domain::{
    time::UnixNanos,
    trading::{Side, Trade},
};

const LIMIT: usize = 8;

fn numbered(seq: u64, prev: u64) -> Numbered {
    let trade = Trade {
        price: "1".parse().unwrap(),
        quantity: "1".parse().unwrap(),
        taker: Side::Buy,
        at: UnixNanos(seq),
    };
    Numbered { epoch: epoch("e"), seq, prev, trade }
}

fn at(seq: u64) -> Position {
    Position { epoch: epoch("e"), seq }
}

fn port(number: u64) -> Arc<Port> {
    let port = Arc::new(Port::new(ReceiverId(number), LIMIT, limits::SLOW_AFTER));
    port.reserve(&Topic::Trades { instrument: instrument("BTC/USD") }, 1);
    port
}

/// What a reader makes of it: numbers of trades, and `None` for each gap.
fn read(port: &Port) -> Vec<Option<u64>> {
    let one = |frame: &ToAlgo| match frame {
        ToAlgo::Trade { seq, .. } => Some(Some(*seq)),
        ToAlgo::Gap { .. } => Some(None),
        _ => None,
    };
    port.taken().iter().filter_map(one).collect()
}

#[test]
fn a_session_without_room_misses_trades_is_told_so_and_holds_up_nobody() {
    // given
    let (mut tapes, btc) = (Tapes::default(), instrument("BTC/USD"));
    let (slow, quick) = (port(1), port(2));
    assert!(tapes.subscribe(&slow, &btc, None), "new here");
    assert!(!tapes.subscribe(&quick, &btc, None));
    let mut seen = Vec::new();
    // when
    for seq in 1..=20 {
        tapes.publish(&btc, numbered(seq, seq - 1));
        seen.extend(read(&quick));
    }
    // then
    assert_eq!(seen, (1..=20).map(Some).collect::<Vec<_>>());
    let first = read(&slow);
    assert!(first.len() < LIMIT && first.iter().all(Option::is_some), "{first:?}");
    tapes.publish(&btc, numbered(21, 20));
    assert_eq!(read(&slow), [None, Some(21)]);
}

#[test]
fn a_gap_that_no_trade_follows_is_told_when_there_is_room() {
    let (mut tapes, btc) = (Tapes::default(), instrument("BTC/USD"));
    let slow = port(1);
    tapes.subscribe(&slow, &btc, None);
    (1..=20).for_each(|seq| tapes.publish(&btc, numbered(seq, seq - 1)));
    tapes.tick();
    assert!(read(&slow).iter().all(Option::is_some), "there was no room");
    tapes.tick();
    assert_eq!(read(&slow), [None]);
    tapes.tick();
    assert!(read(&slow).is_empty(), "it is told once");
}

#[test]
fn who_comes_back_is_told_of_a_gap_only_if_something_was_traded_meanwhile() {
    let (mut tapes, btc) = (Tapes::default(), instrument("BTC/USD"));
    // Where the stream stands is told after it was asked for.
    let (same, behind, new) = (port(1), port(2), port(3));
    tapes.subscribe(&same, &btc, Some(at(7)));
    tapes.subscribe(&behind, &btc, Some(at(5)));
    tapes.subscribe(&new, &btc, None);
    tapes.stand(&btc, at(7));
    tapes.publish(&btc, numbered(9, 7));
    assert_eq!(read(&same), [Some(9)]);
    assert_eq!(read(&behind), [None, Some(9)]);
    assert_eq!(read(&new), [Some(9)]);
    // And here it is known.
    let later = port(4);
    tapes.subscribe(&later, &btc, Some(at(7)));
    assert_eq!(read(&later), [None]);
    // The source begins anew.
    tapes.stand(&btc, Position { epoch: epoch("other"), seq: 0 });
    assert_eq!(read(&same), [None]);
}

#[test]
fn an_instrument_is_let_go_with_the_last_who_wants_it() {
    let (mut tapes, btc) = (Tapes::default(), instrument("BTC/USD"));
    let (one, two) = (port(1), port(2));
    tapes.subscribe(&one, &btc, None);
    tapes.subscribe(&two, &btc, None);
    assert!(!tapes.unsubscribe(one.number(), &btc));
    assert_eq!(tapes.forget(two.number()), std::slice::from_ref(&btc));
    assert!(tapes.subscribe(&one, &btc, None), "it is new again");
}

#[derive(Clone, Debug)]
enum Act {
    Trade,
    /// One that was lost on a hop before.
    Lost,
    Read,
    Tick,
}

proptest! {
    /// Whatever is lost, and whenever the reader reads: between two trades in his hands that are not next to each
    /// other stands a gap, and in the end he has the last trade or a gap after his last.
    #[test]
    fn no_hole_is_untold(acts in prop::collection::vec(
        prop_oneof![4 => Just(Act::Trade), 1 => Just(Act::Lost), 1 => Just(Act::Read), 1 => Just(Act::Tick)],
        0..200,
    )) {
        let (mut tapes, btc) = (Tapes::default(), instrument("BTC/USD"));
        let reader = port(1);
        tapes.subscribe(&reader, &btc, Some(at(0)));
        let (mut seq, mut told, mut got) = (0_u64, 0_u64, Vec::new());
        for act in acts {
            match act {
                Act::Trade => {
                    tapes.publish(&btc, numbered(seq + 1, seq));
                    told = seq + 1;
                    seq += 1;
                }
                Act::Lost => seq += 1,
                Act::Read => got.extend(read(&reader)),
                Act::Tick => tapes.tick(),
            }
        }
        got.extend(read(&reader));
        tapes.tick();
        got.extend(read(&reader));
        let mut last = Some(0);
        for one in got {
            if let (Some(before), Some(now)) = (last, one) {
                prop_assert_eq!(now, before + 1, "untold");
            }
            last = one;
        }
        prop_assert!(last.is_none_or(|last| last == told), "{:?} of {}", last, told);
    }
}
