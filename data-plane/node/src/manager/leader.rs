//! The leader as a Manager has it: its pipe, and what arrived over it. Decides nothing; of what was told nothing outlives
//! the pipe that it came over, but for what counted.

use std::future::pending;
use tradewind_domain::control::telling::Assembly;
use tradewind_link::pipe::{Accepted, Event, Events, Sender};
use tradewind_protocol::supervision::{FromManager, ToManager};

pub(super) struct Leader {
    pub(super) name: String,
    /// It knows beats that say that nothing has changed.
    pub(super) knows_still: bool,
    pub(super) sender: Sender<FromManager>,
    events: Events<ToManager>,
    /// What it has told so far.
    pub(super) assembly: Assembly,
}

impl Leader {
    pub(super) fn new(accepted: Accepted<FromManager, ToManager>) -> Self {
        let Accepted { hello, sender, events } = accepted;
        let knows_still = hello.protocol.max >= 2;
        Self { name: hello.from, knows_still, sender, events, assembly: Assembly::default() }
    }
}

/// What arrives next; nothing without a leader. May be cancelled.
pub(super) async fn next_of(leader: &mut Option<Leader>) -> Option<Event<ToManager>> {
    match leader {
        Some(leader) => leader.events.next().await,
        None => pending().await,
    }
}
