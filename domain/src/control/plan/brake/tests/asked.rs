//! Claims about whom the other members are asked about.

use super::*;

#[test]
fn more_managers_than_a_member_looks_for_are_asked_about_in_turns_and_each_twice_in_a_row() {
    // given: one more than two members' worth
    let count = limits::PROBES_A_MEMBER * 2 + 1;
    let manager = |n: usize| format!("n{n}.broker-manager").parse().unwrap();
    let all: BTreeSet<ManagerId> = (0..count).map(manager).collect();
    let brake = Brake { held: [(node(0), all.clone())].into(), ..Brake::default() };
    // when
    let rounds: Vec<BTreeSet<ManagerId>> =
        (0..9).map(|question| brake.asked(question).into_iter().cloned().collect()).collect();
    // then
    assert!(rounds.iter().all(|asked| asked.len() <= limits::PROBES_A_MEMBER));
    let twice = |manager: &ManagerId| {
        rounds.windows(2).any(|two| two.iter().all(|asked| asked.contains(manager)))
    };
    assert!(all.iter().all(twice), "each is asked about in two questions in a row");
    let few = Brake { held: [(node(0), [manager(1)].into())].into(), ..Brake::default() };
    assert!((0..9).all(|question| few.asked(question) == [&manager(1)]));
}
