//! Claims about what is told of a drain, and when it is over.
#![allow(clippy::unwrap_used)]
use super::*;
use tradewind_domain::ids::Epoch;

fn by() -> By {
    By { who: "ann".to_owned(), why: "an upgrade".to_owned() }
}

fn drain(target: &str) -> DrainRow {
    DrainRow {
        target: target.parse().unwrap(),
        epoch: Epoch(7),
        revision: Revision(7),
        state: DrainState::Drained,
        since: UnixNanos(1),
        by: by(),
        deadline: None,
        overdue: None,
        drop: DropSchedule::WhenIdle,
        forced: None,
        drained: None,
    }
}

#[test]
fn a_drain_that_is_gone_was_cancelled_or_was_dropped_with_its_implementation() {
    let of_manager = drain("a1.trader-manager");
    let cancelled = |epoch| EventKind::DrainCancelled {
        target: of_manager.target.clone(),
        epoch: Epoch(epoch),
        by: by(),
    };
    assert_eq!(fate(&of_manager, &cancelled(7)), Some(Fate::Cancelled(by())));
    // An earlier drain of the same.
    assert_eq!(fate(&of_manager, &cancelled(6)), None);
    let dropped = |of: &str| EventKind::Dropped { target: of.parse().unwrap(), epoch: Epoch(9) };
    assert_eq!(fate(&of_manager, &dropped("a1")), Some(Fate::Dropped));
    assert_eq!(fate(&of_manager, &dropped("b1")), None);
    assert_eq!(fate(&drain("a1"), &dropped("a1")), Some(Fate::Dropped));
    assert_eq!(fate(&drain("a1"), &dropped("a1.trader-manager")), None);
}

fn view(target: &str, state: DrainState, drop: DropSchedule) -> DrainView {
    let row = DrainRow { state, drop, ..drain(target) };
    DrainView { row, acknowledged: true, managers: vec![], remaining: None, waits: None }
}

#[test]
fn whoever_watched_a_drain_to_its_end_is_told_what_comes_next() {
    let next = |target, drop| next(&view(target, DrainState::Drained, drop)).unwrap_or_default();
    let after = next("a1", DropSchedule::AfterHours);
    assert!(after.contains("a1 is dropped after hours"), "{after}");
    assert!(after.contains("tradewind wait implementation a1 --for dropped"), "{after}");
    let at = next("a1.trader-manager", DropSchedule::At(UnixNanos(0)));
    assert!(at.contains("tradewind wait manager a1.trader-manager --for dropped"), "{at}");
    let never = next("a1", DropSchedule::Never);
    assert!(never.contains("tradewind undrain a1 --why TEXT"), "{never}");
    assert_eq!(next("a1", DropSchedule::WhenIdle), "");
}
