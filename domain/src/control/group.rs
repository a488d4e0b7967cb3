//! The Raft group as the replicated machine knows it: who was admitted under which node id, on which disk,
//! and how many voters are wanted. Decides node ids: they rise by one with each admission and none is ever
//! given twice, also after a removal. What the group looks like at this moment is Raft's own membership;
//! `membership::plan_membership` decides how the one becomes the other.
//!
//! M1: a node id names one disk for ever. M2: at most one member is being removed at a time.

mod audit;
mod ways;

pub use audit::GroupAsk;
pub use ways::{AdmissionState, AdmissionStep, Next};

use super::{
    drain::By, event::EventKind, machine::Machine, refusal::Noun, refusal::Refusal, row::Row,
};
use crate::{
    ids::{DiskId, NodeId},
    limits,
};
use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};
use serde::{Deserialize, Serialize};

/// Changes of the group. Variants are only appended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupCommand {
    /// Once: the members that formed the group, as its leader finds them.
    Found {
        voters_wanted: u8,
        members: BTreeMap<NodeId, Founder>,
    },
    /// A new disk asks to be a member; one that was admitted already keeps its node id.
    Admit {
        disk: DiskId,
        address: MemberAddress,
    },
    /// A member tells where it is now. The first to tell of a member without a known disk binds its disk.
    Tell {
        node: NodeId,
        disk: DiskId,
        address: MemberAddress,
    },
    /// The member is to go. `forced` by an operator who accepts that the group may stand still.
    Remove {
        node: NodeId,
        forced: bool,
    },
    /// Its removal is done: nothing is left of it but its number, which is not given again.
    Forget {
        node: NodeId,
    },
    WantVoters {
        voters: u8,
    },
    /// What an operator asks of the group, with who he is and why.
    Audited {
        by: By,
        ask: GroupAsk,
    },
}

/// Where a member is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAddress {
    /// By other members, for Raft.
    pub peer: String,
    /// By clients, Managers and other members' forwarded requests.
    pub api: String,
}

/// A member that formed the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founder {
    pub address: MemberAddress,
    /// `None` where the group was formed without: the first that tells of itself binds it.
    pub disk: Option<DiskId>,
}

/// What holds of the group as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Learners are promoted up to so many voters. 0: to be founded anew, in a new life of the cluster.
    pub voters_wanted: u8,
    /// The next admission's node id; above all ever given.
    pub next_node: NodeId,
}

/// A member that belongs, or is to belong, to the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionRow {
    pub node: NodeId,
    /// `None` until the first that tells of itself binds it.
    pub disk: Option<DiskId>,
    pub address: MemberAddress,
    pub state: AdmissionState,
}

impl AdmissionRow {
    #[must_use]
    pub fn is_removing(&self) -> bool {
        match self.state {
            AdmissionState::Admitted => false,
            AdmissionState::Removing { .. } => true,
        }
    }
}

impl Machine {
    /// `None` until the first leader has founded it.
    #[must_use]
    pub fn group(&self) -> Option<&GroupRow> {
        // In a new life of the cluster only the numbers given before are known.
        self.tables.group.as_ref().filter(|group| group.voters_wanted > 0)
    }

    #[must_use]
    pub fn admission(&self, node: NodeId) -> Option<&AdmissionRow> {
        self.tables.admissions.get(&node)
    }

    pub fn admissions(&self) -> impl Iterator<Item = &AdmissionRow> {
        self.tables.admissions.values()
    }

    /// The member with this disk.
    #[must_use]
    pub fn admitted(&self, disk: DiskId) -> Option<&AdmissionRow> {
        self.admissions().find(|row| row.disk == Some(disk))
    }

    /// Whether the node id was a member's and is nobody's any more.
    #[must_use]
    pub fn was_removed(&self, node: NodeId) -> bool {
        let given = self.group().is_some_and(|group| node < group.next_node);
        // Ids that the founders left out were never a member's; they are not given either.
        given && self.admission(node).is_none()
    }

    pub(super) fn decide_group(
        &mut self,
        command: GroupCommand,
    ) -> Result<Vec<EventKind>, Refusal> {
        match command {
            GroupCommand::Found { voters_wanted, members } => self.found(voters_wanted, members),
            GroupCommand::Admit { disk, address } => self.admit(disk, address),
            GroupCommand::Tell { node, disk, address } => self.tell(node, disk, address),
            GroupCommand::Remove { node, forced } => self.remove_member(node, forced),
            GroupCommand::Forget { node } => self.forget_member(node),
            GroupCommand::WantVoters { voters } => self.want_voters(voters),
            GroupCommand::Audited { by, ask } => self.asked_of_group(by, ask),
        }
    }

