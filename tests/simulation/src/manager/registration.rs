//! A simulated Manager's registration: what it says of itself, what it makes of the answer, and when another build is put in its
//! place. Decides nothing else.

use super::{ALONE_AFTER_MS, CAPACITY, CHECK_IN_AGAIN_MS, Manager, STALL_LOOK_MS};
use crate::{planted::Planted, wire::millis, world::World};
use std::{collections::BTreeMap, future::pending};
use tokio::time::{Instant, sleep};
use tradewind_domain::{
    control::{
        Command, Outcome, Refusal,
        level::{CheckInKnowing, LevelCommand},
    },
    ids::Incarnation,
};

/// Returns when another build is to run in the place of the one that begins now.
pub(super) async fn exchanged(world: &World, site: usize, post: usize) {
    let knows = || world.builds.of_manager(site, post, world.elapsed_ms());
    let began = knows();
    if began.is_none() || began == Some(world.builds.end()) {
        return pending().await;
    }
    while knows() == began {
        sleep(millis(STALL_LOOK_MS)).await;
    }
}

impl Manager {
    pub(super) fn check_in(&self) -> Command {
        let here = self.here();
        let address: std::net::IpAddr = turmoil::lookup(self.site().name.as_str());
        let life = match self.world.planted {
            // A machine whose disk is another one says that it is the one of before.
            Some(Planted::OtherDiskUntold) => 1,
            _ => self.life,
        };
        let disk = here.disks.borrow().get(&life).copied().unwrap_or(here.disk.get());
        let (manager, location) = (here.manager.clone(), self.site().location.clone());
        let (address, node) = (format!("{address}:{}", here.port), self.node.clone());
        let (incarnation, capacity) = (Incarnation(self.life), CAPACITY);
        match self.knows {
            Some(level) => Command::Level(LevelCommand::CheckIn(CheckInKnowing {
                manager,
                location,
                address,
                incarnation,
                capacity,
                disk: Some(disk),
                node: Some(node),
                level,
            })),
            None => Command::CheckInFrom {
                disk,
                node,
                manager,
                location,
                address,
                incarnation,
                capacity,
            },
        }
    }

    /// Whether it was dropped and stops.
    pub(super) fn on_checked_in(&mut self, outcome: Option<Outcome>) -> bool {
        self.checking_in = false;
        let refused = match outcome {
            Some(Outcome::Refused { refusal: Refusal::Dropped { .. } }) => return true,
            Some(Outcome::Refused { refusal: Refusal::OtherManagerDisk { .. } }) => {
                if self.registered {
                    return true;
                }
                // The name is another disk's. What was given to this one before is not its any more; it waits.
                self.unasked.told();
                self.here().intent.replace(None);
                self.end_all_but(&BTreeMap::new());
                true
            }
            Some(Outcome::Accepted { .. }) => {
                self.unasked.answered(Instant::now());
                false
            }
            Some(Outcome::Refused { .. }) => {
                self.unasked.answered(Instant::now());
                true
            }
            None => true,
        };
        self.registered |= !refused;
        let wait = if refused { CHECK_IN_AGAIN_MS } else { ALONE_AFTER_MS };
        self.check_in_at = Instant::now() + millis(wait);
        false
    }
}
