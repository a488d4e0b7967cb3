//! What a simulated Manager makes of what it was told: what is to run, what may not be started yet, and which rights of
//! Traders its Brokers have on record. Decides nothing about time.

use crate::sites::Post;
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{
        Desired,
        desired::Work,
        handed_back::{Exit, Failure},
        plan::Fenced,
    },
    ids::{AccountId, Epoch, ServiceId},
};

/// T1: an earlier copy of this Trader may still be accepted somewhere.
pub(super) fn is_fencing(desired: &Desired, service: &ServiceId) -> bool {
    match (&desired.work, service) {
        (Work::Traders { traders, .. }, ServiceId::Trader { trader }) => {
            traders.iter().any(|one| one.trader == *trader && one.fencing)
        }
        _ => false,
    }
}

/// What Brokers at work have on record of what they were asked.
pub(super) fn on_record(here: &Post, now: u64) -> Fenced {
    let Some(desired) = here.intent.borrow().clone() else { return Fenced::new() };
    let Work::Brokers { brokers, .. } = desired.work else { return Fenced::new() };
    let services = here.services.borrow();
    let at_work = brokers.into_iter().filter(|broker| {
        let (account, shard) = (broker.account.clone(), broker.shard);
        let held = services.get(&ServiceId::Broker { account, shard });
        held.is_some_and(|held| held.live_at <= now && held.epoch == broker.fence.epoch)
    });
    let on_record = at_work.map(|broker| {
        let rights = broker.fences.into_iter().map(|fence| (fence.trader, fence.epoch));
        (broker.account, rights.collect())
    });
    on_record.collect()
}

/// Brokers that it has, also those that it stops.
pub(super) fn has_brokers(here: &Post) -> BTreeSet<(AccountId, u16)> {
    let services = here.services.borrow();
    let brokers = services.keys().filter_map(|service| match service {
        ServiceId::Broker { account, shard } => Some((account.clone(), *shard)),
        ServiceId::Trader { .. } | ServiceId::Market { .. } => None,
    });
    brokers.collect()
}

/// What of that it gives up: it ends as soon as it is at work, again and again.
pub(super) fn given_up(here: &Post, now: u64) -> BTreeMap<ServiceId, Failure> {
    let (services, broken) = (here.services.borrow(), here.broken.borrow());
    let ended = services.iter().filter(|(service, held)| {
        broken.contains(service) && held.live_at <= now && held.ends_at.is_none()
    });
    ended.map(|(service, _)| (service.clone(), Failure::Ended { exit: Exit::Code(1) })).collect()
}

/// What a desired state wants to run here, and under which right.
pub(crate) fn wanted(desired: &Desired) -> BTreeMap<ServiceId, Epoch> {
    match &desired.work {
        Work::Brokers { brokers, .. } => brokers
            .iter()
            .map(|broker| {
                let (account, shard) = (broker.account.clone(), broker.shard);
                (ServiceId::Broker { account, shard }, broker.fence.epoch)
            })
            .collect(),
        Work::Traders { traders, .. } => traders
            .iter()
            .map(|one| (ServiceId::Trader { trader: one.trader.clone() }, one.fence.epoch))
            .collect(),
        Work::Markets { .. } => BTreeMap::new(),
    }
}
