//! Claims about members that come, move and go, and about who leads.

use super::{
    eventually,
    group::{Group, SOON, problem},
};
use crate::RunError;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tradewind_domain::ids::{ClusterIncarnation, NodeId};
use tradewind_link::rest::{Method, RestError};
use tradewind_protocol::{
    Code,
    control::Changed,
    members::{
        JoinMember, LeaderTransferred, MemberInfo, MemberJoined, MemberMoved, MemberStanding,
        Members, TransferLeader, VotersWanted,
    },
};
use tradewind_replication::StartError;

/// A learner keeps up for two seconds before it votes.
const LATER: Duration = Duration::from_secs(20);

pub(super) async fn members(group: &Group, at: usize) -> Result<Members, RestError> {
    group.request::<(), _>(at, Method::GET, "/v1/members", None, None).await
}

async fn standing(group: &Group, at: usize, node: u64) -> Option<MemberStanding> {
    let members = members(group, at).await.ok()?.members;
    members.iter().find(|member| member.node == NodeId(node)).map(|member| member.standing)
}

async fn stands(group: &Group, at: usize, node: u64, wanted: MemberStanding) {
    eventually(&format!("node {node} is a {wanted:?}"), LATER, || async {
        standing(group, at, node).await == Some(wanted)
    })
    .await;
}

async fn remove(group: &Group, at: usize, node: u64) -> Result<Changed, RestError> {
    let (key, path) = (group.keys.next(), format!("/v1/members/{node}"));
    group.request(at, Method::DELETE, &path, Some(&key), Some(&())).await
}

pub(super) async fn gone(group: &Group, at: usize, node: u64) {
    eventually(&format!("node {node} is gone"), LATER, || async {
        let path = format!("/v1/members/{node}");
        let asked = group.request::<(), MemberInfo>(at, Method::GET, &path, None, None).await;
        asked.is_err_and(|error| error.into_problem().code == Code::NotFound)
    })
    .await;
}

