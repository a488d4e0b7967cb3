//! The leader's pipes, one task each: a Manager's orders down, its beats up. Decides when a Manager is
//! told anew and whether a beat is answered: only while the leadership is confirmed and the registration
//! stands, since an answer renews a lease, and only to a Manager that was told on this connection, to the last part, what it
//! should be: one that was away may not know of its cordon. A task may be aborted at any await: the pipe closes with it.

use super::{
    Context,
    inbox::Inbox,
    observe::{Registration, Report, What},
};
use crate::limits::{DESIRED_EVERY, LOOK_EVERY, PARTS_AHEAD, PARTS_EVERY, UNTOLD_AGAIN_AFTER};
use futures_util::FutureExt as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    future::ready,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};
use tradewind_domain::{
    control::{
        Machine,
        row::ManagerState,
        telling::{Item, News, Teller},
    },
    ids::{Epoch, Fence, ManagerId, Revision},
    limits::DESIRED_PART_BYTES,
};
use tradewind_link::pipe::{self, Event, Lost};
use tradewind_protocol::{
    link::{Hello, PROTOCOL},
    supervision::{FromManager, ServiceReport, ToManager},
};

/// The protocol from which on Managers are told what they should be in parts.
const PARTS_SINCE: u32 = 3;

/// All pipes of one leadership. Dropped, they all close.
pub(super) struct Pipes {
    context: Context,
    /// What this leader shows to the Managers: they refuse a lower one.
    right: Epoch,
    reports: Inbox,
    tasks: JoinSet<()>,
    open: BTreeMap<ManagerId, (Registration, AbortHandle)>,
}

impl Pipes {
    pub(super) fn new(context: Context, right: Epoch, reports: Inbox) -> Self {
        Self { context, right, reports, tasks: JoinSet::new(), open: BTreeMap::new() }
    }

    /// Opens and closes pipes until there is one to every live Manager. Gives the registrations that
    /// are new here, and the Managers that are gone.
    pub(super) fn follow(&mut self, machine: &Machine) -> (Vec<Registration>, Vec<ManagerId>) {
        while self.tasks.try_join_next().is_some() {}
        let live = machine.managers().filter(|row| row.state == ManagerState::Live);
        let live: BTreeMap<ManagerId, Registration> =
            live.map(|row| (row.manager.clone(), Registration::from(row))).collect();
        let gone = self.open.keys().filter(|id| !live.contains_key(id)).cloned();
        let gone: Vec<ManagerId> = gone.collect();
        for manager in &gone {
            if let Some((_, task)) = self.open.remove(manager) {
                task.abort();
            }
        }
        let mut new = Vec::new();
        for (manager, of) in live {
            if self.open.get(&manager).is_some_and(|(held, _)| *held == of) {
                continue;
            }
            let pipe = Pipe {
                context: self.context.clone(),
                of: of.clone(),
                reports: self.reports.clone(),
                teller: Teller::default(),
                news: None,
                is_up: false,
                beaten: None,
            };
            let task = self.tasks.spawn(pipe.run(machine.fence(self.right)));
            if let Some((_, before)) = self.open.insert(manager, (of.clone(), task)) {
                before.abort();
            }
            new.push(of);
        }
        (new, gone)
    }
}

struct Pipe {
    context: Context,
    of: Registration,
    reports: Inbox,
    /// What the Manager knows by the connection that stands.
    teller: Teller,
    /// What it is being told: its parts wait for room.
    news: Option<News>,
    /// The registered life has accepted the pipe.
    is_up: bool,
    /// What the last beat on the connection that stands has told: services and confirmed cordons.
    beaten: Option<(Vec<ServiceReport>, BTreeSet<Epoch>)>,
}

