//! What a simulated Manager does about what it was told: what it starts and ends, and what it says of that with a beat.
//! Decides that nothing new is started without a lease, behind a cordon that it has confirmed, and before a leader has told
//! it in this life or none has answered for long.

use super::{
    Manager,
    told::{is_fencing, wanted},
};
use crate::{planted::Planted, sites::Service};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::Desired,
    ids::{Epoch, ServiceId},
};

impl Manager {
    pub(super) fn reconsider(&self) {
        if self.unasked.waits() {
            return;
        }
        let Some(desired) = self.here().intent.borrow().clone() else { return };
        // Behind a cordon that it has confirmed nothing is started that was not there.
        let open = self.confirmed.is_disjoint(&desired.cordons)
            || self.world.planted == Some(Planted::CordonConfirmedEarly);
        self.apply(&desired, self.holds() && open);
    }

    /// No leader has answered for long: losing the control plane kills nothing.
    pub(super) fn go_on_alone(&mut self) {
        self.unasked.told();
        if let Some(desired) = self.here().intent.borrow().clone() {
            self.apply(&desired, true);
        }
    }

    pub(super) fn end_all_but(&self, wanted: &BTreeMap<ServiceId, Epoch>) {
        let (here, now, chance) = (self.here(), self.now(), &self.site().chance);
        here.reap(now);
        for (service, held) in here.services.borrow_mut().iter_mut() {
            if wanted.get(service) != Some(&held.epoch) && held.ends_at.is_none() {
                held.ends_at = Some(now + chance.within(10..300));
            }
        }
    }

    fn apply(&self, desired: &Desired, start_new: bool) {
        let (here, now, chance) = (self.here(), self.now(), &self.site().chance);
        let wanted = wanted(desired);
        self.end_all_but(&wanted);
        let mut services = here.services.borrow_mut();
        for (service, epoch) in wanted {
            // One that still stops is started anew once it has; T1: an earlier copy of a Trader may still be accepted.
            if !start_new || services.contains_key(&service) || is_fencing(desired, &service) {
                continue;
            }
            let live_at = now + chance.within(20..400);
            self.world.note(&format!("{} starts {service} {epoch}", here.manager));
            let overseen = self.world.overseen.borrow();
            if here.started.borrow_mut().insert((service.clone(), epoch)) {
                let begun = Some((&service, epoch));
                overseen.came(&self.world, here, &service.to_string(), begun);
            }
            if !self.told {
                overseen.resumed(&self.world, here, &service, epoch);
            }
            services.insert(service, Service { epoch, live_at, ends_at: None, ledger: None });
        }
        drop(services);
        if desired.empties {
            here.sessions.borrow_mut().pop_first();
        }
    }

    /// The cordons it confirms, what it holds, and what of that is not at work yet.
    pub(super) fn own_word(&self, now: u64) -> (BTreeSet<Epoch>, u64, u32) {
        let (here, planted) = (self.here(), self.world.planted);
        here.reap(now);
        let services = here.services.borrow();
        let arrived = |(service, epoch): (&ServiceId, &Epoch)| {
            let held = services.get(service).filter(|held| held.epoch == *epoch);
            held.is_some_and(|held| held.live_at <= now && held.ends_at.is_none())
        };
        let early = planted == Some(Planted::CordonConfirmedEarly);
        let cordons = match &*here.intent.borrow() {
            Some(desired) if early || wanted(desired).iter().all(arrived) => {
                desired.cordons.clone()
            }
            _ => BTreeSet::new(),
        };
        let starting = services.values().filter(|held| held.live_at > now).count() as u32;
        let held = match planted {
            Some(Planted::HeldUntold) => 0,
            _ => (services.len() + here.sessions.borrow().len()) as u64,
        };
        (cordons, held, starting)
    }
}
