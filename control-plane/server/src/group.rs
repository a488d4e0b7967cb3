//! Who belongs to the group, brought about step by step while this member leads. Decides when the next
//! step is looked for and that it is carried out from the membership it was decided on; which step that
//! is, is `domain::control::membership`'s decision. Everything may be cut off and begins anew from a look.

use crate::{leader::Context, limits::LOOK_AT_MEMBERS_EVERY};
use std::collections::BTreeMap;
use tokio::time::{MissedTickBehavior, interval};
use tradewind_domain::{
    control::{
        Command, Machine,
        group::{AdmissionRow, GroupCommand, MemberAddress},
        membership::{CatchUp, Change, Group, Seen, plan_membership},
    },
    ids::NodeId,
    limits::MEMBER_HEARD_WITHIN,
    time::Monotonic,
};
use tradewind_replication::{ChangeError, GroupView, Member, Replica};

/// Looks and acts whenever this member leads. Never returns; may be cancelled at any await.
pub(crate) async fn keep(context: Context) {
    let mut catch_up = CatchUp::default();
    let mut every = interval(LOOK_AT_MEMBERS_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        if !context.replica.confirmed_leader() {
            catch_up.clear();
            continue;
        }
        let now = (context.clocks.monotonic)();
        if planned(&context, &mut catch_up, now).is_none() {
            continue;
        }
        // A quorum confirms the leadership, and the machine holds all that was decided before.
        if context.replica.read_barrier().await.is_err() {
            continue;
        }
        if let Some((view, change)) = planned(&context, &mut catch_up, now) {
            carry_out(&context, &view, change).await;
        }
    }
}

fn planned(
    context: &Context,
    catch_up: &mut CatchUp,
    now: Monotonic,
) -> Option<(GroupView, Change)> {
    let view = context.replica.group();
    let group =
        seen(&context.replica, &view, |node, answers, lag| catch_up.look(node, answers, lag, now));
    let change = plan_membership(&context.replica.machine(), &group)?;
    Some((view, change))
}

/// The group as this leader sees it, for deciding on a request.
pub(crate) fn look(replica: &Replica) -> Group {
    seen(replica, &replica.group(), |_, _, _| false)
}

fn seen(
    replica: &Replica,
    view: &GroupView,
    mut caught_up: impl FnMut(NodeId, bool, Option<u64>) -> bool,
) -> Group {
    let (own, last) = (replica.node(), replica.status().last_log);
    let progress = replica.progress();
    let members = view.members.iter().map(|(node, member)| {
        let known = progress.get(node).copied().unwrap_or_default();
        let heard = known.heard.is_some_and(|age| age < MEMBER_HEARD_WITHIN);
        let answers = *node == own || heard;
        let lag = known.matched.and_then(|matched| Some(last?.saturating_sub(matched)));
        let seen = Seen {
            address: address(member),
            disk: member.disk,
            answers,
            caught_up: caught_up(*node, answers, lag),
        };
        (*node, seen)
    });
    Group {
        leader: own,
        voters: view.voters.clone(),
        members: members.collect::<BTreeMap<_, _>>(),
        committed: view.committed,
    }
}

fn address(member: &Member) -> MemberAddress {
    MemberAddress { peer: member.peer_address.to_string(), api: member.api_address.clone() }
}

/// As the membership keeps it. An address that is none was refused when it was told.
fn member(row: &AdmissionRow) -> Option<Member> {
    let peer_address = row.address.peer.parse().ok()?;
    Some(Member { peer_address, api_address: row.address.api.clone(), disk: row.disk })
}

fn admitted(machine: &Machine, node: NodeId) -> Result<Member, ChangeError> {
    let row = machine.admission(node);
    row.and_then(member).ok_or_else(|| ChangeError::Refused(format!("node {node} has no address")))
}

async fn carry_out(context: &Context, view: &GroupView, change: Change) {
    tracing::info!(?change, "the group changes");
    let replica = &context.replica;
    let machine = replica.machine();
    let done = match &change {
        Change::Found { voters_wanted, members } => {
            let (voters_wanted, members) = (*voters_wanted, members.clone());
            propose(context, GroupCommand::Found { voters_wanted, members }).await
        }
        Change::Settle => replica.settle_voters(view).await,
        Change::AddLearner(node) => match admitted(&machine, *node) {
            Ok(member) => replica.add_learner(view, *node, &member).await,
            Err(error) => Err(error),
        },
        Change::Update(node) => match admitted(&machine, *node) {
            Ok(member) => replica.update_member(view, *node, &member).await,
            Err(error) => Err(error),
        },
        Change::SetVoters(voters) => replica.set_voters(view, voters).await,
        Change::RemoveLearner(node) => replica.remove_learner(view, *node).await,
        Change::HandOver { to } => match replica.transfer_leadership(Some(*to)).await {
            Ok(_) => Ok(()),
            Err(error) => Err(ChangeError::Refused(error.to_string())),
        },
        Change::Forget(node) => propose(context, GroupCommand::Forget { node: *node }).await,
    };
    if let Err(error) = done {
        tracing::info!(?change, %error, "the group's change is not done; it is looked at again");
    }
}

async fn propose(context: &Context, command: GroupCommand) -> Result<(), ChangeError> {
    let request = context.request(Command::Group(command));
    match context.replica.propose(request).await {
        // A refusal means that the machine has moved on: the next look sees it.
        Ok(_) => Ok(()),
        Err(error) => Err(ChangeError::Refused(error.to_string())),
    }
}
