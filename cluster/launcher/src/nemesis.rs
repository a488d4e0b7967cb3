//! Whom a fault hits. Decides which process plays a part at the moment, from the cluster's own status; shared by the
//! demo's kills and the fault harness. When it happens is decided by those.

use crate::{Cluster, kill_process};
use tradewind_protocol::{
    control::{Health, MemberRole, ServiceStatus, Status},
    domain::ids::{AccountId, ManagerKind, ServiceId},
    supervision::ServiceState,
};

/// A part in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Leader,
    /// The follower of this place among them, counted round.
    Follower(u64),
    /// A Manager by the address where it is connected to.
    ManagerAt(String),
    /// Of this kind, of this place among those that live, counted round.
    Manager(ManagerKind, u64),
    /// The Market of the Manager at this address.
    MarketAt(String),
    /// The ledger's Broker of an account.
    BrokerOf(AccountId),
    /// Any Broker or Market that lives, counted round.
    Broker(u64),
    Market(u64),
}

/// A process that can be hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Victim {
    Member(u64),
    Manager(String),
    Service { name: String, pid: u32 },
}

impl std::fmt::Display for Victim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Member(node) => write!(f, "InfrastructureManager {node}"),
            Self::Manager(name) => f.write_str(name),
            Self::Service { name, pid } => write!(f, "{name} (process {pid})"),
        }
    }
}

fn round<T>(mut all: Vec<T>, place: u64) -> Option<T> {
    let place = place.checked_rem(all.len() as u64)?;
    Some(all.swap_remove(usize::try_from(place).ok()?))
}

fn live(service: &ServiceStatus) -> bool {
    service.report.state == ServiceState::Live
}

/// What belongs to a cluster that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    pub members: usize,
    pub managers: usize,
    pub brokers: usize,
    pub markets: usize,
}

impl Whole {
    /// Whether all that should run runs: what a fault may meet.
    #[must_use]
    pub fn is(&self, status: &Status) -> bool {
        let members = status.members.iter();
        let reachable = members.filter(|member| member.role != MemberRole::Unreachable).count();
        let well = status.managers.iter().filter(|manager| manager.health == Health::Well).count();
        let living = |wanted: fn(&ServiceId) -> bool| {
            let services = status.services.iter().filter(|service| live(service));
            services.filter(|service| wanted(&service.report.service)).count()
        };
        reachable == self.members
            && well == self.managers
            // A busy Market has more shards, and less of them once it is not.
            && living(|service| matches!(service, ServiceId::Market { shard: 0, .. }))
                == self.markets
            && living(|service| matches!(service, ServiceId::Broker { .. })) == self.brokers
    }
}

/// Who plays the part; or why nobody does.
pub fn victim(status: &Status, part: &Part) -> Result<Victim, String> {
    let nobody = || format!("nobody is {part:?} at the moment");
    let manager = |name: String| Ok(Victim::Manager(name));
    // The one of a certain place, whatever state it is in; or one of those that live.
    let service = |wanted: &dyn Fn(&ServiceStatus) -> bool, place| {
        let found = status.services.iter().filter(|service| wanted(service));
        let found = round(found.collect(), place).ok_or_else(nobody)?;
        let name = found.report.service.to_string();
        let pid = found.report.pid.ok_or_else(|| format!("{name} has no process"))?;
        Ok(Victim::Service { name, pid })
    };
    let at = |address: &str| {
        let found = status.managers.iter().find(|manager| manager.address == address);
        found.map(|row| row.manager.to_string()).ok_or_else(nobody)
    };
    match part {
        Part::Leader => status.stand.leader.map(|node| Victim::Member(node.0)).ok_or_else(nobody),
        Part::Follower(place) => {
            let others = status.members.iter().filter(|member| {
                Some(member.node) != status.stand.leader && member.role == MemberRole::Follower
            });
            let node = round(others.map(|member| member.node.0).collect(), *place);
            node.map(Victim::Member).ok_or_else(nobody)
        }
        Part::ManagerAt(address) => manager(at(address)?),
        Part::Manager(kind, place) => {
            let of_kind = status.managers.iter().filter(|row| row.manager.kind == *kind);
            let well =
                of_kind.filter(|row| row.health == Health::Well).map(|row| row.manager.to_string());
            manager(round(well.collect(), *place).ok_or_else(nobody)?)
        }
        Part::MarketAt(address) => {
            let name = at(address)?;
            let there = |service: &ServiceStatus| {
                service.manager.to_string() == name
                    && matches!(service.report.service, ServiceId::Market { .. })
            };
            service(&there, 0)
        }
        Part::BrokerOf(account) => {
            let broker = ServiceId::Broker { account: account.clone(), shard: 0 };
            service(&|service| service.report.service == broker, 0)
        }
        Part::Broker(place) => {
            let broker = |id: &ServiceId| matches!(id, ServiceId::Broker { .. });
            service(&|service| live(service) && broker(&service.report.service), *place)
        }
        Part::Market(place) => {
            let market = |id: &ServiceId| matches!(id, ServiceId::Market { .. });
            service(&|service| live(service) && market(&service.report.service), *place)
        }
    }
}

impl Cluster {
    /// `kill -9` of this process alone.
    pub async fn kill(&mut self, victim: &Victim) {
        match victim {
            Victim::Member(node) => self.kill_member(*node).await,
            Victim::Manager(name) => self.kill_manager(name).await,
            Victim::Service { pid, .. } => kill_process(*pid),
        }
    }
}
