//! How often one address may connect. Decides who is turned away: a venue that is connected to too often refuses, as
//! others do, and counts what it has refused for the judge.

use crate::wire::Connects;
use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tradewind_protocol::asks::ConnectsAllowed;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    allowed: Option<ConnectsAllowed>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Connects let in within the time that counts.
    let_in: BTreeMap<IpAddr, VecDeque<Instant>>,
    count: Connects,
}

impl Door {
    pub(crate) fn new(allowed: Option<ConnectsAllowed>) -> Self {
        Self { allowed, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self) -> Connects {
        Connects { allowed: self.allowed, ..self.state().count }
    }

    /// Lets one in, or says after how long the next one may come.
    pub(crate) fn enter(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut state = self.state();
        if let Some(ConnectsAllowed { connects, within_ms }) = self.allowed {
            let within = Duration::from_millis(within_ms);
            // Addresses that have not come for so long are forgotten.
            state.let_in.retain(|_, times| {
                times.retain(|at| now.duration_since(*at) < within);
                !times.is_empty()
            });
            let times = state.let_in.entry(from).or_default();
            if times.len() >= usize::try_from(connects).unwrap_or(usize::MAX) {
                let first = times.front().map_or(within, |at| within - now.duration_since(*at));
                state.count.refused += 1;
                return Err(first);
            }
            times.push_back(now);
        }
        state.count.let_in += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_let_in_so_often_within_the_time_and_then_again() {
        let door = Door::new(Some(ConnectsAllowed { connects: 2, within_ms: 1_000 }));
        let (one, other) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(door.enter(one, at(0)), Ok(()));
        assert_eq!(door.enter(one, at(100)), Ok(()));
        assert_eq!(door.enter(one, at(400)), Err(Duration::from_millis(600)));
        assert_eq!(door.enter(other, at(400)), Ok(()));
        assert_eq!(door.enter(one, at(1_000)), Ok(()));
        assert_eq!((door.counts().let_in, door.counts().refused), (4, 1));
    }
}