    fn found(
        &mut self,
        voters_wanted: u8,
        members: BTreeMap<NodeId, Founder>,
    ) -> Result<Vec<EventKind>, Refusal> {
        if self.group().is_some() {
            return Err(Refusal::AlreadyOpen);
        }
        let highest = members.keys().next_back().copied().unwrap_or_default();
        if voters_wanted == 0 {
            return Err(Refusal::VotersNotPossible);
        }
        if members.len() > limits::MEMBERS
            || members.values().any(|founder| long(&founder.address))
            || highest.0 == u64::MAX
        {
            return Err(Refusal::TooLarge { what: Noun::Member });
        }
        for (node, Founder { address, disk }) in members {
            let state = AdmissionState::Admitted;
            self.tables.put(Row::Admission(AdmissionRow { node, disk, address, state }));
        }
        let given = self.tables.group.map_or(NodeId(0), |group| group.next_node);
        let next_node = NodeId(highest.0 + 1).max(given);
        self.tables.put(Row::Group(GroupRow { voters_wanted, next_node }));
        Ok(vec![EventKind::VotersWanted { voters: voters_wanted }])
    }

    fn standing_group(&self) -> Result<GroupRow, Refusal> {
        self.group().copied().ok_or(Refusal::NotFound { what: Noun::Group })
    }

    /// A member, and where a step leads it.
    fn stepping(&self, node: NodeId, step: AdmissionStep) -> Result<(AdmissionRow, Next), Refusal> {
        let row = self.admission(node);
        let next = AdmissionState::after(row.map(|row| row.state), step);
        let row = row.cloned().ok_or(Refusal::NotFound { what: Noun::Member })?;
        Ok((row, next.ok_or(Refusal::Superseded)?))
    }

    fn put_admission(&mut self, row: AdmissionRow, next: Next) {
        match next {
            Next::State(state) => self.tables.put(Row::Admission(AdmissionRow { state, ..row })),
            Next::Gone => self.tables.forget_admission(row.node),
        }
    }

    /// M2.
    fn not_busy(&self) -> Result<(), Refusal> {
        match self.admissions().find(|row| row.is_removing()) {
            Some(row) => Err(Refusal::Busy { removing: row.node }),
            None => Ok(()),
        }
    }

    fn admit(&mut self, disk: DiskId, address: MemberAddress) -> Result<Vec<EventKind>, Refusal> {
        let group = self.standing_group()?;
        if long(&address) {
            return Err(Refusal::TooLarge { what: Noun::Member });
        }
        if let Some(known) = self.admitted(disk).map(|row| row.node) {
            return self.tell(known, disk, address);
        }
        self.not_busy()?;
        if self.tables.admissions.len() >= limits::MEMBERS {
            return Err(Refusal::TooMany { what: Noun::Member });
        }
        let node = group.next_node;
        let state = AdmissionState::Admitted;
        self.tables.put(Row::Admission(AdmissionRow { node, disk: Some(disk), address, state }));
        self.tables.put(Row::Group(GroupRow { next_node: NodeId(node.0 + 1), ..group }));
        Ok(vec![EventKind::MemberAdmitted { node, disk }])
    }

    fn tell(
        &mut self,
        node: NodeId,
        disk: DiskId,
        address: MemberAddress,
    ) -> Result<Vec<EventKind>, Refusal> {
        self.standing_group()?;
        let (mut row, next) = self.stepping(node, AdmissionStep::Tell)?;
        if row.disk.is_some_and(|bound| bound != disk) {
            return Err(Refusal::OtherDisk { node });
        }
        if long(&address) {
            return Err(Refusal::TooLarge { what: Noun::Member });
        }
        if row.disk == Some(disk) && row.address == address {
            return Ok(vec![]);
        }
        let bound = row.disk.replace(disk).is_some();
        row.address = address;
        self.put_admission(row, next);
        Ok(vec![if bound {
            EventKind::MemberMoved { node }
        } else {
            EventKind::MemberAdmitted { node, disk }
        }])
    }

    fn remove_member(&mut self, node: NodeId, forced: bool) -> Result<Vec<EventKind>, Refusal> {
        self.standing_group()?;
        let (row, next) = self.stepping(node, AdmissionStep::Remove { forced })?;
        if next == Next::State(row.state) {
            return Ok(vec![]);
        }
        if !row.is_removing() {
            self.not_busy()?;
        }
        self.put_admission(row, next);
        Ok(vec![EventKind::MemberRemoving { node }])
    }

    fn forget_member(&mut self, node: NodeId) -> Result<Vec<EventKind>, Refusal> {
        let (row, next) = self.stepping(node, AdmissionStep::Forget)?;
        self.put_admission(row, next);
        Ok(vec![EventKind::MemberRemoved { node }])
    }

    fn want_voters(&mut self, voters: u8) -> Result<Vec<EventKind>, Refusal> {
        let group = self.standing_group()?;
        if !matches!(voters, 3 | 5) {
            return Err(Refusal::VotersNotPossible);
        }
        if group.voters_wanted == voters {
            return Ok(vec![]);
        }
        self.not_busy()?;
        self.tables.put(Row::Group(GroupRow { voters_wanted: voters, ..group }));
        Ok(vec![EventKind::VotersWanted { voters }])
    }
}

fn long(address: &MemberAddress) -> bool {
    address.peer.len().max(address.api.len()) > limits::ADDRESS_BYTES
}

#[cfg(test)]
pub(super) mod tests;
