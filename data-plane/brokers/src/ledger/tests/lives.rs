//! Lives of the cluster, one after the other, as a ledger sees them.

use super::*;

#[test]
fn a_later_life_of_the_cluster_gives_traders_epochs_anew() {
    // given: a copy of epoch 50, given out after the backup that the cluster is restored from
    let mut book = Book::new();
    let copy = |epoch| Principal {
        trader: Some(TraderClaim { trader: TraderId::new("t").unwrap(), epoch: Epoch(epoch) }),
        ..principal("acme")
    };
    book.put(Record::Fenced { cluster: 1, epoch: 7 });
    book.put(book.ledger.check_trader(&copy(50)).unwrap().unwrap());
    book.put(Record::Fenced { cluster: 1, epoch: 8 });
    assert!(book.ledger.check_trader(&copy(9)).is_err(), "a new assignment alone changes nothing");
    // when
    book.put(Record::Fenced { cluster: 2, epoch: 3 });
    // then
    assert!(book.ledger.check_trader(&copy(9)).unwrap().is_some());
}

#[test]
fn the_life_before_is_over_whatever_its_epochs_are() {
    let mut book = Book::new();
    let of = |fence| Assignment { fence, ..assignment() };
    let (before, later) = (of(fence(1, 1_000)), of(fence(2, 3)));
    book.put(book.ledger.assigned(&before).unwrap());
    book.put(book.ledger.assigned(&later).unwrap());
    assert!(matches!(book.ledger.check_own(&before), Err(Fenced::Superseded { .. })));
    assert_eq!(book.ledger.assigned(&before), None);
    assert_eq!(book.ledger.check_own(&later), Ok(()));
}
