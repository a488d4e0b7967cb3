//! The group's steps, taken while this member leads. Decides that a step is looked for on what is seen now, that a
//! quorum then confirms the leadership, and that the step is looked for again before it is carried out from the
//! membership it was decided on; which step that is, is `domain::control::membership`'s decision. Everything may be
//! cut off and begins anew from a look. When to look is left to whoever runs the member.

use super::{ChangeError, GroupView, Replica};
use crate::Member;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        group::{AdmissionRow, GroupCommand, MemberAddress},
        membership::{CatchUp, Change, Group, Seen, plan_membership},
    },
    ids::NodeId,
    limits::MEMBER_HEARD_WITHIN,
    time::Monotonic,
};

/// What keeps the group as the machine wants it, as long as its member leads.
pub struct GroupSteps {
    replica: Replica,
    catch_up: CatchUp,
}

/// A step, as far as it is taken here.
#[derive(Debug)]
pub enum GroupStep {
    /// Raft's membership was to be changed, or another to lead.
    Taken { change: Change, done: Result<(), ChangeError> },
    /// The machine is to be told: proposing it is left to the caller, under a key of his.
    Tell(GroupCommand),
}

impl GroupSteps {
    #[must_use]
    pub fn of(replica: Replica) -> Self {
        Self { replica, catch_up: CatchUp::default() }
    }

    /// Looks, and takes the next step if there is one to take now. May be cancelled.
    pub async fn next(&mut self, now: Monotonic) -> Option<GroupStep> {
        if !self.replica.confirmed_leader() {
            self.catch_up.clear();
            return None;
        }
        self.planned(now)?;
        // A quorum confirms the leadership, and the machine holds all that was decided before.
        self.replica.read_barrier().await.ok()?;
        let (view, change) = self.planned(now)?;
        Some(self.replica.take(&view, change).await)
    }

    fn planned(&mut self, now: Monotonic) -> Option<(GroupView, Change)> {
        let view = self.replica.group();
        let catch_up = &mut self.catch_up;
        let group =
            self.replica.seen(&view, |node, answers, lag| catch_up.look(node, answers, lag, now));
        let change = plan_membership(&self.replica.machine(), &group)?;
        Some((view, change))
    }
}

impl Replica {
    /// The group as this leader sees it, for deciding on a request.
    #[must_use]
    pub fn group_as_seen(&self) -> Group {
        self.seen(&self.group(), |_, _, _| false)
    }

    fn seen(
        &self,
        view: &GroupView,
        mut caught_up: impl FnMut(NodeId, bool, Option<u64>) -> bool,
    ) -> Group {
        let (own, last) = (self.node(), self.status().last_log);
        let progress = self.progress();
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

    fn admitted(&self, node: NodeId) -> Result<Member, ChangeError> {
        let machine = self.machine();
        let row = machine.admission(node);
        row.and_then(member)
            .ok_or_else(|| ChangeError::Refused(format!("node {node} has no address")))
    }

    async fn take(&self, view: &GroupView, change: Change) -> GroupStep {
        tracing::info!(?change, "the group changes");
        let done = match &change {
            Change::Found { voters_wanted, members } => {
                let (voters_wanted, members) = (*voters_wanted, members.clone());
                return GroupStep::Tell(GroupCommand::Found { voters_wanted, members });
            }
            Change::Forget(node) => return GroupStep::Tell(GroupCommand::Forget { node: *node }),
            Change::Settle => self.settle_voters(view).await,
            Change::AddLearner(node) => match self.admitted(*node) {
                Ok(member) => self.add_learner(view, *node, &member).await,
                Err(error) => Err(error),
            },
            Change::Update(node) => match self.admitted(*node) {
                Ok(member) => self.update_member(view, *node, &member).await,
                Err(error) => Err(error),
            },
            Change::SetVoters(voters) => self.set_voters(view, voters).await,
            Change::RemoveLearner(node) => self.remove_learner(view, *node).await,
            Change::HandOver { to } => match self.transfer_leadership(Some(*to)).await {
                Ok(_) => Ok(()),
                Err(error) => Err(ChangeError::Refused(error.to_string())),
            },
        };
        GroupStep::Taken { change, done }
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
