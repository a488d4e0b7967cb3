//! Claims about trades that come by another pipe from now on.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    hop::ReceiverId,
    world::{epoch, instrument},
};
use proptest::prelude::*;
use std::collections::VecDeque;
use tradewind_domain::{time::UnixNanos, trading::Side, trading::Trade};
use tradewind_protocol::trade::TradeUp;

const TO: ReceiverId = ReceiverId(1);
const NOW: Monotonic = Monotonic(1);

type Hop = Trades<&'static str>;
type Acts = Vec<Act<&'static str>>;

fn btc() -> InstrumentId {
    instrument("BTC/USD")
}

fn both() -> BTreeSet<&'static str> {
    BTreeSet::from(["a", "b"])
}

fn at(seq: u64) -> Position {
    Position { epoch: epoch("e"), seq }
}

fn trade(seq: u64) -> Numbered {
    let (price, quantity) = ("29430.2".parse().unwrap(), "0.001".parse().unwrap());
    let trade = Trade { price, quantity, taker: Side::Buy, at: UnixNanos(seq) };
    Numbered { epoch: epoch("e"), seq, prev: seq - 1, trade }
}

/// What is told: trades by their numbers, a stand as such; and who is left or asked.
fn words(acts: &Acts) -> Vec<String> {
    let one = |act: &Act<&'static str>| match act {
        Act::Down { frame: TradeUp::Trade { seq, .. }, .. } => seq.to_string(),
        Act::Down { frame: TradeUp::TradesStand { epoch, seq, .. }, .. } => {
            format!("{epoch}:{seq}")
        }
        Act::Up { via, frame: tradewind_protocol::trade::TradeDown::SubscribeTrades { .. } } => {
            format!("+{via}")
        }
        Act::Up { via, frame: _ } => format!("-{via}"),
        other => panic!("{other:?}"),
    };
    acts.iter().map(one).collect()
}

/// From `a` everything up to 5 was told; `b` is asked.
fn begun() -> Hop {
    let mut hop = Hop::new();
    hop.want(TO, &btc(), Some("a"), &both());
    hop.stands(&"a", &btc(), at(4), (&both(), NOW));
    hop.trade(&"a", &btc(), trade(5), &both());
    assert_eq!(words(&hop.hand_over(|_| "b", &both())), ["+b"]);
    hop
}

#[test]
fn the_new_one_is_heard_at_once_when_the_old_one_has_told_all_before_it() {
    let mut hop = begun();
    assert_eq!(words(&hop.stands(&"b", &btc(), at(5), (&both(), NOW))), ["-a"], "nothing is told");
    assert_eq!(words(&hop.trade(&"b", &btc(), trade(6), &both())), ["6"]);
    assert!(hop.trade(&"a", &btc(), trade(6), &both()).is_empty(), "what was on its way");
    assert!(hop.carries(&"b") && !hop.carries(&"a"));
}

#[test]
fn the_old_one_tells_what_is_missing_before_the_new_one_which_is_kept_meanwhile() {
    let mut hop = begun();
    assert!(hop.stands(&"b", &btc(), at(7), (&both(), NOW)).is_empty());
    assert!(hop.trade(&"b", &btc(), trade(8), &both()).is_empty());
    assert_eq!(words(&hop.trade(&"a", &btc(), trade(6), &both())), ["6"]);
    assert_eq!(words(&hop.trade(&"a", &btc(), trade(7), &both())), ["7", "-a", "8"]);
}

#[test]
fn an_old_one_that_does_not_come_up_to_it_is_not_waited_for_and_what_is_missing_is_told() {
    let mut hop = begun();
    hop.stands(&"b", &btc(), at(7), (&both(), NOW));
    hop.trade(&"b", &btc(), trade(8), &both());
    assert!(hop.tick(NOW, &both()).is_empty());
    let late = hop.tick(NOW + HAND_OVER_WITHIN, &both());
    assert_eq!(words(&late), ["-a", "e:7", "8"]);
    // The same when it is lost, and when there is room for no more.
    let mut hop = begun();
    hop.stands(&"b", &btc(), at(7), (&both(), NOW));
    assert_eq!(words(&hop.down(&"a", &BTreeSet::from(["b"]))), ["e:7"]);
    let mut hop = begun();
    hop.stands(&"b", &btc(), at(7), (&both(), NOW));
    let kept = HAND_OVER_TRADES as u64;
    for seq in 8..kept + 7 {
        assert!(hop.trade(&"b", &btc(), trade(seq), &both()).is_empty());
    }
    let full = words(&hop.trade(&"b", &btc(), trade(kept + 7), &both()));
    assert_eq!((full.len() as u64, &*full[1], &*full[2]), (kept + 2, "e:7", "8"));
}