impl Pipe {
    async fn run(mut self, fence: Fence) {
        let (address, to) = (self.of.address.clone(), self.of.manager.to_string());
        let (node, incarnation) = (self.context.node, self.context.incarnation);
        let target = move || ready(Ok(format!("{address}/v1/pipe"))).boxed();
        let hello = move || Hello {
            protocol: PROTOCOL,
            purpose: "manager".to_owned(),
            from: format!("infrastructure-manager.{node}"),
            to: to.clone(),
            incarnation,
            fence,
        };
        let (sender, mut events) =
            pipe::dial::<ToManager, FromManager>(target, hello, pipe::Options::default());
        tracing::debug!(manager = %self.of.manager, epoch = %fence.epoch, "dialling manager");
        let mut machine = self.context.replica.watch_machine();
        let mut due = None::<Instant>;
        loop {
            let wake = due.unwrap_or_else(Instant::now);
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.event(event, &sender, &mut due),
                    None => return,
                },
                changed = machine.changed(), if due.is_none() => match changed {
                    Ok(()) => due = Some(Instant::now() + DESIRED_EVERY),
                    Err(_) => return,
                },
                () = sleep_until(wake), if due.is_some() => {
                    let again = self.tell(&mut machine, &sender);
                    due = again.map(|wait| Instant::now() + wait);
                }
            }
        }
    }

    fn event(
        &mut self,
        event: Event<FromManager>,
        sender: &pipe::Sender<ToManager>,
        due: &mut Option<Instant>,
    ) {
        match event {
            Event::Up { incarnation, protocol } => {
                self.begin_anew();
                self.is_up = incarnation == self.of.incarnation;
                if protocol < PARTS_SINCE {
                    tracing::error!(manager = %self.of.manager, protocol, "it cannot be told anything: its build is too old");
                    self.is_up = false;
                }
                *due = Some(Instant::now());
                self.report(What::Up { incarnation });
            }
            Event::Message(FromManager::Beat { n, services, sessions, cordons }) if self.is_up => {
                self.beaten = Some((services, cordons));
                self.beat(n, sessions, sender);
            }
            Event::Message(FromManager::StillBeat { n, sessions }) if self.is_up => {
                self.beat(n, sessions, sender);
            }
            Event::Message(FromManager::Beat { .. } | FromManager::StillBeat { .. }) => {}
            Event::Down(lost) => {
                if self.is_up {
                    tracing::info!(manager = %self.of.manager, %lost, "pipe to manager lost");
                }
                self.is_up = false;
                self.begin_anew();
                let refused = lost == Lost::ConnectRefused;
                self.report(if refused { What::Refused } else { What::Down });
            }
        }
    }

    fn beat(&self, n: u64, sessions: u64, sender: &pipe::Sender<ToManager>) {
        let Some((services, cordons)) = self.beaten.clone() else {
            tracing::warn!(manager = %self.of.manager, n, "a beat that tells nothing, and none before it");
            return;
        };
        let report = self.reported(What::Beat { services, sessions, cordons });
        let holds = || self.teller.has_told() && self.still_holds();
        if self.reports.is_answered(report, holds) {
            // A pipe that is full or gone has its own end: the beat just stays unanswered.
            let _ = sender.try_send(ToManager::BeatAnswer { n });
        }
    }

    /// Whether a lease may be renewed: this member leads for sure, and the Manager is what it was.
    fn still_holds(&self) -> bool {
        let machine = self.context.replica.machine();
        let row = machine.manager(&self.of.manager);
        row.is_some_and(|row| row.state == ManagerState::Live && Registration::from(row) == self.of)
            && self.context.replica.confirmed_leader()
    }

    fn begin_anew(&mut self) {
        (self.teller, self.news, self.beaten) = (Teller::default(), None, None);
    }

    /// Sends what the Manager should run, if that is news to it, as far as there is room. When to look again; `None`: at
    /// the next change.
    fn tell(
        &mut self,
        machine: &mut watch::Receiver<(Revision, Machine)>,
        sender: &pipe::Sender<ToManager>,
    ) -> Option<Duration> {
        if !self.is_up {
            return None;
        }
        if self.news.is_none() {
            let (revision, state) = machine.borrow_and_update().clone();
            self.news = self.teller.news(&state, revision, &self.of.manager);
        }
        let mut news = self.news.take()?;
        if !self.still_holds() {
            self.news = Some(news);
            return Some(LOOK_EVERY);
        }
        while sender.queued() < PARTS_AHEAD {
            let Some(part) = news.part(DESIRED_PART_BYTES, size_of) else {
                self.teller.told(news);
                // What has changed meanwhile.
                return Some(DESIRED_EVERY);
            };
            match sender.try_send(ToManager::Desired { part }) {
                Ok(()) => {}
                // `Up` comes again and with it another telling.
                Err(pipe::SendError::NotUp | pipe::SendError::Full) => {
                    self.teller.broke_off();
                    return Some(LOOK_EVERY);
                }
                Err(error @ pipe::SendError::Unsendable(_)) => {
                    tracing::error!(manager = %self.of.manager, %error, "what it should be cannot be told");
                    self.context.metrics.untold();
                    self.teller.broke_off();
                    return Some(UNTOLD_AGAIN_AFTER);
                }
            }
        }
        self.news = Some(news);
        Some(PARTS_EVERY)
    }

    fn report(&self, what: What) {
        self.reports.put(self.reported(what));
    }

    fn reported(&self, what: What) -> Report {
        Report { of: self.of.clone(), at: (self.context.clocks.monotonic)(), what }
    }
}

fn size_of(item: &Item) -> usize {
    // What has no form is found when it is to be sent.
    serde_json::to_vec(item).map_or(0, |bytes| bytes.len())
}
