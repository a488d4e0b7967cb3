//! Claims about presence, and a world in which sessions come and go, words of them are late, and the Broker stops.

use super::*;
use crate::ids::AccountId;
use alloc::{format, vec};
use proptest::prelude::*;

const STEP: Duration = Duration::from_millis(500);

fn session(n: u8) -> SessionKey {
    let customer = CustomerId::new("acme").expect("legal");
    SessionKey { customer, session: SessionId::new(&format!("s-{n}")).expect("legal") }
}

fn order(n: usize) -> VenueOrderId {
    let (account, customer) =
        (AccountId::new("sim-1").expect("legal"), CustomerId::new("acme").expect("legal"));
    VenueOrderId::of(&account, &customer, &format!("o-{n}").parse().expect("legal"))
}

fn at(ms: u64) -> Monotonic {
    Monotonic(ms * 1_000_000)
}

/// One order of one session that may be away for five seconds.
fn marked() -> Marks {
    let mut marks = Marks::default();
    marks.mark(session(1), order(1), AWAY_MIN);
    marks
}

/// Looks four times a second from one moment to another; when the first order was due.
fn looked(presence: &mut Presence, marks: &Marks, from: u64, to: u64) -> Option<u64> {
    (from..=to).step_by(250).find(|ms| !presence.look(marks, at(*ms)).is_empty())
}

#[test]
fn an_order_is_due_when_its_session_was_not_heard_for_its_time_and_what_words_may_be_late() {
    let mut presence = Presence::begins(at(0), STEP);
    presence.heard(&session(1), Duration::ZERO, at(0));
    assert_eq!(looked(&mut presence, &marked(), 0, 3_000), None);
    presence.heard(&session(1), Duration::from_millis(500), at(3_000));
    assert_eq!(looked(&mut presence, &marked(), 3_250, 20_000), Some(9_500));
}

#[test]
fn a_new_life_of_the_broker_gives_all_their_full_time_and_another_session_s_word_counts_for_none() {
    let mut presence = Presence::begins(at(90_000), STEP);
    presence.heard(&session(2), Duration::ZERO, at(95_000));
    assert_eq!(looked(&mut presence, &marked(), 90_000, 120_000), Some(97_000));
}

#[test]
fn an_older_word_that_comes_later_takes_nothing_back() {
    let mut presence = Presence::begins(at(0), STEP);
    assert_eq!(looked(&mut presence, &marked(), 0, 4_000), None);
    presence.heard(&session(1), Duration::ZERO, at(4_000));
    presence.heard(&session(1), Duration::from_secs(3), at(4_000));
    assert_eq!(looked(&mut presence, &marked(), 4_000, 20_000), Some(11_000));
}

#[test]
fn a_broker_that_stood_still_hears_what_it_was_told_before_it_judges() {
    let mut presence = Presence::begins(at(0), STEP);
    assert_eq!(looked(&mut presence, &marked(), 0, 1_000), None);
    assert_eq!(presence.look(&marked(), at(60_000)), vec![], "a minute of which it saw nothing");
    assert_eq!(looked(&mut presence, &marked(), 60_250, 80_000), Some(65_500));
}

#[test]
fn an_order_that_has_ended_is_not_due_and_its_session_is_forgotten() {
    let mut marks = marked();
    let mut presence = Presence::begins(at(0), STEP);
    presence.heard(&session(1), Duration::ZERO, at(0));
    marks.unmark(&session(1), &order(1));
    assert!(!marks.has(&session(1)));
    assert_eq!(looked(&mut presence, &marks, 0, 30_000), None);
    assert!(presence.heard.is_empty());
}

#[test]
fn one_whose_order_is_opened_again_has_its_full_time_anew() {
    let mut presence = Presence::begins(at(0), STEP);
    let mut marks = marked();
    marks.unmark(&session(1), &order(1));
    assert_eq!(looked(&mut presence, &marks, 0, 60_000), None);
    assert_eq!(looked(&mut presence, &marked(), 60_250, 80_000), Some(67_000));
}

#[derive(Clone, Debug)]
enum Step {
    /// Time passes, and the Broker looks.
    Looks(u64),
    /// Time passes and it does not: it is stopped, or its disk is slow.
    Stands(u64),
    /// A session submits an order that puts up with so many milliseconds.
    Submits(u8, u64),
    /// A session is there; so much later that is told, with its age, and the word is so long under way.
    There(u8, u64, u64),
    /// Of the orders one ends.
    Ends(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let half = u64::try_from(PRESENCE_LATE.as_millis()).expect("small") / 2;
    let step = prop_oneof![
        6 => (1..600_u64).prop_map(Step::Looks),
        1 => (1..20_000_u64).prop_map(Step::Stands),
        1 => (0..3_u8, 5_000..20_000_u64).prop_map(|(who, after)| Step::Submits(who, after)),
        3 => (0..3_u8, 0..=half, 0..=half).prop_map(|(who, age, under_way)| Step::There(who, age, under_way)),
        1 => (0..8_usize).prop_map(Step::Ends),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    /// PR1: whatever comes, no order is due whose session was never away for its time. PR3: and once nothing more is
    /// heard, all that still stand are.
    #[test]
    fn no_order_is_due_before_its_time_and_all_are_in_the_end(steps in steps()) {
        let (mut now, mut marks, mut orders) = (0, Marks::default(), Vec::new());
        let mut presence = Presence::begins(at(now), STEP);
        // When each session was there, in truth.
        let mut there = [const { Vec::<u64>::new() }; 3];
        let mut words: Vec<(u64, u8, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Looks(ms) | Step::Stands(ms) => now += ms,
                Step::Submits(who, after) => {
                    let id = order(orders.len());
                    orders.push((id, who, after, now));
                    marks.mark(session(who), id, Duration::from_millis(after));
                    there[usize::from(who)].push(now);
                    presence.heard(&session(who), Duration::ZERO, at(now));
                }
                Step::There(who, age, under_way) => {
                    there[usize::from(who)].push(now);
                    words.push((now + age + under_way, who, age));
                }
                Step::Ends(n) => if let Some((id, who, ..)) = orders.get(n) {
                    marks.unmark(&session(*who), id);
                }
            }
            if let Step::Looks(_) = step {
                // What has come by now is heard before it looks, as late as it was under way.
                words.retain(|(comes, who, age)| {
                    let has_come = *comes <= now;
                    if has_come {
                        let before = Duration::from_millis(*age);
                        presence.heard(&session(*who), before, at(now));
                    }
                    !has_come
                });
                for id in presence.look(&marks, at(now)) {
                    let found = orders.iter().find(|(other, ..)| *other == id);
                    let (_, who, after, since) = found.expect("known");
                    let was = there[usize::from(*who)].iter().filter(|was| *was >= since);
                    let mut was: Vec<u64> = was.copied().collect();
                    was.push(now);
                    let away = was.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(0);
                    prop_assert!(away >= *after, "{id} of {who}: away for {away} of {after}");
                }
            }
        }
        let mut due = Vec::new();
        for _ in 0..100 {
            now += 250;
            due = presence.look(&marks, at(now));
        }
        let standing = orders.iter().filter(|(id, who, ..)| {
            marks.0.get(&session(*who)).is_some_and(|orders| orders.contains_key(id))
        });
        prop_assert_eq!(due.len(), standing.count());
    }
}