#[test]
fn where_routes_change_meanwhile_nothing_of_their_numbers_is_told_twice() {
    let routed = |seq: u64| Numbered { epoch: epoch("f"), ..trade(seq) };
    let mut hop = begun();
    assert!(hop.stands(&"b", &btc(), at(7), (&both(), NOW)).is_empty());
    // when: the old one knows the new routes first
    let stand = Position { epoch: epoch("f"), seq: 100 };
    hop.stands(&"a", &btc(), stand, (&both(), NOW));
    assert_eq!(words(&hop.trade(&"a", &btc(), routed(101), &both())), ["101"]);
    // then the new one, which tells no other stand
    assert!(hop.trade(&"b", &btc(), routed(102), &both()).is_empty());
    assert!(hop.trade(&"b", &btc(), routed(103), &both()).is_empty());
    assert_eq!(words(&hop.trade(&"a", &btc(), routed(102), &both())), ["102", "-a", "103"]);
    // The same where the old one was ahead: it is not waited for, and nothing goes back.
    let mut hop = begun();
    hop.stands(&"b", &btc(), at(7), (&both(), NOW));
    hop.stands(&"a", &btc(), Position { epoch: epoch("f"), seq: 100 }, (&both(), NOW));
    hop.trade(&"b", &btc(), routed(101), &both());
    for seq in [101, 102] {
        hop.trade(&"a", &btc(), routed(seq), &both());
    }
    assert!(!hop.carries(&"a"), "the new one was heard as soon as nothing was missing");
}

#[test]
fn of_one_source_by_two_names_nothing_is_told_twice() {
    // given: the old one has chosen it by earlier routes than the new one knows
    let named = |seq: u64, name: &str| Numbered { epoch: epoch(name), ..trade(seq) };
    let mut hop = Hop::new();
    hop.want(TO, &btc(), Some("a"), &both());
    hop.trade(&"a", &btc(), named(5, "e-1"), &both());
    hop.hand_over(|_| "b", &both());
    // when
    let stand = Position { epoch: epoch("e-2"), seq: 6 };
    assert!(hop.stands(&"b", &btc(), stand, (&both(), NOW)).is_empty());
    assert!(hop.trade(&"b", &btc(), named(7, "e-2"), &both()).is_empty());
    // then
    assert_eq!(words(&hop.trade(&"a", &btc(), named(6, "e-1"), &both())), ["6", "-a", "7"]);
    assert!(hop.trade(&"b", &btc(), named(7, "e-2"), &both()).is_empty());
    assert_eq!(words(&hop.trade(&"b", &btc(), named(8, "e-2"), &both())), ["8"]);
    // nor where the old one was ahead of where the new one begins
    let mut hop = Hop::new();
    hop.want(TO, &btc(), Some("a"), &both());
    hop.trade(&"a", &btc(), named(9, "e-1"), &both());
    hop.hand_over(|_| "b", &both());
    let stand = Position { epoch: epoch("e-2"), seq: 6 };
    assert_eq!(words(&hop.stands(&"b", &btc(), stand, (&both(), NOW))), ["-a"]);
    for seq in 7..=9 {
        assert!(hop.trade(&"b", &btc(), named(seq, "e-2"), &both()).is_empty());
    }
    assert_eq!(words(&hop.trade(&"b", &btc(), named(10, "e-2"), &both())), ["10"]);
    // and another life of the source is another one
    assert!(!is_one_source(&epoch("1-2-3-4-7"), &epoch("1-2-3-5-7")));
}

#[test]
fn a_new_one_that_is_lost_begins_anew_and_the_old_one_goes_on() {
    let mut hop = begun();
    hop.stands(&"b", &btc(), at(7), (&both(), NOW));
    hop.trade(&"b", &btc(), trade(8), &both());
    assert!(hop.down(&"b", &BTreeSet::from(["a"])).is_empty());
    assert_eq!(words(&hop.trade(&"a", &btc(), trade(7), &both())), ["7"], "it is not heard yet");
    assert_eq!(words(&hop.up(&"b")), ["+b"]);
    assert_eq!(words(&hop.stands(&"b", &btc(), at(7), (&both(), NOW))), ["-a"]);
    // Lost before it began, the old one is followed at once, and the source's word tells the rest.
    let mut hop = begun();
    assert!(hop.down(&"a", &BTreeSet::from(["b"])).is_empty());
    assert_eq!(words(&hop.stands(&"b", &btc(), at(9), (&both(), NOW))), ["e:9"]);
}

