//! Agreeing: elections, proposals, reads, handing over.
#![allow(clippy::unwrap_used)]

use super::world::{World, eventually, is_stopped, put, rows, value};
use crate::{
    InitializeError, PROPOSAL_BYTES_MAX, ProposeError, ReadError, Role, Timing, TransferError,
};
use openraft::async_runtime::watch::WatchReceiver as _;
use std::time::{Duration, Instant};
use tradewind_domain::{
    control::{Command, Outcome, Refusal},
    ids::NodeId,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_elect_commit_and_apply_the_same() {
    let world = World::serving(3).await;
    for n in 0..50 {
        world.put(&format!("r{n}"), &n.to_string()).await;
    }
    let machines = world.settled().await;
    assert_eq!(machines.len(), 3);
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
    assert_eq!(value(&machines[0], "r49").as_deref(), Some("49"));
    let status = world.leader().await.status();
    assert_eq!(status.role, Role::Leader);
    assert_eq!(status.members, world.members);
    assert_eq!(status.voters.len(), 3);
    assert_eq!(status.replicated.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_alone_is_a_group() {
    let world = World::serving(1).await;
    let revision = world.put("r", "1").await.revision;
    let leader = world.leader().await;
    assert!(leader.read_barrier().await.unwrap() >= revision);
    assert_eq!(leader.transfer_leadership(None).await, Err(TransferError::NobodyElse));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_is_formed_once_and_only_by_a_member() {
    let world = World::of(2);
    let mut world = world;
    world.start_all().await;
    let mut others = world.members.clone();
    others.remove(&NodeId(1));
    let first = &world.running[&NodeId(1)];
    assert_eq!(first.initialize(others).await, Err(InitializeError::NotAMember));
    assert_eq!(first.is_initialized().await, Ok(false));
    world.form().await;
    let again = first.initialize(world.members.clone()).await;
    assert_eq!(again, Err(InitializeError::AlreadyInitialized));
    assert_eq!(first.is_initialized().await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_proposes_and_confirms_nothing_and_names_the_leader() {
    let world = World::serving(3).await;
    world.put("r", "1").await;
    let (leader, follower) = (world.leader().await, world.follower().await);
    let known = Some((leader.node(), world.members[&leader.node()].clone()));
    let refused = follower.propose(put("r", "2")).await;
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: known.clone() }));
    let refused = follower.read_barrier().await;
    assert_eq!(refused, Err(ReadError::NotLeader { leader: known.clone() }));
    let refused = follower.transfer_leadership(None).await;
    assert_eq!(refused, Err(TransferError::NotLeader { leader: known }));
    assert!(!follower.confirmed_leader());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_request_is_in_the_machine_and_a_repeat_changes_nothing() {
    let world = World::serving(3).await;
    let leader = world.leader().await;
    let request = put("r", "once");
    let first = leader.propose(request.clone()).await.unwrap();
    assert_eq!(first.outcome, Outcome::Accepted { revision: first.revision });
    let (revision, machine) = leader.machine_at();
    assert!(revision >= first.revision);
    assert_eq!(value(&machine, "r").as_deref(), Some("once"));
    world.put("r", "later").await;
    let again = leader.propose(request).await.unwrap();
    assert_eq!(again.outcome, first.outcome);
    assert!(again.revision > first.revision);
    assert_eq!(value(&leader.machine(), "r").as_deref(), Some("later"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_an_answer_and_too_large_a_request_is_none() {
    let world = World::serving(1).await;
    let leader = world.leader().await;
    let mut request = put("r", "1");
    if let Command::PutRegister { expected, .. } = &mut request.command {
        *expected = Some("other".to_owned());
    }
    let refused = leader.propose(request).await.unwrap();
    assert_eq!(refused.outcome, Outcome::Refused { refusal: Refusal::Mismatch { held: None } });
    let large = put("r", &"x".repeat(PROPOSAL_BYTES_MAX));
    assert!(matches!(leader.propose(large).await, Err(ProposeError::TooLarge { .. })));
    world.put("r", "still served").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_proposals_at_once_are_all_applied_with_stamps_that_never_fall() {
    let world = World::serving(3).await;
    let leader = world.leader().await;
    let proposals = (0..500).map(|n| leader.propose(put(&format!("r{n}"), "x")));
    let answers = futures_util::future::join_all(proposals).await;
    let mut revisions: Vec<_> = answers.into_iter().map(|a| a.unwrap().revision).collect();
    revisions.sort();
    revisions.dedup();
    assert_eq!(revisions.len(), 500);
    let machines = world.settled().await;
    assert!(machines.iter().all(|machine| rows(machine) == rows(&machines[0])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_takes_over_when_the_leader_stops_and_has_what_was_acknowledged() {
    let mut world = World::serving(3).await;
    for n in 0..20 {
        world.put(&format!("r{n}"), "kept").await;
    }
    let old = world.leader().await;
    world.stop(old.node()).await;
    assert!(is_stopped(&old.status()));
    assert_eq!(old.propose(put("r", "1")).await, Err(ProposeError::Stopped));
    let new = world.leader().await;
    assert_ne!(new.node(), old.node());
    new.read_barrier().await.unwrap();
    let machine = new.machine();
    assert!((0..20).all(|n| value(&machine, &format!("r{n}")).as_deref() == Some("kept")));
    world.put("r", "after").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_nothing_is_confirmed_and_a_proposal_is_unknown() {
    let mut world = World::serving(3).await;
    let leader = world.leader().await;
    let others: Vec<_> =
        world.running.keys().copied().filter(|node| *node != leader.node()).collect();
    for node in others {
        world.stop(node).await;
    }
    eventually("the lease to run out", || (!leader.confirmed_leader()).then_some(())).await;
    let read = leader.read_barrier().await;
    assert!(matches!(read, Err(ReadError::NoQuorum | ReadError::NotLeader { .. })), "{read:?}");
    let proposed = leader.propose(put("r", "1")).await;
    let unsure = matches!(proposed, Err(ProposeError::Unknown | ProposeError::NotLeader { .. }));
    assert!(unsure, "{proposed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_handed_to_the_one_named_and_writes_go_on() {
    let world = World::serving(3).await;
    world.put("r", "before").await;
    for _ in 0..3 {
        let (old, heir) = (world.leader().await, world.follower().await.node());
        let begun = Instant::now();
        assert_eq!(old.transfer_leadership(Some(heir)).await, Ok(heir));
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(350), "an election would be as fast: {took:?}");
        assert_eq!(world.leader().await.node(), heir);
        world.put("r", "after").await;
    }
    let old = world.leader().await;
    let stranger = old.transfer_leadership(Some(NodeId(9))).await;
    assert_eq!(stranger, Err(TransferError::NotAVoter(NodeId(9))));
    let new = old.transfer_leadership(None).await.unwrap();
    assert_ne!(new, old.node());
}

/// The bound is ten times what it takes on an idle machine: tests share theirs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_default_timing_writes_go_on_soon_after_the_leader_has_gone() {
    let mut world = World::of(3);
    world.timing = Timing::default();
    world.start_all().await;
    world.form().await;
    world.put("r", "before").await;
    let old = world.leader().await.node();
    let begun = Instant::now();
    let stopping = world.let_go(old);
    world.put("r", "after").await;
    let outage = begun.elapsed();
    assert!(outage < Duration::from_millis(2_500), "{outage:?}");
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_process_is_gone_is_replaced_without_waiting_for_the_timers() {
    // given: timers that nobody would want to wait for
    let mut world = World::of(3);
    let seconds = Duration::from_secs;
    world.timing =
        Timing { election_min: seconds(9), election_max: seconds(10), ..Timing::default() };
    world.timing.propose = seconds(20);
    world.start_all().await;
    world.form().await;
    world.put("r", "before").await;
    // when
    let old = world.leader().await.node();
    let begun = Instant::now();
    let stopping = world.let_go(old);
    world.put("r", "after").await;
    // then: its lease, half of the longest timer, had to be waited for
    let outage = begun.elapsed();
    assert!(outage < seconds(8), "{outage:?}");
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_not_handed_to_a_member_that_is_away() {
    // given: an idle group; the member that is away has as much of the log as the other
    let mut world = World::serving(3).await;
    world.put("r", "1").await;
    world.settled().await;
    let leader = world.leader().await;
    let away = world.running.keys().copied().filter(|node| *node != leader.node()).max().unwrap();
    world.stop(away).await;
    let heir = world.follower().await.node();
    let shortly = 2 * world.timing.lease();
    tokio::time::sleep(shortly).await;
    // when, then
    let begun = Instant::now();
    assert_eq!(leader.transfer_leadership(None).await, Ok(heir));
    let took = begun.elapsed();
    assert!(took < Duration::from_millis(350), "an election would be as fast: {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_is_refused_to_a_voter_that_is_named_and_away() {
    let mut world = World::serving(3).await;
    world.put("r", "1").await;
    let led = world.leader().await.node();
    let away = world.running.keys().copied().filter(|node| *node != led).max().unwrap();
    world.stop(away).await;
    // Another one may lead meanwhile, on a busy machine.
    let leader = eventually("its silence is noticed", || {
        let leads = world.running.values().find(|replica| replica.confirmed_leader())?;
        let heard = leads.acknowledged_ago().get(&away).copied().flatten();
        heard.is_none_or(|ago| ago >= world.timing.election_max).then(|| leads.clone())
    })
    .await;
    // when, then: nothing is begun, and writes go on at once
    let refused = leader.transfer_leadership(Some(away)).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("node {away} has not answered for")), "{refused}");
    assert!(leader.confirmed_leader());
    world.put("r", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_lets_go_of_its_lease_well_before_the_voters_do() {
    let mut world = World::of(3);
    let seconds = Duration::from_secs;
    world.timing =
        Timing { election_min: seconds(11), election_max: seconds(12), ..Timing::default() };
    world.timing.propose = seconds(20);
    world.start_all().await;
    world.form().await;
    world.put("r", "1").await;
    let leader = world.leader().await;
    let begun = Instant::now();
    let others: Vec<_> =
        world.running.keys().copied().filter(|node| *node != leader.node()).collect();
    for node in others {
        world.let_go(node);
    }
    eventually("it lets go", || (!leader.confirmed_leader()).then_some(())).await;
    // then: of six seconds four and a half
    let held = begun.elapsed();
    assert!(held < seconds(6) - seconds(6) / 6, "{held:?}");
    let read = leader.read_lease().await;
    assert!(matches!(read, Err(ReadError::NoQuorum | ReadError::NotLeader { .. })), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_relies_on_the_shortest_lease_that_a_voter_gives() {
    // given: one of the members is started anew with shorter timers
    let mut world = World::serving(3).await;
    let follower = world.follower().await.node();
    let relied = |world: &World, node: NodeId| {
        let leader = &world.running[&node];
        leader.relied(&leader.shared.raft.metrics().borrow_watched())
    };
    let leader = world.leader().await.node();
    assert_eq!(relied(&world, leader), Timing::relied(world.timing.lease()));
    world.stop(follower).await;
    let (min, max) = (Duration::from_millis(200), Duration::from_millis(400));
    world.timing.election_min = min;
    world.timing.election_max = max;
    world.start(follower).await;
    // when
    world.put("r", "1").await;
    // then
    let leader = world.leader().await.node();
    let shortest = Timing::relied(max / 2);
    eventually("it is told", || (relied(&world, leader) == shortest).then_some(())).await;
}

#[tokio::test]
async fn a_leader_whose_machine_slept_through_its_lease_does_not_take_it_for_fresh() {
    let thread = crate::simulate(1, Duration::ZERO);
    let world = World::serving(3).await;
    let leader = world.leader().await;
    assert!(leader.confirmed_leader());
    // when: nothing has run since
    thread.sleep_through(world.timing.lease());
    // then
    assert!(!leader.confirmed_leader());
    assert!(leader.leader_age().unwrap() >= world.timing.lease());
    assert!(leader.read_lease().await.is_err());
}
