//! Claims about each side by itself. What they come to together is searched in `tests/copies`.

use super::*;
use crate::ids::{ClusterIncarnation, Epoch};

fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

fn naming(since: u64, holder: Option<u8>) -> Naming<u8> {
    Naming { since: fence(since), holder }
}

/// A Broker under right 1 whose copy, named by entry 2, has joined with record 1.
fn joined() -> Writer<u8> {
    let joined = Joined { since: fence(2), index: 1 };
    Writer::opened(fence(1), naming(2, Some(7)), Some(joined), 1)
}

fn greeting(begun: u64, last: u64) -> Greeting {
    Greeting { begun: Some(fence(begun)), last, synced: last }
}

#[test]
fn a_record_is_durable_when_both_copies_have_it() {
    let mut writer = joined();
    assert_eq!(writer.durable(), 0, "what the copy has is not known yet");
    assert_eq!(writer.greeted(greeting(2, 1)), Next::Stream { after: 1 });
    assert_eq!((writer.put(), writer.durable()), (2, 1));
    writer.synced(2);
    assert_eq!(writer.durable(), 1);
    writer.acknowledged(2);
    assert_eq!(writer.durable(), 2);
}

#[test]
fn a_broker_that_loses_its_copy_goes_on_when_the_naming_says_so_and_not_before() {
    let mut writer = joined();
    writer.greeted(greeting(2, 1));
    writer.put();
    writer.synced(2);
    writer.broken();
    assert_eq!((writer.standing(), writer.durable()), (Standing::Two, 1));
    writer.told(fence(1), naming(3, Some(8)));
    assert_eq!((writer.standing(), writer.durable()), (Standing::CatchingUp, 2));
    writer.told(fence(1), naming(2, Some(7)));
    assert_eq!(writer.standing(), Standing::CatchingUp, "an older word is no news");
}

#[test]
fn a_new_life_takes_what_its_copy_has_more_before_it_puts_anything() {
    let mut writer = joined();
    assert!(!writer.may_put());
    assert_eq!(writer.greeted(greeting(2, 3)), Next::Adopt { after: 1, to: 3 });
    writer.adopted(3);
    assert_eq!(writer.greeted(greeting(2, 3)), Next::Stream { after: 3 });
    assert!(writer.may_put());
}

#[test]
fn a_copy_that_lost_its_disk_is_not_filled_again_under_the_same_naming() {
    let mut writer = joined();
    let empty = Greeting { begun: None, last: 0, synced: 0 };
    assert_eq!(writer.greeted(empty), Next::Lost);
    assert_eq!(writer.greets(), None);
    writer.told(fence(1), naming(3, Some(7)));
    assert_eq!(writer.greeted(empty), Next::Begin, "under another naming it is");
}

#[test]
fn the_joining_record_is_on_the_own_disk_before_the_copy_sees_it() {
    let mut writer = Writer::opened(fence(1), naming(2, Some(7)), None, 5);
    assert_eq!(writer.greeted(greeting(2, 5)), Next::Begin, "of another life of the Broker");
    writer.begun();
    writer.acknowledged(4);
    assert!(!writer.may_join(0) && writer.may_join(1));
    assert_eq!(writer.put_joining(), 6);
    assert_eq!((writer.put(), writer.streams_to()), (7, 5));
    writer.synced(7);
    assert_eq!(writer.streams_to(), 7);
    assert_eq!((writer.durable(), writer.has_joined()), (5, None));
    writer.acknowledged(6);
    assert_eq!((writer.durable(), writer.has_joined()), (6, Some(fence(2))));
}

#[test]
fn a_ledger_that_knows_of_a_later_naming_waits_to_be_told_of_it() {
    let late = Joined { since: fence(5), index: 3 };
    let mut writer = Writer::opened(fence(1), naming(4, None), Some(late), 3);
    assert_eq!((writer.standing(), writer.durable()), (Standing::Outdated, 0));
    assert!(!writer.may_put());
    writer.told(fence(1), naming(6, None));
    assert_eq!((writer.standing(), writer.durable()), (Standing::Single, 3));
}

#[test]
fn a_sealed_copy_serves_a_higher_right_only() {
    // given a copy with a connection of right 1
    let mut holder = Holder::default();
    let session = holder.greet(fence(1), 0).expect("served").session;
    holder.begin(session, fence(2)).expect("begun");
    holder.append(session, 1, Some(fence(2))).expect("taken");
    // when
    let (_, sealed) = holder.seal(fence(3)).expect("sealed");
    // then
    assert_eq!(sealed, Sealed { whole: Some(fence(2)), last: 1 });
    let refused = Refused::Sealed { by: fence(3) };
    assert!(!holder.acknowledges(session));
    assert_eq!(holder.append(session, 2, None), Err(refused));
    assert_eq!(holder.greet(fence(1), 1), Err(refused));
    assert_eq!(holder.seal(fence(2)), Err(refused));
    assert!(holder.greet(fence(3), 1).is_ok());
    let mut writer = joined();
    writer.refused(fence(3));
    assert!(writer.is_superseded());
    writer.told(fence(4), naming(2, Some(7)));
    assert!(!writer.is_superseded(), "the right that it was given back is above the seal");
}

