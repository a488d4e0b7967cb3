//! Which of two desired states counts. Decides it by the life of the cluster, the right and the revision.

use super::Desired;
use crate::ids::ClusterIncarnation;

impl Desired {
    /// Which of two counts: within one life of the cluster the higher (epoch, revision); of two lives the one
    /// the Manager is registered in.
    #[must_use]
    pub fn verdict(&self, held: Option<&Self>, registered: Option<ClusterIncarnation>) -> Verdict {
        let Some(held) = held else { return Verdict::Newer };
        if held.fence.cluster != self.fence.cluster {
            // The later life wins: members of a lost one, started again by mistake, change nothing here.
            let ours =
                registered == Some(self.fence.cluster) && self.fence.cluster > held.fence.cluster;
            return if ours { Verdict::Newer } else { Verdict::Foreign };
        }
        let order = |desired: &Self| (desired.fence.epoch, desired.revision);
        if order(self) < order(held) {
            return Verdict::Older;
        }
        if held.says_the_same(self) { Verdict::Same } else { Verdict::Newer }
    }
}

/// What becomes of a desired state that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts from now on.
    Newer,
    /// It says what is known.
    Same,
    Older,
    /// Of a life of the cluster that this Manager does not belong to.
    Foreign,
}
