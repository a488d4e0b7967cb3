//! Claims about what is under way on one connection: how much of it there may be, and who is let go for taking nothing.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::hop::ReceiverId;
use tokio::time::timeout;

const REST: Size = Size { share: Share::Rest, lists: false };
const LESS: Size = Size { share: Share::Less, lists: false };
const LIST: Size = Size { share: Share::Rest, lists: true };

#[tokio::test]
async fn a_number_and_a_place_are_free_when_the_answer_has_been_written_and_not_before() {
    // given
    let under_way = UnderWay::default();
    let place = under_way.place(7, REST, 1).unwrap();
    assert_eq!(under_way.place(7, REST, 1).err().unwrap().code, Code::Conflict);
    let busy = under_way.place(8, REST, 1).err().unwrap();
    assert_eq!(busy.code, Code::TooManyRequests);
    // when it waits for the reader
    let waiting = Started { place, begun: Begun::nothing() }.answer().await;
    // then
    let answer = r#"{"type":"answer","request":7,"status":200,"body":{"orders":[]}}"#;
    assert_eq!(waiting.as_str(), answer);
    assert!(under_way.has(7) && under_way.place(8, REST, 1).is_err());
    drop(waiting);
    assert!(!under_way.has(7));
    drop(under_way.place(8, REST, 1).unwrap());
}

#[test]
fn what_makes_less_has_places_of_its_own() {
    // given
    let under_way = UnderWay::default();
    let _all = under_way.place(0, REST, 1).unwrap();
    assert!(under_way.place(1, REST, 1).is_err());
    // when, then
    let most = limits::LESSENING_OPERATIONS;
    let less: Vec<Place> = (1..).map_while(|n| under_way.place(n, LESS, 1).ok()).collect();
    assert_eq!(less.len(), most);
}

#[test]
fn no_more_lists_are_asked_for_than_may_wait() {
    // given
    let under_way = UnderWay::default();
    let asked: Vec<Place> = (0..).map_while(|n| under_way.place(n, LIST, 1_000).ok()).collect();
    assert_eq!(asked.len(), limits::ANSWER_BYTES / limits::LIST_BYTES + 1);
    drop(asked);
    // when: a long one waits
    let mut long = under_way.place(0, LIST, 1_000).unwrap();
    long.answered(limits::ANSWER_BYTES);
    // then: one more at a time is asked for, and all else as before
    let next = under_way.place(1, LIST, 1_000).unwrap();
    assert_eq!(under_way.place(2, LIST, 1_000).err().unwrap().code, Code::TooManyRequests);
    drop(next);
    long.under_way.held().waiting += 1;
    long.waiting += 1;
    assert!(under_way.place(2, LIST, 1_000).is_err());
    drop(under_way.place(2, REST, 1_000).unwrap());
    drop(long);
    drop(under_way.place(2, LIST, 1_000).unwrap());
    let held = under_way.held();
    assert_eq!((held.waiting, held.lists, held.since), (0, 0, None));
}

#[tokio::test]
async fn a_reader_who_takes_nothing_while_answers_wait_is_let_go() {
    // given
    let slow_after = Duration::from_millis(20);
    let port = Port::new(ReceiverId(1), 8, slow_after);
    let under_way = UnderWay::default();
    let later = || Instant::now() + Duration::from_secs(1);
    let mut place = under_way.place(0, LIST, 1).unwrap();
    port.writes(Some(0));
    assert!(!under_way.is_stuck(&port, slow_after, later()), "no answer waits");
    // when
    place.answered(1);
    // then: of much that is being written some may be on its way
    assert!(under_way.is_stuck(&port, slow_after, later()));
    port.writes(Some(limits::SLOW_BYTES_PER_SECOND * 2));
    assert!(!under_way.is_stuck(&port, slow_after, later()));
    port.writes(None);
    assert!(!under_way.is_stuck(&port, slow_after, later()), "all was taken");
    // and
    port.writes(Some(0));
    let ended = async {
        tokio::select! {
            never = under_way.watch(&port, slow_after) => match never {},
            why = port.closed() => why.code,
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), ended).await.unwrap(), close::SLOW_CONSUMER);
}
