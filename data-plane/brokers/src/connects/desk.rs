//! Where the Brokers of a BrokerManager are answered. Decides nothing: who may connect is decided in `connects`.

use super::Connects;
use crate::venue::Dials;
use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};
use tradewind_domain::{
    ids::{ServiceId, VenueId},
    time::Monotonic,
};
use tradewind_protocol::asks::ServiceAnswer;

/// One for all Brokers of the Manager.
pub(crate) struct Desk {
    born: Instant,
    connects: Mutex<Connects>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { born: Instant::now(), connects: Mutex::new(Connects::new(Monotonic(0))) }
    }
}

impl Desk {
    pub(crate) fn ask(&self, service: &ServiceId, venue: &VenueId, dials: &Dials) -> ServiceAnswer {
        let now = Monotonic(0) + self.born.elapsed();
        let mut connects = self.connects.lock().unwrap_or_else(PoisonError::into_inner);
        match connects.ask(service, dials, now) {
            Ok(left) => ServiceAnswer::Connect { left },
            Err(wait) => {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(%service, %venue, wait_ms, "has to wait before it connects");
                ServiceAnswer::Wait { wait_ms }
            }
        }
    }
}