#[test]
fn what_the_old_one_has_told_the_new_one_does_not_tell_again_nor_that_it_had_begun_before_it() {
    let mut hop = begun();
    hop.trade(&"a", &btc(), trade(6), &both());
    assert_eq!(words(&hop.stands(&"b", &btc(), at(5), (&both(), NOW))), ["-a"]);
    assert!(hop.trade(&"b", &btc(), trade(6), &both()).is_empty());
    assert_eq!(words(&hop.trade(&"b", &btc(), trade(7), &both())), ["7"]);
    // The same of one that is followed because the old one is lost.
    let mut hop = begun();
    hop.trade(&"a", &btc(), trade(6), &both());
    hop.down(&"a", &BTreeSet::from(["b"]));
    assert!(hop.stands(&"b", &btc(), at(5), (&both(), NOW)).is_empty());
    assert!(hop.trade(&"b", &btc(), trade(6), &both()).is_empty());
    assert_eq!(words(&hop.trade(&"b", &btc(), trade(7), &both())), ["7"]);
}

#[test]
fn whoever_is_to_take_over_may_be_another_before_it_has_and_goes_with_the_last_who_wants_it() {
    let mut hop = begun();
    let all = BTreeSet::from(["a", "b", "c"]);
    assert_eq!(words(&hop.hand_over(|_| "c", &all)), ["-b", "+c"]);
    assert_eq!(words(&hop.hand_over(|_| "a", &all)), ["-c"]);
    assert!(hop.hand_over(|_| "a", &all).is_empty());
    assert_eq!(words(&hop.hand_over(|_| "b", &all)), ["+b"]);
    assert_eq!(words(&hop.unwant(TO, &btc(), &all)), ["-a", "-b"]);
    // One that does not stand is followed without being waited for.
    let mut hop = begun();
    hop.hand_over(|_| "a", &both());
    assert_eq!(words(&hop.hand_over(|_| "b", &BTreeSet::from(["b"]))), ["+b"]);
    assert!(hop.carries(&"b") && !hop.carries(&"a"));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Trades,
    Asked,
    A,
    B,
}

enum Frame {
    Stands(u64),
    Trade(u64),
}

/// One Broker behind two pipes, each of which is as late as it likes.
#[derive(Default)]
struct Broker {
    last: u64,
    a: VecDeque<Frame>,
    b: Option<VecDeque<Frame>>,
}

fn arrives(hop: &mut Hop, via: &'static str, frame: Option<Frame>) -> Acts {
    match frame {
        Some(Frame::Stands(seq)) => hop.stands(&via, &btc(), at(seq), (&both(), NOW)),
        Some(Frame::Trade(seq)) => hop.trade(&via, &btc(), trade(seq), &both()),
        None => Acts::new(),
    }
}

proptest! {
    #[test]
    fn whatever_is_late_each_trade_is_told_once_and_in_its_order(
        steps in proptest::collection::vec(
            prop_oneof![Just(Step::Trades), Just(Step::Asked), Just(Step::A), Just(Step::B)], 0..120,
        ),
        asks_after in 0_usize..60,
    ) {
        let (mut hop, mut broker, mut told) = (Hop::new(), Broker::default(), Vec::new());
        hop.want(TO, &btc(), Some("a"), &both());
        broker.a.push_back(Frame::Stands(0));
        let mut left = false;
        let ends = (0..400).map(|n| if n % 2 == 0 { Step::A } else { Step::B });
        let asked = [Step::Asked].into_iter();
        let all = steps.iter().copied().chain(asked).chain(ends);
        for (n, step) in all.enumerate() {
            if n == asks_after {
                hop.hand_over(|_| "b", &both());
            }
            let acts = match step {
                Step::Trades => {
                    broker.last += 1;
                    let last = broker.last;
                    if !left {
                        broker.a.push_back(Frame::Trade(last));
                    }
                    broker.b.iter_mut().for_each(|b| b.push_back(Frame::Trade(last)));
                    Acts::new()
                }
                Step::Asked => {
                    if n > asks_after && broker.b.is_none() {
                        broker.b = Some(VecDeque::from([Frame::Stands(broker.last)]));
                    }
                    Acts::new()
                }
                Step::A => arrives(&mut hop, "a", broker.a.pop_front()),
                Step::B => {
                    let frame = broker.b.as_mut().and_then(VecDeque::pop_front);
                    arrives(&mut hop, "b", frame)
                }
            };
            for word in words(&acts) {
                match word.as_str() {
                    "-a" => left = true,
                    "e:0" => {}
                    other => told.push(other.parse::<u64>().expect("a trade, and no gap")),
                }
            }
        }
        let all: Vec<u64> = (1..=broker.last).collect();
        prop_assert_eq!(told, all);
        prop_assert_eq!(left, broker.b.is_some());
    }
}
