//! Every planted bug is caught: a checker that has never failed has proven nothing.
#![allow(clippy::unwrap_used)]

use simulation::{LogBug, Plan, Planted, judged};
use std::path::Path;

/// Seeds a bug may take; most are caught by the first few.
const SEEDS: u64 = 300;

/// The page that has all of them in a table.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/testing.md");

/// `by`: what a violation says that is about it, one of several.
fn caught(planted: Planted, by: &[&str]) {
    let program = Path::new(env!("CARGO_BIN_EXE_simulation"));
    for seed in 1..=SEEDS {
        let plan = Plan { seed, planted: Some(planted), scene: planted.scene(), told: false };
        let found = judged(program, plan).unwrap().violations;
        let about = |what: &&String| by.iter().any(|by| what.contains(by));
        if let Some(first) = found.iter().find(about) {
            println!("{}: caught by seed {seed}: {first}", planted.name());
            return;
        }
    }
    panic!("{} was not caught within {SEEDS} seeds by {by:?}", planted.name());
}

fn is_in_the_table(level: &str, name: &str, by: &str) {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let row = format!("| {level} | {name} | {by} |");
    assert!(page.contains(&row), "docs/testing.md has no row that begins with `{row}`");
}

#[test]
fn the_table_in_the_documentation_has_every_bug_that_is_planted_in_a_log() {
    for bug in LogBug::ALL {
        is_in_the_table("logs", bug.name(), bug.sentence().trim_end_matches(": "));
    }
}

macro_rules! each_is_caught {
    ($($name:ident: $planted:ident by [$($by:literal),*],)*) => {
        $(#[test]
        fn $name() {
            caught(Planted::$planted, &[$($by),*]);
        })*

        #[test]
        fn the_table_in_the_documentation_has_every_other_planted_bug() {
            $(is_in_the_table(
                Planted::$planted.scene().level(),
                Planted::$planted.name(),
                &[$($by),*].join(", "),
            );)*
        }

        #[test]
        fn no_planted_bug_is_without_a_test() {
            let tested = [$(Planted::$planted),*];
            assert_eq!(tested.len(), Planted::ALL.len());
            assert!(Planted::ALL.iter().all(|planted| tested.contains(planted)));
        }
    };
}

each_is_caught! {
    a_disk_that_syncs_nothing: NoSync by ["S1"],
    an_append_acknowledged_before_it_is_durable: JournalNotSynced by ["S1"],
    directories_never_synced: NamesNotSynced by ["S1"],
    a_commit_without_a_majority: AckForged by ["panicked at", "R1", "log matching"],
    a_vote_not_persisted: VoteNotStored by ["S1"],
    replay_beyond_committed: ReplayBeyondCommitted by ["panicked at", "log matching"],
    a_purge_above_what_is_durable: RowsNotFlushed by ["S1"],
    half_an_installed_snapshot: RowsUnordered by ["another state"],
    no_table_of_answers_after_a_restart: AnswersForgotten by ["another state"],
    an_old_snapshot_over_newer_state: OldSnapshot by ["another state"],
    a_retry_applied_twice: RetryUnderNewKey by ["R1"],
    a_read_that_no_majority_confirmed: ConsentForged by ["R1"],
    a_read_from_a_deposed_leader: StaleLeaderRead by ["R1"],
    a_read_from_a_follower: StaleFollowerRead by ["R1"],
    a_lease_relied_on_for_too_long: LeaseTooLong by ["R1"],
    a_read_of_what_was_applied_before: AppliedBefore by ["R1"],
    a_watch_that_skips: WatchSkips by ["W1"],
    a_watch_that_repeats: WatchRepeats by ["W1"],
    a_wiped_node_under_its_old_id: WipedUnderOldId by ["panicked at", "R1"],
    an_epoch_used_twice: EpochTwice by ["R2"],
    a_member_promoted_before_it_has_caught_up: PromotedEarly by ["M5"],
    a_removal_told_as_done_while_the_member_votes: ForgottenEarly by ["M6"],
    a_member_removed_while_anothers_disk_is_lost: TwoAtOnce by ["no progress"],
    a_drain_forgotten_at_a_leader_change: DrainForgotten by ["no progress"],
    an_expiry_by_a_stalled_leader: StalledLeaderExpires by ["a false down", "L1"],
    a_brake_that_is_not_heeded: BrakeIgnored by ["B1"],
    a_leader_that_plans_by_its_own_clock: PlansByOwnClock by ["P1"],
    two_holders: TwoHolders by ["L1"],
    a_lease_answered_without_confirmed_leadership: LeaseUnconfirmed by ["L1"],
    a_beat_answered_while_its_manager_is_taken_for_down: AnsweredWhileExpiring by ["L1"],
    a_cordon_confirmed_while_something_is_under_way: CordonConfirmedEarly by ["D1"],
    a_manager_that_does_not_tell_what_it_holds: HeldUntold by ["D2"],
    a_manager_that_takes_a_pipe_for_a_registration: PipeIsEnough by ["a false down"],
    a_door_left_open_behind_a_cordon: DoorLeftOpen by ["D1"],
    a_customers_home_read_at_a_member_that_lags: HomeStale by ["A1"],
    a_resource_that_takes_a_lower_right: FenceIgnored by ["T1"],
    a_refused_dial_taken_for_a_death: RefusalIsDeath by ["a false down"],
    a_member_that_says_it_has_missed_whom_it_has_not_looked_for: MissedUnasked by ["B2"],
    a_manager_that_starts_what_it_had_before_it_has_asked: StartsUnasked by ["a return"],
    a_manager_on_another_disk_that_says_it_has_the_old_one: OtherDiskUntold by ["M3"],
    a_broker_that_goes_on_without_the_copy_that_has_joined: GoesOnAlone by ["CP"],
    an_implementation_asked_for_twice: AsksTwice by ["SC"],
    a_death_forgotten_at_a_leader_change: DeathForgotten by ["no progress"],
    a_leader_that_evens_out_unasked: EvensOut by ["is to be at"],
    a_request_forgotten_at_a_leader_change: RequestForgotten by ["no progress"],
    what_was_handed_back_forgotten_at_a_leader_change: HandedBackForgotten by ["is to be at"],
    routes_taken_for_told_at_a_leader_change: RoutesForgotten by ["was told"],
    a_rebalance_forgotten_at_a_leader_change: RebalanceForgotten by ["the rebalance of"],
    a_succession_forgotten_at_a_leader_change: SuccessionForgotten by ["no progress"],
}
