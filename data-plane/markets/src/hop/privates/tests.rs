//! Claims about private streams on a hop.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::world::{account, customer, epoch, fill_event};
use tradewind_protocol::Code;

type Hop = Privates<&'static str>;

const THEIRS: Theirs = (ReceiverId(1), 77);
const NOW: Monotonic = Monotonic(0);

fn up() -> BTreeSet<&'static str> {
    BTreeSet::from(["a"])
}

fn at(of: &str, seq: u64) -> Position {
    Position { epoch: epoch(of), seq }
}

fn wish(from: Option<Position>) -> Wish {
    let channel = PrivateChannel::Fills;
    Wish { account: account("sim-1"), customer: customer("acme"), channel, from }
}

fn numbered(of: &str, seq: u64, prev: u64) -> Numbered {
    Numbered { epoch: epoch(of), seq, prev, event: fill_event(seq) }
}

/// The number and position that the hop asks its source for.
fn asked(acts: &[Act<&'static str>]) -> Vec<(u64, Option<Position>)> {
    let ask = |act: &Act<&'static str>| match act {
        Act::Up { frame: TradeDown::SubscribePrivate { subscription, from, .. }, .. } => {
            Some((*subscription, from.clone()))
        }
        Act::Up { .. } | Act::Down { .. } => None,
    };
    acts.iter().filter_map(ask).collect()
}

fn told(acts: &[Act<&'static str>]) -> Vec<String> {
    let words = |act: &Act<&'static str>| match act {
        Act::Down { to, frame } => {
            assert_eq!(*to, THEIRS.0);
            Some(match frame {
                TradeUp::PrivateOpened { mode, .. } => format!("{mode:?}"),
                TradeUp::Private { seq, .. } => seq.to_string(),
                TradeUp::PrivateStatus { status, .. } => format!("{status:?}"),
                TradeUp::PrivateClosed { problem, .. } => format!("closed {:?}", problem.code),
                other => format!("{other:?}"),
            })
        }
        Act::Up { .. } => None,
    };
    acts.iter().filter_map(words).collect()
}

/// A live subscription that has had number 5; its number upstream is 1.
fn live() -> Hop {
    let mut hop = Hop::new();
    assert_eq!(asked(&hop.open(THEIRS, "a", wish(None), &up())), [(1, None)]);
    assert_eq!(told(&hop.opened(1, Mode::Live, at("e", 4))), ["Live"]);
    assert_eq!(told(&hop.event(1, numbered("e", 5, 3), NOW)), ["5"]);
    hop
}

#[test]
fn after_a_loss_the_stream_goes_on_from_the_last_number_with_no_hole_and_no_repeat() {
    // given
    let mut hop = live();
    // when
    assert_eq!(told(&hop.down(&"a")), ["Reconnecting"]);
    assert!(hop.down(&"a").is_empty(), "each failed dial is not told again");
    let again = hop.up(&"a");
    // then
    assert_eq!(asked(&again), [(2, Some(at("e", 5)))]);
    assert_eq!(told(&hop.opened(2, Mode::Replay, at("e", 9))), ["Replay", "Live"]);
    assert!(hop.event(1, numbered("e", 6, 5), NOW).is_empty(), "under the old number");
    assert!(hop.event(2, numbered("e", 5, 3), NOW).is_empty(), "a repeat");
    assert_eq!(told(&hop.event(2, numbered("e", 8, 5), NOW)), ["8"]);
}

#[test]
fn before_a_hole_the_stream_is_opened_again() {
    // given
    let mut hop = live();
    // when
    let acts = hop.event(1, numbered("e", 9, 7), NOW);
    // then
    assert!(told(&acts).is_empty(), "nothing is forwarded");
    let later = NOW + limits::REOPEN_AFTER;
    assert_eq!(asked(&hop.tick(later, |_| true)), [(2, Some(at("e", 5)))]);
    assert!(hop.tick(later, |_| true).is_empty());
}

#[test]
fn a_rebuilt_ledger_is_told_as_a_snapshot() {
    // given
    let mut hop = live();
    hop.down(&"a");
    hop.up(&"a");
    // when
    let acts = hop.opened(2, Mode::Snapshot, at("f", 2));
    // then
    assert_eq!(told(&acts), ["Snapshot", "Live"]);
    assert_eq!(told(&hop.event(2, numbered("f", 1, 0), NOW)), ["1"]);
    assert_eq!(hop.position(THEIRS), Some(at("f", 1)));
}

#[test]
fn a_stream_asked_for_while_the_source_is_away_is_opened_when_it_is_there() {
    // given
    let mut hop = Hop::new();
    let acts = hop.open(THEIRS, "a", wish(Some(at("e", 3))), &BTreeSet::new());
    assert_eq!(told(&acts), ["Reconnecting"]);
    assert!(asked(&acts).is_empty());
    // when
    let acts = hop.up(&"a");
    // then
    assert_eq!(asked(&acts), [(1, Some(at("e", 3)))]);
    assert_eq!(told(&hop.opened(1, Mode::Replay, at("e", 3))), ["Replay", "Live"]);
}

#[test]
fn a_stream_the_source_closed_is_opened_again_unless_it_would_be_refused_again() {
    // given
    let mut hop = live();
    // when
    let busy = Problem::new(Code::Unavailable, "busy").retry_after_ms(7);
    assert_eq!(told(&hop.closed(1, busy, NOW)), ["Reconnecting"]);
    // then
    assert!(hop.tick(NOW + Duration::from_millis(6), |_| true).is_empty());
    assert_eq!(asked(&hop.tick(NOW + Duration::from_millis(7), |_| true)), [(2, Some(at("e", 5)))]);
    // when
    let acts = hop.closed(2, Problem::new(Code::Forbidden, "no grant"), NOW);
    // then
    assert_eq!(told(&acts), ["closed Forbidden"]);
    assert_eq!(hop.len(), 0);
}

#[test]
fn what_its_receiver_left_is_closed_upstream_and_forgotten() {
    // given
    let mut hop = live();
    // when
    let acts = hop.forget(THEIRS.0, &up());
    // then
    let left = Act::Up { via: "a", frame: TradeDown::UnsubscribePrivate { subscription: 1 } };
    assert_eq!(acts, [left]);
    assert!(hop.event(1, numbered("e", 6, 5), NOW).is_empty());
    assert!(hop.up(&"a").is_empty());
}

#[test]
fn a_receiver_without_room_is_waited_for_and_then_given_all_he_has_not_had() {
    // given
    let mut hop = live();
    assert_eq!(hop.receiver(1), Some(THEIRS));
    // when
    let left = Act::Up { via: "a", frame: TradeDown::UnsubscribePrivate { subscription: 1 } };
    assert_eq!(hop.postpone(1, NOW), [left]);
    // then
    let (later, latest) = (NOW + limits::POSTPONE, NOW + limits::POSTPONE * 2);
    assert!(hop.tick(later, |_| false).is_empty());
    assert_eq!(asked(&hop.tick(latest, |_| true)), [(2, Some(at("e", 5)))]);
}
