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
    connects.allow(PLACE, allowed(1_000, 0));
    connects
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
    assert!(ask(2, 10).is_err());
    assert!(ask(3, 20).is_err());
    let free = 1_000 + MARGIN;
    assert!(ask(3, free).is_err(), "2 was before");
    assert_eq!(ask(2, free + 1), Ok(0));
    // one who does not come back keeps nobody from it
    assert!(ask(4, free + 2).is_err());
    assert_eq!(ask(4, free * 3), Ok(0));
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
