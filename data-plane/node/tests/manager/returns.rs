//! Claims about a Manager that comes back: what it starts before a leader has said a word, and what becomes of one whose
//! name another has.

use crate::world::{World, alive, eventually, kill};
use std::time::{Duration, Instant};
use tradewind_domain::limits::BEAT_EVERY;
use tradewind_node::limits::START_UNASKED_AFTER;
use tradewind_protocol::{Code, supervision::ServiceReport};

/// A Manager whose machine has died with all it ran, and that is not started again yet.
async fn died() -> World {
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await.pid.unwrap();
    world.crash().await;
    kill(good);
    eventually("it is gone", || !alive(good)).await;
    world
}

fn runs(report: Option<ServiceReport>) -> bool {
    // What is told before it was looked for is the process of the life before.
    report.is_some_and(|report| report.pid.is_some_and(alive))
}

#[tokio::test]
async fn what_ended_while_its_manager_was_away_is_not_started_before_a_leader_has_said_what_should_run()
 {
    // given: a leader that takes it in and has not told it anything
    let mut world = died().await;
    world.begin_cluster().await;
    // when
    world.start_again().await;
    world.until_status("lease_holds", true).await;
    // then
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!runs(world.report("good")), "it may have been given to another");
    world.want(&["other"]);
    world.until_live("other").await;
    world.until("what was given away is gone", |world| world.report("good").is_none()).await;
    world.stop().await;
}

#[tokio::test]
async fn when_no_leader_answers_for_the_time_what_was_there_is_started() {
    // given: members that have no leader
    let mut world = died().await;
    world.begin_cluster().await;
    world.leader.elect(true);
    // when
    let began = Instant::now();
    world.start_again().await;
    // then
    world.until("it is started", |world| runs(world.report("good"))).await;
    assert!(began.elapsed() >= START_UNASKED_AFTER, "{:?}", began.elapsed());
    world.stop().await;
}

#[tokio::test]
async fn one_that_another_life_has_taken_the_place_of_stops_what_it_runs() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await.pid.unwrap();
    world.begin_cluster().await;
    // when: it checks in at the next leader
    world.leader.refuse(Code::Superseded);
    world.crash().await;
    world.start_again().await;
    // then
    world.put_out().await;
    assert!(!alive(good));
}

#[tokio::test]
async fn one_whose_name_belongs_to_another_disk_stops_what_it_ran_before_and_waits() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    let good = world.until_live("good").await.pid.unwrap();
    world.crash().await;
    world.begin_cluster().await;
    world.leader.refuse(Code::OtherDisk);
    // when
    world.start_again().await;
    // then
    eventually("it is gone", || !alive(good)).await;
    world.until("and not known any more", |world| world.report("good").is_none()).await;
    assert!(!world.state_dir().join("desired.json").exists(), "nor does a later life start it");
    world.stop().await;
}

#[tokio::test]
async fn who_is_told_what_to_run_beats_at_once_so_that_a_leader_whose_reign_is_short_can_answer() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    let beats = |world: &World| world.leader.full_beats() + world.leader.still_beats();
    let mut waited = Vec::new();
    for n in 0..11 {
        // when
        let before = beats(&world);
        let told = Instant::now();
        world.want(if n % 2 == 0 { &["good", "other"] } else { &["good"] });
        world.until("a beat", |world| beats(world) > before).await;
        waited.push(told.elapsed());
    }
    // then: by their own time half of them would come later
    waited.sort();
    assert!(waited[5] < BEAT_EVERY / 3, "{waited:?}");
    world.stop().await;
}

#[tokio::test]
async fn what_a_leader_has_not_answered_is_told_again_with_each_beat_until_it_has() {
    // given
    let mut world = World::start().await;
    world.want(&["good"]);
    world.until_live("good").await;
    // when: something changes, and the beat that tells it may have been left out
    world.leader.answer_beats(false);
    world.want(&[]);
    world.until("it is gone", |world| world.report("good").is_none()).await;
    // then
    let before = world.leader.full_beats();
    world.until("it is told again", |world| world.leader.full_beats() > before + 3).await;
    world.leader.answer_beats(true);
    let before = world.leader.still_beats();
    world.until("then no more", |world| world.leader.still_beats() > before + 3).await;
    world.stop().await;
}
