//! Claims about the right to connect.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

const MARGIN: u64 = 2_000;

fn service(n: u32) -> ServiceId {
    format!("broker.a-{n}.0").parse().unwrap()
}

fn place() -> Place {
    (VenueId::new("sim").unwrap(), "127.0.0.1:1".to_string())
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
    connects.allow(&place(), allowed(1_000, 0));
    connects
}

const LATER: u64 = 10_000_000;

#[test]
fn no_more_is_granted_than_the_venue_allows_and_then_again() {
    let mut connects = old();
    let ask = |connects: &mut Connects, n, ms| {
        connects.ask(&service(n), &place(), allowed(4, 10_000), at(LATER + ms))
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
        let asked = connects.ask(&service(1), &place(), allowed(20, 60_000), at(LATER + ms));
        granted += u32::from(asked.is_ok());
    }
    assert_eq!(granted, 20 / CONNECT_SHARES);
    for n in 2..10 {
        let asked = connects.ask(&service(n), &place(), allowed(20, 60_000), at(LATER + 1_000));
        assert!(asked.is_ok(), "{n}: {asked:?}");
    }
}

#[test]
fn of_those_who_wait_the_first_to_come_is_the_first_to_go() {
    let mut connects = old();
    let mut ask = |n, ms| connects.ask(&service(n), &place(), allowed(1, 1_000), at(LATER + ms));
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
    let mut ask = |n, most| connects.ask(&service(n), &place(), allowed(most, 60_000), at(1_000));
    assert_eq!(ask(1, 10), Ok(4));
    assert_eq!(ask(2, 8), Ok(1), "six of eight are spent");
    assert_eq!(ask(3, 600), Ok(0));
    assert!(ask(4, 600).is_err());
}

proptest! {
    #[test]
    fn in_no_stretch_of_the_venues_time_there_are_more_than_it_allows(
        most in 1_u32..12,
        asks in prop::collection::vec((0_u32..6, 0_u64..900, 0_u64..MARGIN), 1..300),
    ) {
        let (mut connects, mut now, mut arrivals) = (old(), LATER, Vec::new());
        for (who, pause, dial) in asks {
            now += pause;
            if connects.ask(&service(who), &place(), allowed(most, 5_000), at(now)).is_ok() {
                arrivals.push(now + dial);
            }
        }
        arrivals.sort_unstable();
        for first in &arrivals {
            let seen = arrivals.iter().filter(|at| (*first..first + 5_000).contains(at)).count();
            prop_assert!(seen <= most as usize, "{seen} of {most} within 5 s from {first}");
        }
    }
}