async fn want(group: &Group, voters: u8) -> Result<Changed, RestError> {
    let (key, body) = (group.keys.next(), VotersWanted { voters });
    let path = "/v1/members/voters-wanted";
    group.request(1, Method::PUT, path, Some(&key), Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_member_gets_its_number_from_the_log_and_votes_when_more_voters_are_wanted() {
    let mut group = Group::of(3).await;
    for n in 0..10 {
        group.write(0, &format!("r{n}"), "kept", &group.keys.next()).await.unwrap();
    }
    let joined = group.join().await;
    stands(&group, 1, 4, MemberStanding::Learner).await;
    eventually("it has what was written", SOON, || async {
        let status = group.status(joined).await;
        status.is_ok_and(|status| status.node == NodeId(4))
    })
    .await;
    assert_eq!(group.read(joined, "r9").await.unwrap(), Some("kept".to_owned()));
    // when
    assert_eq!(problem(want(&group, 4).await).code, Code::Refused);
    want(&group, 5).await.unwrap();
    // then
    stands(&group, joined, 4, MemberStanding::Voter).await;
    let told = members(&group, 1).await.unwrap();
    assert_eq!((told.voters_wanted, told.members.len()), (Some(5), 4));
    assert!(told.members.iter().all(|member| member.disk.is_some() && member.version.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_from_another_cluster_is_refused_and_a_join_repeated_keeps_its_number() {
    let group = Group::of(1).await;
    let join = |cluster: &str| JoinMember {
        cluster: cluster.to_owned(),
        disk: "000000000000000000000000000000ab".parse().unwrap(),
        peer_address: "127.0.0.1:9".parse().unwrap(),
        api_address: "127.0.0.1:8".to_owned(),
        level: None,
    };
    let ask = async |cluster: &str| {
        let (key, body) = (group.keys.next(), join(cluster));
        group
            .request::<_, MemberJoined>(0, Method::POST, "/v1/members", Some(&key), Some(&body))
            .await
    };
    let refused = problem(ask("other").await);
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.detail.contains("this is cluster test, not other"), "{}", refused.detail);
    eventually("the group is founded", SOON, || async { ask("test").await.is_ok() }).await;
    let again = ask("test").await.unwrap();
    assert_eq!(again.node, NodeId(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_leader_hands_over_first_stops_and_does_not_start_again() {
    let mut group = Group::of(3).await;
    let leader = group.leader().await;
    let other = group.followers().await[0];
    let node = leader as u64 + 1;
    eventually("the group is founded", SOON, || async {
        members(&group, other).await.is_ok_and(|told| told.voters_wanted.is_some())
    })
    .await;
    remove(&group, other, node).await.unwrap();
    gone(&group, other, node).await;
    let why = timeout(SOON, group.server(leader).failed()).await.unwrap();
    assert!(why.contains(&format!("node {node} was removed")), "{why}");
    group.kill(leader).await;
    let refused = group.try_start_again(leader).await;
    assert!(matches!(refused, Err(RunError::Replica(StartError::Removed { .. }))), "{refused:?}");
    assert_eq!(problem(remove(&group, other, node).await).code, Code::NotFound);
    // Two are left; without one of them nothing could be decided.
    let third = (1..=3).find(|n| *n != node && *n != other as u64 + 1).unwrap();
    group.kill(usize::try_from(third).unwrap() - 1).await;
    let lost = group.request::<(), Members>(other, Method::GET, "/v1/members", None, None);
    assert!(lost.await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_would_lose_the_quorum_says_how_many_answer() {
    let mut group = Group::of(3).await;
    let others = group.followers().await;
    eventually("the group is founded", SOON, || async {
        members(&group, others[0]).await.is_ok_and(|told| told.voters_wanted.is_some())
    })
    .await;
    group.kill(others[1]).await;
    eventually("its silence is noticed", SOON, || async {
        let told = members(&group, others[0]).await.map(|told| told.members).unwrap_or_default();
        told.iter().any(|member| member.heard_ms.is_some_and(|age| age > 1_000))
    })
    .await;
    let refused = problem(remove(&group, others[0], others[0] as u64 + 1).await);
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.detail.contains("2 voters must answer and 1 do"), "{}", refused.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_to_whom_it_is_handed_whichever_member_is_asked() {
    let group = Group::of(3).await;
    let (leader, others) = (group.leader().await, group.followers().await);
    group.write(others[0], "first", "0", &group.keys.next()).await.unwrap();
    let to = Some(NodeId(others[1] as u64 + 1));
    let body = TransferLeader { to };
    let path = "/v1/leader/transfer";
    let began = Instant::now();
    let handed: LeaderTransferred = loop {
        let key = group.keys.next();
        // A hand-over stands in the log first: a group that was formed a moment ago asks to be asked again.
        let asked = group.request(others[0], Method::POST, path, Some(&key), Some(&body)).await;
        match asked {
            Ok(handed) => break handed,
            refused => {
                assert!(matches!(problem(refused).code, Code::NoLeader | Code::NotFound));
            }
        }
        assert!(began.elapsed() < SOON, "it is not handed over");
    };
    assert_eq!(Some(handed.to), to);
    eventually("it leads", SOON, || async { group.leader().await == others[1] }).await;
    let (key, body) = (group.keys.next(), TransferLeader { to: Some(NodeId(9)) });
    let asked: Result<LeaderTransferred, _> =
        group.request(leader, Method::POST, path, Some(&key), Some(&body)).await;
    assert_eq!(problem(asked).code, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_member_stops_and_says_what_to_do() {
    let mut group = Group::of(3).await;
    let follower = group.followers().await.into_iter().find(|member| *member != 0).unwrap();
    group.kill(follower).await;
    group.wipe(follower);
    let why = match group.try_start_again(follower).await {
        Ok(()) => timeout(SOON, group.server(follower).failed()).await.unwrap(),
        // It may be told before it has quite started.
        Err(RunError::Failed(why)) => why,
        Err(other) => panic!("{other}"),
    };
    let node = follower + 1;
    let told =
        format!("node {node} is known with another disk: remove it and join as a new member");
    assert_eq!(why, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_comes_back_at_another_address_is_found_there() {
    let mut group = Group::of(3).await;
    let follower = group.followers().await[0];
    let node = follower as u64 + 1;
    let other = group.leader().await;
    eventually("the group is founded", SOON, || async {
        members(&group, other).await.is_ok_and(|told| told.voters_wanted.is_some())
    })
    .await;
    group.kill(follower).await;
    group.move_away(follower).await;
    group.write(other, "x", "meanwhile", &group.keys.next()).await.unwrap();
    let address = group.address(follower);
    eventually("the leader sends it the log at its new address", LATER, || async {
        let told = members(&group, other).await.map(|told| told.members).unwrap_or_default();
        let moved = told.into_iter().find(|member| member.node == NodeId(node));
        moved.is_some_and(|member| {
            member.api_address == address && member.lag == Some(0) && member.version.is_some()
        })
    })
    .await;
    assert_eq!(group.read(follower, "x").await.unwrap(), Some("meanwhile".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_another_life_binds_no_number_of_this_one() {
    let group = Group::of(1).await;
    eventually("the group is founded and opened", SOON, || async {
        members(&group, 0).await.is_ok_and(|told| told.voters_wanted.is_some())
            && group.status(0).await.is_ok_and(|status| status.cluster.is_some())
    })
    .await;
    let life = group.status(0).await.unwrap().cluster.unwrap();
    let tell = async |cluster| {
        let moved = MemberMoved {
            cluster: Some(cluster),
            disk: "000000000000000000000000000000ab".parse().unwrap(),
            peer_address: "127.0.0.1:9".to_owned(),
            api_address: "127.0.0.1:8".to_owned(),
        };
        let (key, path) = (group.keys.next(), "/v1/members/1/address");
        group.request::<_, Changed>(0, Method::PUT, path, Some(&key), Some(&moved)).await
    };
    let refused = problem(tell(ClusterIncarnation(life.0 - 1)).await);
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.detail.contains("has no part in it"), "{}", refused.detail);
    // In its own life it is its disk that counts.
    let refused = problem(tell(life).await);
    assert!(refused.detail.contains("known with another disk"), "{}", refused.detail);
}
