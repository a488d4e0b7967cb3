//! Claims about the right to connect.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use tradewind_protocol::asks::ServiceAnswer;

const MARGIN: u64 = 2_000;

fn service(n: u32) -> ServiceId {
    format!("broker.a-{n}.0").parse().unwrap()
}

const PLACE: &str = "127.0.0.1:1";

/// One, that orders go over.
fn one(allowed: ConnectsAllowed) -> Dials {
    Dials { at: PLACE.to_owned(), allowed, dials: 1, purpose: Purpose::Orders }
}

fn at(ms: u64) -> Monotonic {
    Monotonic(ms * 1_000_000)
}

fn allowed(connects: u32, within_ms: u64) -> ConnectsAllowed {
    ConnectsAllowed { connects, within_ms }
}

/// A BrokerManager that has been there for long.
fn old() -> Connects {
    let mut connects = Connects::new(Monotonic(0));
    assert!(connects.place(PLACE, allowed(1_000, 0)).is_some());
    connects
}

/// A session of orders as Kraken's: of two WebSockets, all or none.
fn session(allowed: ConnectsAllowed) -> Dials {
    Dials { dials: ORDER_DIALS, ..one(allowed) }
}

fn feed(allowed: ConnectsAllowed) -> Dials {
    Dials { purpose: Purpose::MarketData, ..one(allowed) }
}

const LATER: u64 = 10_000_000;

#[test]
fn no_more_is_granted_than_the_venue_allows_and_then_again() {
    let mut connects = old();
    let ask = |connects: &mut Connects, n, ms| {
        connects.ask(&service(n), &one(allowed(4, 10_000)), at(LATER + ms))
    };
    assert_eq!(
        (0..4).map(|n| ask(&mut connects, n, 0)).collect::<Vec<_>>(),
        [Ok(3), Ok(2), Ok(1), Ok(0)]
    );
    let wait = ask(&mut connects, 9, 0).unwrap_err();
    assert_eq!(wait, Duration::from_millis(10_000 + MARGIN));
    assert!(ask(&mut connects, 9, 10_000 + MARGIN - 1).is_err());
    assert_eq!(ask(&mut connects, 9, 10_000 + MARGIN), Ok(3));
}

#[test]
fn one_that_dies_again_and_again_leaves_the_others_their_connects() {
    let mut connects = old();
    let mut granted = 0;
    for ms in 0..1_000 {
        let asked = connects.ask(&service(1), &one(allowed(20, 60_000)), at(LATER + ms));
        granted += u32::from(asked.is_ok());
    }
    assert_eq!(granted, 20 / CONNECT_SHARES);
    for n in 2..10 {
        let asked = connects.ask(&service(n), &one(allowed(20, 60_000)), at(LATER + 1_000));
        assert!(asked.is_ok(), "{n}: {asked:?}");
    }
}

#[test]
fn of_those_who_wait_the_first_to_come_is_the_first_to_go() {
    let mut connects = old();
    let mut ask = |n, ms| connects.ask(&service(n), &one(allowed(1, 1_000)), at(LATER + ms));
    assert_eq!(ask(1, 0), Ok(0));
    let free = 1_000 + MARGIN;
    // as those do who wait
    for ms in (10..free).step_by(500) {
        assert!(ask(2, ms).is_err());
        assert!(ask(3, ms + 10).is_err());
    }
    assert!(ask(3, free).is_err(), "2 was before");
    assert_eq!(ask(2, free + 1), Ok(0));
    // one who does not come back keeps nobody from it
    assert!(ask(4, free + 2).is_err());
    assert_eq!(ask(4, free * 3), Ok(0));
}

#[test]
fn one_who_is_gone_keeps_his_turn_for_moments_and_not_for_as_long_as_he_would_wait() {
    let mut connects = old();
    let mut ask = |n, dials, ms| {
        let dials = Dials { dials, ..one(allowed(3, 600_000)) };
        connects.ask(&service(n), &dials, at(LATER + ms))
    };
    // given: one is left, which is not enough for the second
    assert_eq!(ask(1, 2, 0), Ok(1));
    assert!(ask(2, 2, 100).is_err());
    // when: it does not ask again
    let gone = 100 + 500 + 1_000;
    assert!(ask(3, 1, gone - 1).is_err());
    // then
    assert_eq!(ask(3, 1, gone), Ok(0));
}

