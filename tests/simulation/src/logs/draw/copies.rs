//! Copies of ledgers, in a random log. Decides what is said of them and what Brokers may have told: mostly what fits the
//! state, so that ledgers are continued elsewhere again and again.

use super::Draw;
use tradewind_domain::{
    control::{
        Machine,
        copies::{CopiesRow, CopyCommand, LedgerTold},
        plan::Ledgers,
    },
    ids::{Epoch, Fence, ManagerId},
};

impl Draw {
    fn fence_near(&self, held: Fence, revision: u64) -> Fence {
        Fence { epoch: self.epoch(Some(held.epoch), revision), ..held }
    }

    pub(super) fn copies(&self, row: &CopiesRow, revision: u64) -> CopyCommand {
        let account = row.account.clone();
        let Some(view) = &row.view else {
            let on = Fence { epoch: Epoch(revision), ..Fence::default() };
            return CopyCommand::Name { account, holder: Some(self.manager()), on };
        };
        let highest = self.fence_near(view.highest(), revision);
        let since = self.fence_near(view.naming.since, revision);
        match self.chance.below(12) {
            0..4 => {
                let holder = self.chance.percent(90).then(|| self.manager());
                CopyCommand::Name { account, holder, on: since }
            }
            4..7 => CopyCommand::Joined { account, since },
            7..9 => {
                let copy = view.naming.holder.clone().filter(|_| self.chance.percent(60));
                let manager = copy.unwrap_or_else(|| self.manager());
                CopyCommand::Succeed { account, manager, on: highest }
            }
            9..11 => CopyCommand::WentLive { account, right: highest },
            _ => CopyCommand::GiveBack { account, on: highest },
        }
    }

    /// What the Brokers of a Manager may say.
    pub(super) fn of_ledgers(&self, machine: &Machine, manager: &ManagerId) -> Ledgers {
        let views = machine.all_copies().filter_map(|row| Some((row, row.view.as_ref()?)));
        let told = views.filter_map(|(row, view)| {
            let says = |fence: Fence| self.chance.percent(60).then_some(fence);
            let told = match &view.successor {
                Some(held) if held.at == *manager => {
                    let right = Some(held.right).filter(|_| self.chance.percent(20));
                    LedgerTold { loaded: says(held.right), not_whole: right, ..Default::default() }
                }
                Some(_) | None if view.live.at == *manager => {
                    let lost = Some(view.naming.since).filter(|_| self.chance.percent(10));
                    LedgerTold { joined: says(view.naming.since), lost, ..Default::default() }
                }
                Some(_) | None => return None,
            };
            Some((row.account.clone(), told))
        });
        told.collect()
    }
}
