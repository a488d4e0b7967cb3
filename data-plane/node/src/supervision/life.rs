//! One life of a service: the process, what is known of it and the pipe to it. Decides when that life
//! counts as attended and by when it must be heard of; what follows is decided by `keeper`.

use super::{records::Record, setup::Setup};
use crate::{limits, process::Process};
use futures_util::FutureExt as _;
use std::sync::Arc;
use tokio::{sync::watch, time::Instant};
use tradewind_domain::{
    control::handed_back::Failure,
    ids::{Fence, Incarnation, ServiceId},
    limits::{BEAT_EVERY, CHECK_IN_WITHIN, CRASH_WINDOW},
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
    /// Why there is no pipe, since one was last dialled or fell.
    lost: Option<String>,
    fence: watch::Sender<Fence>,
    /// What it was told over the pipe that stands.
    told: Option<Arc<Configuration>>,
    /// The last beat heard over the pipe that stands.
    beat: u64,
    pace: Pace,
}

/// How much of a service's words is taken: one that floods its pipe waits, and costs nobody else anything.
struct Pace {
    since: Instant,
    taken: u32,
}

/// What is wrong with a life of which nothing is heard: in words, and as it is told to the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overdue {
    pub(super) why: &'static str,
    pub(super) failure: Failure,
}

impl Overdue {
    const HUNG: Self =
        Self { why: "it hung: nothing was heard of it for 10 s", failure: Failure::Hung };
    const NEVER_CHECKED_IN: Self =
        Self { why: "it did not check in within 5 s", failure: Failure::NeverCheckedIn };
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
            lost: None,
            told: None,
            beat: 0,
            pace: Pace { since: now, taken: 0 },
        }
    }

    /// Something came over its pipe.
    pub(super) fn message(&mut self) {
        let now = Instant::now();
        if now >= self.listens_at() {
            self.pace = Pace { since: now, taken: 0 };
        }
        self.pace.taken += 1;
    }

    /// Whether more is taken of it now. While it is not, its own queue fills.
    pub(super) fn listens(&self) -> bool {
        self.pace.taken < limits::MESSAGES_A_BEAT
    }

    pub(super) fn listens_at(&self) -> Instant {
        self.pace.since + BEAT_EVERY
    }

    pub(super) fn listen_again(&mut self) {
        self.pace = Pace { since: Instant::now(), taken: 0 };
    }

    /// By when something must have been heard, and what is wrong if nothing was.
    pub(super) fn deadline(&self) -> (Instant, Overdue) {
        if self.attended {
            (self.heard + limits::HUNG_AFTER, Overdue::HUNG)
        } else {
            (self.heard + CHECK_IN_WITHIN, Overdue::NEVER_CHECKED_IN)
        }
    }

    /// What is wrong `now`, at its deadline. Nothing, if we look so late that it was this Manager which
    /// stood still: what the service said meanwhile may wait to be read, so it has its time once more.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Overdue> {
        let (deadline, wrong) = self.deadline();
        if now.duration_since(deadline) < limits::ASLEEP_AFTER {
            return Some(wrong);
        }
        self.heard = now;
        None
    }

    /// In words: one that has checked in and lets nobody in has not failed to check in.
    pub(super) fn told_why(&self, wrong: Overdue) -> String {
        match &self.lost {
            Some(lost) if wrong == Overdue::NEVER_CHECKED_IN => {
                format!("no pipe to it stood within 5 s: {lost}")
            }
            Some(_) | None => wrong.why.to_owned(),
        }
    }

    /// The pipe fell, or could not be opened.
    pub(super) fn down(&mut self, why: String) {
        self.link.down();
        self.lost = Some(why);
    }

    /// When what came before is forgiven: it has lived for a whole window.
    pub(super) fn forgiven_at(&self) -> Instant {
        self.since + CRASH_WINDOW
    }

    fn heard_now(&mut self) {
        self.heard = Instant::now();
    }

    /// Answers a beat: whether a leader stands behind this Manager.
    pub(super) fn beaten(&mut self, n: u64, confirmed: bool) {
        self.heard_now();
        self.beat = n;
        self.answer(confirmed);
    }

    /// A leader stands behind this Manager again, or no more. That none does must not wait for the next beat.
    pub(super) fn standing_changed(&mut self, confirmed: bool) {
        if !confirmed && self.beat > 0 {
            self.answer(confirmed);
        }
    }

    fn answer(&mut self, confirmed: bool) {
        let n = self.beat;
        let answer = if confirmed { ToService::BeatAnswer { n } } else { ToService::Heard { n } };
        self.link.send(answer);
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
        let secret = self.record.pipe_token.clone();
        let ends = pipe::dial_with_secret(secret, target, hello, limits::service_pipe());
        self.lost = None;
        self.link = Link { ends: Some(ends), up: false };
    }

    /// The other end has let us in. `false`: it is another process than the one that checked in.
    pub(super) fn up(&mut self, incarnation: Incarnation) -> bool {
        if self.record.incarnation.is_some_and(|known| known != incarnation) {
            return false;
        }
        self.link.up = true;
        self.lost = None;
        self.attended = true;
        self.told = None;
        self.beat = 0;
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

/// Whether what crashed under the one is tried anew under the other at once: another right, or another command.
pub(super) fn is_another_try(held: &Configuration, next: &Configuration) -> bool {
    let command = |configuration: &Configuration| match configuration {
        Configuration::Trader { wanted, .. } => Some(wanted.command.clone()),
        Configuration::Broker { .. } | Configuration::Market { .. } => None,
    };
    fence_of(held) != fence_of(next) || command(held) != command(next)
}

/// The right under which a configuration was made.
pub(crate) fn fence_of(configuration: &Configuration) -> Fence {
    match configuration {
        Configuration::Broker { wanted } => wanted.fence,
        Configuration::Market { wanted } => wanted.fence,
        Configuration::Trader { wanted, .. } => wanted.fence,
    }
}
