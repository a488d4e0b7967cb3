//! One life of a service: the process, what is known of it and the pipe to it. Decides when that life
//! counts as attended and by when it must be heard of; what follows is decided by `keeper`.

use super::{records::Record, setup::Setup};
use crate::{limits, process::Process};
use futures_util::FutureExt as _;
use std::sync::Arc;
use tokio::{sync::watch, time::Instant};
use tradewind_domain::{
    ids::{Fence, Incarnation, ServiceId},
    limits::CHECK_IN_WITHIN,
};
use tradewind_link::pipe::{self, Event, Events, Sender};
use tradewind_protocol::supervision::{Configuration, FromService, ToService};

pub(super) struct Life {
    pub(super) process: Process,
    pub(super) record: Record,
    pub(super) since: Instant,
    pub(super) link: Link,
    /// It had a pipe of ours once.
    attended: bool,
    heard: Instant,
    fence: watch::Sender<Fence>,
    /// What it was told over the pipe that stands.
    told: Option<Arc<Configuration>>,
}

/// The pipe to a service, as far as there is one.
#[derive(Default)]
pub(super) struct Link {
    ends: Option<(Sender<ToService>, Events<FromService>)>,
    up: bool,
}

impl Link {
    /// The next thing that happens on the pipe; never, while there is none. May be cancelled.
    pub(super) async fn next(&mut self) -> Option<Event<FromService>> {
        match &mut self.ends {
            Some((_, events)) => events.next().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    pub(super) fn is_dialling(&self) -> bool {
        self.ends.is_some()
    }

    pub(super) fn down(&mut self) {
        self.up = false;
    }

    pub(super) fn hang_up(&mut self) {
        *self = Self::default();
    }

    /// Sends at once or not at all: a service that reads nothing must not hold up its keeper.
    pub(super) fn send(&mut self, message: ToService) -> bool {
        let Some((sender, _)) = self.ends.as_ref().filter(|_| self.up) else { return false };
        sender.try_send(message).is_ok()
    }
}

impl Life {
    pub(super) fn new(process: Process, record: Record) -> Self {
        let now = Instant::now();
        Self {
            process,
            fence: watch::Sender::new(record.fence),
            record,
            since: now,
            link: Link::default(),
            attended: false,
            heard: now,
            told: None,
        }
    }

    /// By when something must have been heard, and what is wrong if nothing was.
    pub(super) fn deadline(&self) -> (Instant, &'static str) {
        if self.attended {
            (self.heard + limits::HUNG_AFTER, "it hung: nothing was heard of it for 10 s")
        } else {
            (self.heard + CHECK_IN_WITHIN, "it did not check in within 5 s")
        }
    }

    /// What is wrong `now`, at its deadline. Nothing, if we look so late that it was this Manager which
    /// stood still: what the service said meanwhile may wait to be read, so it has its time once more.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<&'static str> {
        let (deadline, wrong) = self.deadline();
        if now.duration_since(deadline) < limits::ASLEEP_AFTER {
            return Some(wrong);
        }
        self.heard = now;
        None
    }

    pub(super) fn heard_now(&mut self) {
        self.heard = Instant::now();
    }

    /// Opens the pipe to where the service says it is; re-dialled until it is hung up.
    pub(super) fn dial(&mut self, setup: &Arc<Setup>, service: &ServiceId) {
        let Some(address) = self.record.address.clone() else { return };
        let target = move || {
            let url = format!("{address}/v1/pipe");
            async move { Ok(url) }.boxed()
        };
        let (setup, service, fence) = (setup.clone(), service.clone(), self.fence.subscribe());
        let hello = move || setup.hello(&service, *fence.borrow());
        let ends = pipe::dial::<ToService, FromService>(target, hello, pipe::Options::default());
        self.link = Link { ends: Some(ends), up: false };
    }

    /// The other end has let us in. `false`: it is another process than the one that checked in.
    pub(super) fn up(&mut self, incarnation: Incarnation) -> bool {
        if self.record.incarnation.is_some_and(|known| known != incarnation) {
            return false;
        }
        self.link.up = true;
        self.attended = true;
        self.told = None;
        self.heard_now();
        true
    }

    /// Tells the service what it is to be, unless it was told. Returns whether its right has changed.
    pub(super) fn configure(&mut self, configuration: &Arc<Configuration>) -> bool {
        let fence = fence_of(configuration);
        let changed = fence != self.record.fence;
        self.record.fence = fence;
        self.fence.send_replace(fence);
        if self.link.is_up() && self.told.as_ref() != Some(configuration) {
            let message = ToService::Configure { configuration: (**configuration).clone() };
            if self.link.send(message) {
                self.told = Some(configuration.clone());
            } else {
                // It is told when the pipe stands anew.
                self.link.hang_up();
            }
        }
        changed
    }
}

/// The right under which a configuration was made.
pub(crate) fn fence_of(configuration: &Configuration) -> Fence {
    match configuration {
        Configuration::Broker { wanted } => wanted.fence,
        Configuration::Market { wanted } => wanted.fence,
        Configuration::Trader { wanted, .. } => wanted.fence,
    }
}
