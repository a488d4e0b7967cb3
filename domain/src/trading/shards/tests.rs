//! Claims about how many shards there are, and which instrument goes where.
#![allow(clippy::unwrap_used)]

use super::*;
use alloc::{collections::BTreeMap, format, string::ToString as _};
use proptest::prelude::*;

const MARKS: Marks = Marks { most: 6, busy: Load(600) };
const STEP: Duration = Duration::from_millis(500);
/// Long enough to grow as far as there is to grow.
const LONG: u32 = 200;

fn instrument(n: u32) -> InstrumentId {
    InstrumentId::new(&format!("I{n}/USD")).unwrap()
}

fn among(count: u16) -> BTreeSet<u16> {
    (0..count).collect()
}

/// Instruments, each with its load; spread over as many shards as there are.
struct Market {
    loads: BTreeMap<InstrumentId, u32>,
    shards: Shards,
    /// What each of so many would tell.
    told: BTreeMap<u16, Vec<Option<Load>>>,
    now: Monotonic,
}

impl Market {
    fn new(loads: &[u32], count: u16) -> Self {
        let loads = (0..).zip(loads).map(|(n, load)| (instrument(n), *load)).collect();
        Self { loads, shards: Shards::new(count), told: BTreeMap::new(), now: Monotonic(0) }
    }

    fn told(&mut self) -> Vec<Option<Load>> {
        let count = self.shards.count();
        if let Some(told) = self.told.get(&count) {
            return told.clone();
        }
        let among = among(count);
        let of = |shard: &u16| {
            let its = self.loads.iter().filter(|(which, _)| shard_of(which, &among) == *shard);
            Some(Load(its.map(|(_, load)| *load).sum()))
        };
        let told: Vec<_> = among.iter().map(of).collect();
        self.told.insert(count, told.clone());
        told
    }

    fn takes(&mut self, each: u32) {
        self.loads.values_mut().for_each(|load| *load = each);
        self.told.clear();
    }

    /// What the number was, and has become.
    fn step(&mut self) -> (u16, u16) {
        self.now = self.now + STEP;
        let before = self.shards.count();
        let told = self.told();
        let changed = self.shards.look(self.now, &told, MARKS);
        assert_eq!(changed, before != self.shards.count());
        (before, self.shards.count())
    }
}

proptest! {
    #[test]
    fn under_a_load_that_stays_the_number_goes_one_way_by_ones_and_stays_within_its_bounds(
        loads in proptest::collection::vec(0_u32..700, 0..24),
        count in 1_u16..=8,
    ) {
        let mut market = Market::new(&loads, count);
        let (mut ups, mut downs, mut last) = (0, 0, None);
        for _ in 0..LONG {
            let (before, after) = market.step();
            prop_assert!(before.abs_diff(after) <= 1);
            if before == after {
                continue;
            }
            // Only what may not be is taken away and had once more.
            let forced = before > MARKS.most;
            ups += u32::from(after > before);
            downs += u32::from(after < before && !forced);
            if let Some(last) = last.replace(market.now) {
                prop_assert!(market.now.since(last) >= SHARD_REST);
            }
        }
        prop_assert!(ups == 0 || downs == 0, "{ups} more, {downs} less");
        prop_assert!((1..=MARKS.most).contains(&market.shards.count()));
    }

    #[test]
    fn it_comes_to_rest(loads in proptest::collection::vec(0_u32..700, 0..24)) {
        let mut market = Market::new(&loads, 1);
        for _ in 0..LONG {
            market.step();
        }
        let (before, after) = market.step();
        prop_assert_eq!(before, after);
        let busiest = market.told().into_iter().flatten().max().unwrap_or_default();
        prop_assert!(busiest < MARKS.busy || after == MARKS.most);
    }

    #[test]
    fn a_load_that_comes_and_goes_faster_than_it_is_waited_for_changes_nothing(high in 600_u32..5_000) {
        let mut shards = Shards::new(1);
        let mut now = Monotonic(0);
        for n in 0_u32..400 {
            now = now + STEP;
            // Never busy for as long as a change takes.
            let load = if n % 5 == 0 { 0 } else { high };
            let changed = shards.look(now, &[Some(Load(load))], MARKS);
            prop_assert!(!changed);
        }
    }

    #[test]
    fn one_more_or_one_less_moves_only_its_own(count in 1_u16..12, gone in 0_u16..12, of in 0_u32..1_000_000) {
        let which = instrument(of);
        let before = among(count);
        let home = shard_of(&which, &before);
        prop_assert!(before.contains(&home));
        let mut more = before.clone();
        more.insert(count);
        let then = shard_of(&which, &more);
        prop_assert!(then == home || then == count);
        let mut fewer = before;
        if fewer.len() > 1 && fewer.remove(&gone) && gone != home {
            prop_assert_eq!(shard_of(&which, &fewer), home);
        }
    }

    #[test]
    fn a_shard_serves_once_it_is_live_and_until_it_is_given_up(
        count in 1_u16..6,
        before in proptest::collection::btree_set(0_u16..8, 0..6),
        stands in proptest::collection::vec(0_u8..3, 8),
    ) {
        let standing = |shard: u16| match stands[usize::from(shard)] {
            0 => Standing::Live,
            1 => Standing::Starting,
            _ => Standing::Away,
        };
        let serving = serving(&before, count, standing);
        prop_assert!(serving.contains(&0));
        for shard in 1..8 {
            let due = shard < count && match standing(shard) {
                Standing::Live => true,
                Standing::Starting => before.contains(&shard),
                Standing::Away => false,
            };
            prop_assert_eq!(serving.contains(&shard), due);
        }
    }
}

