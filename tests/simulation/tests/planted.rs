//! Every planted bug is caught: a checker that has never failed has proven nothing.
#![allow(clippy::unwrap_used)]

use simulation::{Plan, Planted, judged};
use std::path::Path;

/// Seeds a bug may take; most are caught by the first few.
const SEEDS: u64 = 120;

fn caught(planted: Planted, by: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_simulation"));
    for seed in 1..=SEEDS {
        let report = judged(
            program,
            Plan { seed, planted: Some(planted), scene: planted.scene(), told: false },
        )
        .unwrap();
        if let Some(first) = report.violations.first() {
            println!("{}: caught by seed {seed}: {first}", planted.name());
            return;
        }
    }
    panic!("{} was not caught within {SEEDS} seeds ({by})", planted.name());
}

macro_rules! each_is_caught {
    ($($name:ident: $planted:ident by $by:literal,)*) => {
        $(#[test]
        fn $name() {
            caught(Planted::$planted, $by);
        })*

        #[test]
        fn no_planted_bug_is_without_a_test() {
            let tested = [$(Planted::$planted),*];
            assert_eq!(tested.len(), Planted::ALL.len());
            assert!(Planted::ALL.iter().all(|planted| tested.contains(planted)));
        }
    };
}

each_is_caught! {
    a_disk_that_syncs_nothing: NoSync by "S1",
    an_append_acknowledged_before_it_is_durable: JournalNotSynced by "S1, log matching",
    directories_never_synced: NamesNotSynced by "S1",
    a_commit_without_a_majority: AckForged by "R1, log matching",
    a_vote_not_persisted: VoteNotStored by "S1",
    replay_beyond_committed: ReplayBeyondCommitted by "log matching",
    a_purge_above_what_is_durable: RowsNotFlushed by "S1",
    half_an_installed_snapshot: RowsUnordered by "equal states",
    no_table_of_answers_after_a_restart: AnswersForgotten by "equal states",
    an_old_snapshot_over_newer_state: OldSnapshot by "equal states",
    a_retry_applied_twice: RetryUnderNewKey by "R1",
    a_read_that_no_majority_confirmed: ConsentForged by "R1",
    a_read_from_a_deposed_leader: StaleLeaderRead by "R1",
    a_read_from_a_follower: StaleFollowerRead by "R1",
    a_lease_relied_on_for_too_long: LeaseTooLong by "R1",
    a_read_of_what_was_applied_before: AppliedBefore by "R1",
    a_watch_that_skips: WatchSkips by "W1",
    a_watch_that_repeats: WatchRepeats by "W1",
    a_wiped_node_under_its_old_id: WipedUnderOldId by "R1, openraft's own assertions",
    an_epoch_used_twice: EpochTwice by "R2",
    a_member_promoted_before_it_has_caught_up: PromotedEarly by "M5",
    a_removal_told_as_done_while_the_member_votes: ForgottenEarly by "M6",
    a_member_removed_while_anothers_disk_is_lost: TwoAtOnce by "progress",
    a_drain_forgotten_at_a_leader_change: DrainForgotten by "drains go on",
    an_expiry_by_a_stalled_leader: StalledLeaderExpires by "no false down",
    a_brake_that_is_not_heeded: BrakeIgnored by "B1",
    a_leader_that_plans_by_its_own_clock: PlansByOwnClock by "P1",
    two_holders: TwoHolders by "L1",
    a_lease_answered_without_confirmed_leadership: LeaseUnconfirmed by "L1",
    a_cordon_confirmed_while_something_is_under_way: CordonConfirmedEarly by "D1",
    a_manager_that_does_not_tell_what_it_holds: HeldUntold by "D2",
    a_manager_that_takes_a_pipe_for_a_registration: PipeIsEnough by "no false down",
    a_door_left_open_behind_a_cordon: DoorLeftOpen by "D1",
    a_customers_home_read_at_a_member_that_lags: HomeStale by "A1",
    a_resource_that_takes_a_lower_right: FenceIgnored by "T1",
}
