//! Ledgers that have a second copy, at a simulated BrokerManager and its Brokers: filled, joined, sealed, loaded. Decides what a
//! Broker tells of them and when it may act, as `domain::trading::copies` has it: once its copy has joined it goes on only
//! with that, not sealed at a higher right, or under another naming that it was told; who continues a ledger does nothing
//! before it counts.

use super::Manager;
use crate::{
    planted::Planted,
    sites::{Post, Service, Site},
    world::World,
};
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        copies::LedgerTold,
        desired::{CopiesWanted, Work},
        plan::Ledgers,
    },
    ids::{AccountId, Fence, ManagerId, ServiceId},
};

/// A copy where it is kept, on a disk that outlives everything here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    /// The naming under which it is filled.
    since: Fence,
    joined: bool,
    /// The highest right by which it was greeted.
    greeted: Fence,
}

/// By account and by who keeps it.
pub(crate) type Copies = BTreeMap<(AccountId, ManagerId), Kept>;

/// What a Broker was told of its ledger last, and when it is through with that.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    wanted: CopiesWanted,
    done_at: u64,
}

impl Manager {
    /// Brokers at work are told of their ledgers' copies, and tell.
    pub(super) fn tell_ledgers(&self) -> Ledgers {
        let (here, now) = (self.here(), self.now());
        let Some(desired) = here.intent.borrow().clone() else { return Ledgers::new() };
        let Work::Brokers { brokers, .. } = desired.work else { return Ledgers::new() };
        let mut services = here.services.borrow_mut();
        let told = brokers.into_iter().filter_map(|broker| {
            let (account, shard) = (broker.account.clone(), broker.shard);
            let held = services.get_mut(&ServiceId::Broker { account, shard })?;
            let at_work = held.epoch == broker.fence.epoch && held.is_at_work(now);
            let wanted = broker.copies.filter(|_| at_work)?;
            let before = held.ledger.as_ref().map(|ledger| &ledger.wanted);
            if before != Some(&wanted) {
                let done_at = now + self.site().chance.within(30..400);
                held.ledger = Some(Ledger { wanted, done_at });
            }
            let ledger = held.ledger.as_ref()?;
            let told = tell(&self.world, self.site(), here, &broker.account, ledger, now);
            Some((broker.account, told))
        });
        told.collect()
    }
}

/// Whether a Broker reaches the process that keeps its copy.
fn reaches(world: &World, from: &Site, holder: &ManagerId) -> bool {
    let Some((site, post)) = world.post(holder) else { return false };
    let awake = site.stalled_until.get() <= world.elapsed_ms();
    post.life.get().is_some() && awake && !world.is_cut(&from.name, &site.name)
}

fn tell(
    world: &World,
    site: &Site,
    here: &Post,
    account: &AccountId,
    ledger: &Ledger,
    now: u64,
) -> LedgerTold {
    let CopiesWanted { right, naming, succeeds, .. } = &ledger.wanted;
    let (since, nothing) = (naming.since, LedgerTold::default());
    let joined = here.joined.borrow().get(account) == Some(&since);
    let says_joined = LedgerTold { joined: joined.then_some(since), ..nothing };
    let Some(holder) = naming.holder.as_ref().filter(|holder| reaches(world, site, holder)) else {
        return if *succeeds { nothing } else { says_joined };
    };
    let mut copies = world.copies.borrow_mut();
    let copy = copies.entry((account.clone(), holder.clone())).or_default();
    // Another was given a higher right, or another naming, and has been here.
    if copy.greeted > *right || copy.since > since {
        return nothing;
    }
    copy.greeted = *right;
    if *succeeds {
        if copy.since != since || !copy.joined {
            return LedgerTold { not_whole: Some(*right), ..nothing };
        }
        if now < ledger.done_at {
            return nothing;
        }
        // The joining record is in what it has loaded.
        here.joined.borrow_mut().insert(account.clone(), since);
        return LedgerTold { loaded: Some(*right), ..nothing };
    }
    if copy.since < since {
        *copy = Kept { since, joined: false, ..*copy };
    }
    if !joined && now >= ledger.done_at {
        // First on its own disk.
        here.joined.borrow_mut().insert(account.clone(), since);
        copy.joined = true;
    }
    says_joined
}

/// Whether a Broker may act on what it has the right to.
pub(crate) fn may_act(
    world: &World,
    site: &Site,
    post: &Post,
    service: &ServiceId,
    held: &Service,
) -> bool {
    let ServiceId::Broker { account, .. } = service else { return true };
    let joined = post.joined.borrow().get(account).copied();
    let Some(Ledger { wanted, .. }) = &held.ledger else {
        // It waits to be told who keeps the copy, and whether it counts at all; one that is not wanted any more before it was
        // told may have had a copy.
        let waits = match post.intent.borrow().as_ref().map(|desired| &desired.work) {
            Some(Work::Brokers { brokers, .. }) => {
                !brokers.iter().any(|one| one.account == *account && one.copies.is_none())
            }
            _ => false,
        };
        return joined.is_none() && !waits;
    };
    if wanted.succeeds {
        return false;
    }
    let since = wanted.naming.since;
    let Some(holder) = wanted.naming.holder.as_ref().filter(|_| joined == Some(since)) else {
        return true;
    };
    if world.planted == Some(Planted::GoesOnAlone) {
        return true;
    }
    let copies = world.copies.borrow();
    let copy = copies.get(&(account.clone(), holder.clone()));
    let serves = |copy: &Kept| copy.since == since && copy.greeted <= wanted.right;
    reaches(world, site, holder) && copy.is_some_and(serves)
}
