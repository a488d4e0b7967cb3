//! The brake in any history of cuts.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn in_any_history_the_brake_lets_one_node_go_in_its_time_and_only_on_others_evidence(
        count in 2u32..8,
        steps in proptest::collection::vec((0u32..8, any::<bool>(), any::<bool>(), 0u64..1_500), 1..40),
    ) {
        let mut machine = nodes(count);
        let mut observed = heard(&machine, &vec![WELL; count as usize]);
        let mut now = NOW;
        let mut cut = BTreeSet::new();
        let mut let_go: BTreeMap<Node, (Monotonic, bool)> = BTreeMap::new();
        for (which, cuts, others_too, wait) in steps {
            // given: nodes are cut off or not, time passes, those that are not beat
            now = now + Duration::from_millis(wait);
            let n = which % count;
            if cuts { cut.insert(n); } else { cut.remove(&n); }
            for row in machine.managers() {
                let of: u32 = Node::of(row).host.rsplit_once('.').unwrap().1.parse().unwrap();
                if !cut.contains(&of) {
                    observed.managers.get_mut(&row.manager).unwrap().last_proof = now;
                }
            }
            for of in 0..count {
                let missed: &[u64] = if others_too { &[2, 3] } else { &[] };
                found(&mut observed, &machine, of, if others_too { &[] } else { &[2] }, missed);
            }
            observed.probes.values_mut().for_each(|probe| probe.at = now);
            // when
            let judged = judge(&machine, &observed, now);
            observed.braked.clone_from(&judged.brake.locations);
            // then
            let on = !judged.brake.locations.is_empty();
            let gone = expired(&judged, &machine);
            if on {
                prop_assert!(gone.len() <= 1);
                for node in &gone {
                    prop_assert!(others_too, "without evidence");
                    let last = let_go.values().filter(|(_, braked)| *braked);
                    prop_assert!(last.into_iter().all(|(at, _)| now.since(*at) >= limits::BRAKE_EVERY), "{node:?}");
                }
            } else {
                prop_assert!(judged.brake.held.is_empty());
                prop_assert!(gone.len() <= 1 || gone.len() * 3 < count as usize + let_go.len());
            }
            for node in gone {
                let_go.insert(node.clone(), (now, on));
                observed.lapsed.insert(node.clone(), Lapse { at: now, braked: on });
                let n = node.host.rsplit_once('.').unwrap().1.parse().unwrap();
                machine = without(&machine, n);
            }
        }
    }

    /// B1 at one moment, whoever is new to the leader.
    #[test]
    fn none_that_another_member_reaches_goes_for_its_silence_while_another_node_is_silent(
        each in proptest::collection::vec((0u64..4_000, any::<bool>(), 0u8..3), 2..8),
    ) {
        // given: nodes that were heard so long ago, newcomers or not, that others reach, miss, or were not asked about
        let machine = nodes(each.len() as u32);
        let ages: Vec<_> = each.iter().map(|(age, _, _)| Duration::from_millis(*age)).collect();
        let mut observed = heard(&machine, &ages);
        for (n, (_, new, others)) in each.iter().enumerate() {
            let n = n as u32;
            match others {
                0 => found(&mut observed, &machine, n, &[2], &[]),
                1 => found(&mut observed, &machine, n, &[], &[2, 3]),
                _ => {}
            }
            let here = machine.managers().filter(|row| *new && Node::of(row) == node(n));
            observed.newcomers.extend(here.map(|row| row.manager.clone()));
        }
        // when
        let judged = judge(&machine, &observed, NOW);
        // then
        let lapses = |(age, new, others): &(u64, bool, u8)| {
            let after = if *new { limits::DIAL_WITHIN } else { limits::SUSPECT_AFTER };
            Duration::from_millis(*age) >= after && !(*new && *others == 1)
        };
        let lapsing = each.iter().filter(|one| lapses(one)).count();
        let gone = expired(&judged, &machine);
        for (n, (_, _, others)) in each.iter().enumerate() {
            if lapsing > 1 && lapsing * 3 >= each.len() && gone.contains(&node(n as u32)) {
                prop_assert!(*others == 1, "{n} goes without evidence of others");
            }
        }
        // and whoever is new and not reached in time is asked about
        for (n, (age, new, _)) in each.iter().enumerate() {
            let asked = |row: &ManagerRow| judged.brake.doubted.contains(&row.manager);
            let late = *new && Duration::from_millis(*age) >= limits::DIAL_WITHIN;
            let mut here = machine.managers().filter(|row| Node::of(row) == node(n as u32));
            prop_assert!(here.all(|row| asked(row) == late));
        }
    }
}