#[test]
fn one_who_is_over_his_share_has_no_turn() {
    let mut connects = old();
    let mut ask = |n, dials, ms| {
        let dials = Dials { dials, ..one(allowed(3, 10_000)) };
        connects.ask(&service(n), &dials, at(LATER + ms))
    };
    let free = 10_000 + MARGIN;
    assert_eq!(ask(1, 2, 0), Ok(1));
    assert_eq!(ask(2, 1, 5_000), Ok(0));
    // given: 2 waits before 3
    assert!(ask(2, 1, free - 100).is_err());
    assert!(ask(3, 2, free - 80).is_err());
    // when: it wants more than its share
    assert!(ask(2, 2, free - 50).is_err());
    // then
    assert_eq!(ask(3, 2, free), Ok(0));
}

#[test]
fn a_manager_that_has_just_begun_takes_half_for_spent_and_the_tightest_word_counts() {
    let mut connects = Connects::new(at(0));
    let mut ask = |n, most| connects.ask(&service(n), &one(allowed(most, 60_000)), at(1_000));
    assert_eq!(ask(1, 10), Ok(4));
    assert_eq!(ask(2, 8), Ok(1), "six of eight are spent");
    assert_eq!(ask(3, 600), Ok(0));
    assert!(ask(4, 600).is_err());
}

#[test]
fn the_tightest_word_counts_for_as_long_as_what_it_was_said_for_and_the_last_of_each_broker() {
    let mut connects = old();
    let mut ask =
        |n, most, ms| connects.ask(&service(n), &one(allowed(most, 10_000)), at(LATER + ms));
    let free = 10_000 + MARGIN;
    assert_eq!(ask(1, 4, 0), Ok(3));
    assert_eq!(ask(2, 8, 1), Ok(2));
    // when: the first does not ask any more
    assert_eq!(ask(2, 8, free - 1), Ok(1), "three of four");
    assert_eq!(ask(2, 8, free + 1), Ok(6), "two of eight");
    // when: one says otherwise, be it that its account was declared anew
    assert_eq!(ask(3, 4, free + 2), Ok(1));
    assert_eq!(ask(3, 8, free + 3), Ok(4));
}

#[test]
fn connections_of_no_use_without_each_other_are_granted_together_or_not_at_all() {
    let mut connects = old();
    let mut ask = |n, dials, ms| {
        let dials = Dials { dials, ..one(allowed(3, 10_000)) };
        connects.ask(&service(n), &dials, at(LATER + ms))
    };
    let free = 10_000 + MARGIN;
    assert_eq!(ask(1, 2, 0), Ok(1));
    let wait = ask(2, 2, 100).unwrap_err();
    assert_eq!(wait, Duration::from_millis(free - 100), "for one that was granted first");
    assert!(ask(3, 1, 200).is_err(), "what is left waits for the second");
    assert_eq!(ask(2, 2, free), Ok(1));
    // more than its share at a time is not waited for for ever
    assert_eq!(ask(1, 3, 3 * free), Ok(0));
}

#[test]
fn feeds_that_fall_again_and_again_leave_orders_their_connections() {
    let mut connects = old();
    let mut granted = |purpose| {
        let dials = Dials { purpose, ..one(allowed(120, 600_000)) };
        let asked = (0..100).map(|ms| connects.ask(&service(1), &dials, at(LATER + ms)));
        asked.filter(Result::is_ok).count()
    };
    assert_eq!(granted(Purpose::MarketData), 23, "of thirty");
    assert_eq!(granted(Purpose::Orders), 7);
    assert_eq!(granted(Purpose::MarketData), 0);
}

/// One that has been there for long and one that has just begun, and when each is asked first.
fn managers() -> [(Connects, u64); 2] {
    [(old(), LATER), (Connects::new(at(0)), 1_000)]
}

