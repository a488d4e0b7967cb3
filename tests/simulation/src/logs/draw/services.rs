//! Services that are given up, in a random log. Decides which and by whom: mostly by who has them.

use super::Draw;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Machine,
        handed_back::{Exit, Failure, ServiceCommand},
        row::Assignment,
    },
    ids::{ManagerId, ServiceId},
};

impl Draw {
    fn service_id(&self) -> ServiceId {
        match self.chance.below(10) {
            0 => ServiceId::Market { market: self.of(&self.names.markets), shard: 0 },
            1..4 => {
                let shard = u16::from(self.chance.percent(5));
                ServiceId::Broker { account: self.of(&self.names.accounts), shard }
            }
            _ => ServiceId::Trader { trader: self.of(&self.names.traders) },
        }
    }

    fn failure(&self) -> Failure {
        match self.chance.below(4) {
            0 => Failure::Hung,
            1 => Failure::NeverCheckedIn,
            2 => Failure::NotStarted,
            _ => Failure::Ended { exit: Exit::Code(self.chance.below(3) as i32) },
        }
    }

    pub(super) fn service(&self, machine: &Machine, revision: u64) -> ServiceCommand {
        let service = self.service_id();
        if self.chance.percent(30) {
            let known = machine.all_handed_back().next();
            let service = known.map_or(service, |row| row.service.clone());
            let held = machine.handed_back(&service).map(|row| row.epoch);
            return ServiceCommand::Settle { epoch: self.epoch(held, revision), service };
        }
        let held = machine.holder(&service).cloned();
        let epoch = self.epoch(held.as_ref().map(|held| held.epoch), revision);
        let holder = held.filter(|_| self.chance.percent(85)).map(|held| held.manager);
        let manager = holder.unwrap_or_else(|| self.manager());
        ServiceCommand::HandBack { service, manager, epoch, failure: self.failure() }
    }

    /// What a Manager may say it gives up: some of what it has, now and then what it has not.
    pub(super) fn given_up(
        &self,
        machine: &Machine,
        manager: &ManagerId,
    ) -> BTreeMap<ServiceId, Failure> {
        let brokers = machine.brokers().map(|row| {
            let (account, shard) = (row.account.clone(), row.shard);
            (ServiceId::Broker { account, shard }, row.assignment.as_ref())
        });
        let traders = machine
            .traders()
            .map(|row| (ServiceId::Trader { trader: row.trader.clone() }, row.assignment.as_ref()));
        let has = |held: Option<&Assignment>| held.is_some_and(|held| held.manager == *manager);
        let likely = |held| if has(held) { 35 } else { 3 };
        let drawn = brokers.chain(traders).filter(|(_, held)| self.chance.percent(likely(*held)));
        drawn.map(|(service, _)| (service, self.failure())).collect()
    }
}