#[test]
fn of_two_connections_the_later_one_is_served_and_no_record_is_left_out() {
    let mut holder = Holder::default();
    let first = holder.greet(fence(1), 0).expect("served").session;
    let second = holder.greet(fence(1), 0).expect("served").session;
    assert_eq!(holder.begin(first, fence(2)), Err(Refused::OtherSession));
    holder.begin(second, fence(2)).expect("begun");
    assert_eq!(holder.append(second, 2, None), Err(Refused::Hole { after: 0 }));
    holder.append(second, 1, Some(fence(2))).expect("taken");
    assert_eq!(holder.begin(second, fence(2)), Err(Refused::Begun), "it has joined");
}

#[test]
fn a_copy_holder_is_the_same_after_a_restart_but_for_its_connection() {
    let mut holder = Holder::default();
    let greeted = holder.greet(fence(1), 0).expect("served");
    let session = greeted.session;
    let mut journal = alloc::vec![greeted.kept.expect("a higher right")];
    journal.push(holder.begin(session, fence(2)).expect("begun"));
    journal.push(holder.append(session, 1, None).expect("taken"));
    journal.push(holder.seal(fence(3)).expect("sealed").0);
    let mut again = Holder::default();
    journal.into_iter().for_each(|kept| again.take(kept));
    assert!(!again.acknowledges(session));
    assert_eq!(again.seal(fence(3)), holder.seal(fence(3)));
}

#[test]
fn a_successor_continues_from_a_whole_copy_of_its_naming_alone() {
    let mut successor = Successor::new(fence(4), fence(2));
    for whole in [None, Some(fence(1)), Some(fence(3))] {
        assert_eq!(successor.sealed(Sealed { whole, last: 9 }), Err(NotWhole));
    }
    assert_eq!(successor.sealed(Sealed { whole: Some(fence(2)), last: 9 }), Ok(9));
    successor.synced(8);
    assert!(!successor.is_loaded());
    successor.synced(9);
    assert!(successor.is_loaded());
}

/// A ledger at place 0 whose copy at place 1, named by entry 2, is whole.
fn whole() -> View<u8> {
    let mut view = View::begun(0, fence(1));
    view.name(Some(1), fence(1), fence(2)).expect("named");
    view.joined(fence(2)).expect("joined");
    view
}

#[test]
fn a_ledger_is_continued_from_a_whole_copy_and_counts_when_it_is_live() {
    let mut view = whole();
    view.name(Some(2), fence(2), fence(3)).expect("named");
    assert_eq!(view.succeed(2, fence(1), fence(4)), Err(Unfit::NotWhole));
    assert_eq!(view.joined(fence(2)), Err(Unfit::Superseded));
    view.joined(fence(3)).expect("joined");
    assert_eq!(view.succeed(0, fence(1), fence(4)), Err(Unfit::OwnPlace));
    view.succeed(2, fence(1), fence(4)).expect("to be continued");
    assert_eq!(view.name(None, fence(3), fence(5)), Err(Unfit::Succeeding));
    assert_eq!((view.live.at, view.highest()), (0, fence(4)));
    view.went_live(fence(4), fence(5)).expect("live");
    let live = Held { at: 2, right: fence(4) };
    assert_eq!((view.live, view.successor), (live, None));
    assert_eq!(view.naming, naming(5, None), "beside its copy it has one copy");
}

#[test]
fn a_succession_that_was_given_up_goes_live_no_more() {
    let mut view = whole();
    view.succeed(2, fence(1), fence(3)).expect("to be continued");
    view.give_back(fence(3), fence(4)).expect("given back");
    assert_eq!(view.went_live(fence(3), fence(5)), Err(Unfit::Superseded));
    assert_eq!(view.live, Held { at: 0, right: fence(4) });
    assert_eq!(view.succeed(2, fence(1), fence(6)), Err(Unfit::Superseded));
    view.succeed(2, fence(4), fence(6)).expect("to be continued");
    view.went_live(fence(6), fence(7)).expect("live");
    assert_eq!(view.naming, naming(2, Some(1)), "the copy is that of its successor");
    assert!(view.whole);
}