#[test]
fn whatever_market_data_has_taken_one_order_session_is_let_in() {
    for most in [16, 24, 31, 120] {
        for (mut connects, from) in managers() {
            let allowed = allowed(most, 600_000);
            let asked = (0..200).map(|ms| connects.ask(&service(1), &feed(allowed), at(from + ms)));
            assert!(asked.filter(Result::is_ok).count() >= 2, "{most}: feeds have something");
            let asked = connects.ask(&service(1), &session(allowed), at(from + 200));
            assert!(asked.is_ok(), "of {most}: {asked:?}");
        }
    }
}

#[test]
fn brokers_hungry_for_market_data_cannot_keep_out_the_order_session_of_another() {
    for (most, hungry) in [(16, 3), (24, 3), (31, 3), (120, 3), (16, 20), (120, 20)] {
        for (mut connects, from) in managers() {
            // given
            let allowed = allowed(most, 600_000);
            for ms in 0..100 {
                for n in 1..=hungry {
                    let _ = connects.ask(&service(n), &feed(allowed), at(from + ms));
                }
            }
            // when
            let asked = connects.ask(&service(99), &session(allowed), at(from + 100));
            // then
            assert!(asked.is_ok(), "of {most} beside {hungry}: {asked:?}");
        }
    }
}

#[test]
fn orders_that_come_later_go_before_market_data_that_waits() {
    let mut connects = old();
    let allowed = allowed(4, 10_000);
    let mut ask = |n, dials: fn(ConnectsAllowed) -> Dials, ms| {
        connects.ask(&service(n), &dials(allowed), at(LATER + ms))
    };
    // given: market data has all but what is kept, and more of it waits
    let had = [ask(1, feed, 0), ask(2, feed, 1_000), ask(3, feed, 2_000)];
    assert_eq!(had, [Ok(3), Ok(2), Ok(1)]);
    assert!(ask(4, feed, 2_100).is_err());
    assert_eq!(ask(5, one, 2_200), Ok(0));
    // when: orders wait too
    let free = 10_000 + MARGIN;
    for ms in (2_300..free).step_by(500) {
        assert!(ask(4, feed, ms).is_err());
        assert!(ask(6, one, ms + 10).is_err());
    }
    // then
    assert!(ask(4, feed, free).is_err());
    assert_eq!(ask(6, one, free + 1), Ok(0));
}

#[test]
fn brokers_that_call_a_venue_otherwise_or_speak_for_other_accounts_have_one_budget() {
    let desk = desk::Desk::default();
    let ask = |n: u32, venue: &str| {
        let venue = venue.parse().unwrap();
        desk.ask(&service(n), &venue, &one(allowed(4, 600_000)))
    };
    // half of it is taken for spent
    assert_eq!(ask(1, "kraken"), ServiceAnswer::Connect { left: 1 });
    assert_eq!(ask(2, "kraken-eu"), ServiceAnswer::Connect { left: 0 });
    assert!(matches!(ask(3, "kraken"), ServiceAnswer::Wait { .. }));
}

proptest! {
    #[test]
    fn in_no_stretch_of_the_venues_time_there_are_more_than_it_allows(
        most in 1_u32..12,
        asks in prop::collection::vec(
            (0_u32..6, 0_u64..900, 0_u64..MARGIN, 1_u32..4, any::<bool>()),
            1..300,
        ),
    ) {
        let (mut connects, mut now, mut arrivals) = (old(), LATER, Vec::new());
        for (who, pause, dial, dials, for_data) in asks {
            now += pause;
            let purpose = if for_data { Purpose::MarketData } else { Purpose::Orders };
            let asked = Dials { dials, purpose, ..one(allowed(most, 5_000)) };
            if connects.ask(&service(who), &asked, at(now)).is_ok() {
                // One after the other, within what a dial takes.
                arrivals.extend((0..dials.min(most)).map(|n| now + dial * u64::from(n) / 3));
            }
        }
        arrivals.sort_unstable();
        for first in &arrivals {
            let seen = arrivals.iter().filter(|at| (*first..first + 5_000).contains(at)).count();
            prop_assert!(seen <= most as usize, "{seen} of {most} within 5 s from {first}");
        }
    }
}