#[test]
fn instruments_are_spread_evenly_enough() {
    let among = among(4);
    let mut has = BTreeMap::<u16, u32>::new();
    for n in 0..4_000 {
        *has.entry(shard_of(&instrument(n), &among)).or_default() += 1;
    }
    assert!(has.len() == 4 && has.values().all(|has| (850..1_150).contains(has)), "{has:?}");
    assert_eq!(shard_of(&instrument(1), &BTreeSet::new()), 0, "there is none");
}

#[test]
fn it_grows_when_it_is_busy_and_shrinks_when_one_would_do_with_room_to_spare() {
    // given
    let mut market = Market::new(&[100; 10], 1);
    let mut steps = Vec::new();
    let run = |market: &mut Market, steps: &mut Vec<(u64, u16)>| {
        for _ in 0..200 {
            let (before, after) = market.step();
            if before != after {
                steps.push((market.now.0 / 1_000_000_000, after));
            }
        }
    };
    // when
    run(&mut market, &mut steps);
    assert!(market.shards.count() >= 2, "{steps:?}");
    let grown = market.shards.count();
    assert_eq!(steps.first().unwrap().0, SHARD_BUSY_FOR.as_secs(), "{steps:?}");
    // then: half of it is no reason to have fewer, next to nothing is
    market.takes(60);
    steps.clear();
    run(&mut market, &mut steps);
    assert_eq!((market.shards.count(), steps.len()), (grown, 0));
    market.takes(2);
    run(&mut market, &mut steps);
    assert_eq!(market.shards.count(), 1);
    assert_eq!(steps.len(), usize::from(grown - 1), "{steps:?}");
}

#[test]
fn what_is_not_told_decides_nothing_and_what_may_not_be_goes_without_load() {
    let mut shards = Shards::new(2);
    let at = |seconds: u64| Monotonic(seconds * 1_000_000_000);
    for told in [&[Some(Load(5_000)), None][..], &[]] {
        let mut shards = Shards::new(2);
        for second in 0..600 {
            assert!(!shards.look(at(second), told, MARKS), "{told:?} {second}");
        }
    }
    // Emptied: one is left.
    let emptied = Marks { most: 1, ..MARKS };
    assert!(shards.look(at(600), &[Some(Load(5_000)), None], emptied));
    assert_eq!(shards.count(), 1);
    let none = Marks { most: 0, ..MARKS };
    assert!(!shards.look(at(700), &[Some(Load(0))], none), "shard 0 stays");
}

#[test]
fn a_load_is_what_was_taken_of_a_core() {
    let second = Duration::from_secs(1);
    assert_eq!(Load::of(second * 3, second * 2), Load(1_500));
    assert_eq!(Load::of(Duration::ZERO, Duration::ZERO), Load(0));
    assert_eq!(serde_json::to_string(&Load(7)).unwrap().to_string(), "7");
}
