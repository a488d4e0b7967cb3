//! Doors in front of the members: links between them that can be cut, without root. Decides who is behind which door;
//! a link is known by the process at its other end, so clients and Managers pass as before.

use super::{Cluster, Infrastructure, Plan};
use crate::{DataDirectory, Door, Passing, Process};
use std::{collections::BTreeSet, io};

/// In front of a member's two ports. The others know these addresses alone.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) api: Door,
    pub(super) peer: Door,
}

impl Cluster {
    /// A cluster whose members speak to each other through doors. The data must be new: the doors' addresses are not
    /// those of an earlier run. To be called within a runtime.
    pub fn behind_doors(plan: &Plan, data: DataDirectory) -> io::Result<Self> {
        Self::build(plan, data, true)
    }

    /// Cuts links between members: what the first of a pair sends no longer reaches the second. All other links are
    /// mended. A process that is started later is not cut off until this is called again.
    pub fn cut(&self, links: &BTreeSet<(u64, u64)>) {
        let process = |node: &u64| {
            let member = self.infrastructure.iter().find(|member| member.node == *node)?;
            member.process.as_ref().map(Process::pid)
        };
        for member in &self.infrastructure {
            let Infrastructure { node, doors: Some(doors), .. } = member else { continue };
            let from = links.iter().filter(|(_, to)| to == node).map(|(from, _)| from);
            let to = links.iter().filter(|(from, _)| from == node).map(|(_, to)| to);
            let (from, to): (BTreeSet<u32>, BTreeSet<u32>) =
                (from.filter_map(process).collect(), to.filter_map(process).collect());
            let passing = if from.is_empty() && to.is_empty() {
                Passing::All
            } else {
                Passing::AllBut { from, to }
            };
            doors.api.lets(passing.clone());
            doors.peer.lets(passing);
        }
    }
}
