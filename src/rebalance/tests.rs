//! Claims about what is shown of a rebalance, move by move.
#![allow(clippy::unwrap_used)]

use super::*;
use tradewind_domain::{control::drain::By, time::UnixNanos};
use tradewind_protocol::control::Stand;

fn each(customer: &str) -> CustomerMove {
    CustomerMove {
        customer: customer.parse().unwrap(),
        from: "a.trader-manager".parse().unwrap(),
        to: "b.trader-manager".parse().unwrap(),
        weight: 1,
    }
}

fn by() -> By {
    By { who: "ann".to_owned(), why: "a node".to_owned() }
}

fn told(under_way: Option<(u64, u64, &[&str])>, plan: &[&str]) -> RebalanceTold {
    let moves = |names: &[&str]| names.iter().map(|name| each(name)).collect();
    let under_way = under_way.map(|(epoch, count, left)| RebalanceUnderWay {
        epoch: Epoch(epoch),
        since: UnixNanos(1),
        by: by(),
        moves: count,
        left: moves(left),
    });
    let stand = Stand { revision: Revision(50), ..Stand::default() };
    RebalanceTold { stand, under_way, plan: Some(moves(plan)) }
}

fn begun(applied: u64) -> Changed {
    Changed { stand: Stand::default(), applied: Revision(applied) }
}

fn assigned(customer: &str, manager: &str) -> EventKind {
    EventKind::CustomerAssigned {
        customer: customer.parse().unwrap(),
        manager: manager.parse().unwrap(),
        epoch: Epoch(1),
    }
}

#[test]
fn moves_are_counted_from_the_beginning_also_those_made_before_anybody_could_look() {
    // given: one of two has moved by the time of the second look
    let (before, after) = (told(None, &["x", "y"]), told(Some((60, 2, &["y"])), &[]));
    let mut moves = Moves::of(&begun(60), before, after);
    assert_eq!((moves.since, moves.total), (Revision(59), 2));
    // when: of the customers only those of the rebalance count, and only where they were to go
    assert_eq!(moves.heard(&assigned("new", "b.trader-manager")), Heard::Nothing);
    assert_eq!(moves.heard(&assigned("x", "b.trader-manager")), Heard::Moved(each("x")));
    assert_eq!(moves.heard(&assigned("y", "c.trader-manager")), Heard::Nothing);
    // then
    assert_eq!(moves.heard(&EventKind::Rebalanced { epoch: Epoch(7) }), Heard::Nothing);
    assert_eq!(moves.heard(&EventKind::Rebalanced { epoch: Epoch(60) }), Heard::Over);
    assert_eq!((moves.done, moves.total), (1, 2));
}

#[test]
fn one_that_was_under_way_is_followed_from_where_it_was() {
    let (before, after) = (told(Some((40, 3, &["x", "y"])), &[]), told(Some((40, 3, &["y"])), &[]));
    let mut moves = Moves::of(&begun(40), before, after);
    assert_eq!((moves.since, moves.total), (Revision(50), 2));
    assert_eq!(moves.heard(&assigned("x", "b.trader-manager")), Heard::Moved(each("x")));
    let cancelled = EventKind::RebalanceCancelled { epoch: Epoch(40), by: by() };
    assert_eq!(moves.heard(&cancelled), Heard::Cancelled("ann".into(), "a node".into()));
}

#[test]
fn a_plan_without_moves_says_so() {
    assert!(table(None, &[]).contains("nothing to move"));
    assert!(table(None, &[each("x")]).contains("b.trader-manager"));
}

#[test]
fn as_lines_the_moves_are_shown_that_are_left_of_what_is_under_way_and_else_those_that_would_be() {
    let moves = |told: &RebalanceTold| {
        let lines = shown(Format::Jsonl, told).unwrap();
        let each = |line| serde_json::from_str::<CustomerMove>(line).unwrap();
        lines.lines().map(each).map(|each| each.customer.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(moves(&told(None, &["x", "y"])), ["x", "y"]);
    assert_eq!(moves(&told(Some((60, 2, &["y"])), &[])), ["y"]);
    assert_eq!(moves(&told(Some((60, 2, &[])), &["z"])), Vec::<String>::new());
}
