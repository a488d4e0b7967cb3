//! Claims about scaling under any constant load, any changing one, and over any log.

use super::{
    super::*,
    town::{CAPACITY, Step, Town, any_scale_command, spec},
};
use crate::{
    control::{
        Command, Machine,
        machine::{
            tests::any_command,
            world::{SECOND, World, name},
        },
        resource::{Condition, Declaration, ResourceCommand},
    },
    limits,
};
use alloc::vec::Vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn under_a_constant_load_none_comes_and_goes(
        customers in 0_usize..40,
        sessions in 0_u64..40,
        out_percent in 1_u8..=100,
        in_part in 0_u8..100,
        (least, more) in (0_u32..4, 1_u32..4),
        cool_down_seconds in 1_u32..20,
    ) {
        let in_percent = u8::try_from(u32::from(out_percent) * u32::from(in_part) / 100).unwrap();
        let most = least + more;
        let mut town = Town::new(ScaleSpec {
            cool_down_seconds,
            ..spec(out_percent, in_percent, least, most)
        });
        town.customers(customers);
        town.sessions = sessions;
        for _ in 0..200 {
            town.second();
            prop_assert!(town.implementations() <= most.max(1) as usize, "{:?}", town.told);
        }
        prop_assert_eq!(town.count(Step::Retired), 0, "{:?}", town.told);
        prop_assert_eq!(town.count(Step::Failed), 0);
        let asked: Vec<u64> = town.told.iter().filter(|(_, s)| *s == Step::Asked).map(|(at, _)| *at).collect();
        let paused = asked.windows(2).all(|pair| pair[1] - pair[0] >= u64::from(cool_down_seconds));
        prop_assert!(paused, "{:?}", asked);
        // No more than were needed: one less would have been full, or too few.
        let full = |implementations: usize| {
            let takes = implementations as u64 * u64::from(CAPACITY) * u64::from(out_percent);
            let used = (customers as u64).max(sessions);
            (used > 0 && used * 100 >= takes) || implementations < least as usize
        };
        prop_assert!(asked.is_empty() || full(town.implementations() - 1), "{:?}", town.told);
        // And as many as were needed, as far as is allowed.
        prop_assert!(!full(town.implementations()) || town.implementations() == most as usize);
    }

    #[test]
    fn whatever_the_load_does_the_counts_and_the_pauses_are_kept(
        loads in prop::collection::vec((0_usize..40, 0_u64..40), 1..12),
        (least, more) in (0_u32..3, 1_u32..4),
        lost in 0_usize..12,
    ) {
        let most = least + more;
        let mut town = Town::new(spec(70, 40, least, most));
        for (turn, (customers, sessions)) in loads.into_iter().enumerate() {
            town.customers(customers);
            town.sessions = sessions;
            if turn == lost {
                town.leader += 1;
            }
            for _ in 0..40 {
                let before = town.world.machine.serving_at(&name("here")).len();
                town.second();
                let after = town.world.machine.serving_at(&name("here")).len();
                prop_assert!(after >= before || after >= least as usize, "{:?}", town.told);
                prop_assert!(town.implementations() <= most as usize, "{:?}", town.told);
            }
        }
        let changes = town.told.iter().filter(|(_, step)| matches!(step, Step::Asked | Step::Retired));
        let changes: Vec<u64> = changes.map(|(at, _)| *at).collect();
        prop_assert!(changes.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{:?}", town.told);
        let homes = town.world.machine.customers().filter(|row| row.affinity.is_some()).count();
        // Nobody who would find room is left without a place.
        prop_assert!(homes >= town.world.machine.customers().count().min((least as usize) * CAPACITY as usize));
    }

    #[test]
    fn any_log_with_scaling_in_it_keeps_the_invariants_and_its_rows_are_the_machine(
        commands in prop::collection::vec(prop_oneof![any_command(), any_scale_command()], 1..60),
    ) {
        let mut world = World::new();
        for location in ["here", "there"] {
            let what = Declaration::Scale { location: name(location), spec: spec(80, 30, 0, 9) };
            let on = Condition::Always;
            world.accept(Command::Resource(ResourceCommand::Put { what, on }));
        }
        for command in commands {
            world.at += SECOND;
            world.apply(command);
        }
        let loaded = Machine::from_rows(world.machine.rows());
        prop_assert_eq!(loaded.state_hash(), world.machine.state_hash());
        let short = |row: &ProvisionRow| {
            row.failure.as_ref().is_none_or(|why| why.len() <= limits::WHY_BYTES)
        };
        prop_assert!(world.machine.provisions().all(short));
    }
}
