//! Seats: how many connections are open, in all and from one address. Decides who gets in; a seat is
//! held by the connection itself, so that an upgraded one counts until it is closed.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

#[derive(Default)]
struct Taken {
    in_all: usize,
    from: HashMap<IpAddr, usize>,
}

/// All seats of one listener.
#[derive(Clone)]
pub(super) struct Seats {
    taken: Arc<Mutex<Taken>>,
    in_all_max: usize,
    per_address_max: usize,
}

/// One open connection; dropping it frees the seat.
pub(super) struct Seat {
    seats: Seats,
    address: IpAddr,
}

impl Seats {
    pub(super) fn new(in_all_max: usize, per_address_max: usize) -> Self {
        Self { taken: Arc::default(), in_all_max, per_address_max }
    }

    /// A seat, if one is free.
    pub(super) fn take(&self, address: IpAddr) -> Option<Seat> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let from = taken.from.get(&address).copied().unwrap_or(0);
        if taken.in_all >= self.in_all_max || from >= self.per_address_max {
            return None;
        }
        taken.in_all += 1;
        taken.from.insert(address, from + 1);
        Some(Seat { seats: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.in_all = taken.in_all.saturating_sub(1);
        match taken.from.get_mut(&self.address) {
            Some(from) if *from > 1 => *from -= 1,
            _ => {
                taken.from.remove(&self.address);
            }
        }
    }
}
