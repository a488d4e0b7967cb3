//! The task of a Manager. Decides when it checks in, whose pipe it listens to, when it beats and what
//! is done when the desired state, the lease or the services change. May be aborted: what counts is on
//! disk, and the services go on.

use super::{
    asking::{Asking, done, due},
    cordon,
    intent::{Intent, Verdict},
    leader::{Leader, next_of},
    lease::Lease,
    options::Options,
    proof::Proof,
    standing::Shown,
    work::Work,
};
use crate::{
    limits,
    supervision::{Reports, Supervisor},
};
use std::{collections::BTreeSet, sync::Arc, time::Instant};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
    time::{Interval, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::{
    control::{Desired, level::FeatureLevel, unasked::Unasked},
    ids::{DiskId, Epoch, Incarnation, NodeName},
    limits::BEAT_EVERY,
};
use tradewind_link::pipe::{Accepted, Event, SendError};
use tradewind_protocol::{
    Code, Problem, Retry,
    check_in::{ManagerCheckIn, ManagerCheckedIn},
    supervision::{FromManager, ToManager},
};

/// The number of a beat, and the services and confirmed cordons that it told.
type Told = (u64, Reports, BTreeSet<Epoch>);

pub(super) struct Core<W> {
    options: Options,
    incarnation: Incarnation,
    disk: DiskId,
    node: NodeName,
    address: String,
    work: Arc<W>,
    control: ControlClient,
    keys: Arc<KeySource>,
    supervisor: Supervisor,
    proof: Proof,
    intent: Intent,
    unasked: Unasked<tokio::time::Instant>,
    lease: Lease,
    shown: Shown,
    /// Cancelled when a drain has dropped this Manager, or another life has its name: it stops in order.
    dropped: CancellationToken,
    leader: Option<Leader>,
    /// Whether this life was registered, as far as it was told. Before that a pipe proves nothing: the leader may be
    /// dialling the life before, and would hear of this one only after having taken that for down.
    registered: bool,
    beats: u64,
    /// What the leader knows once that beat is answered; before, it may have left it out. The next ones need not tell it.
    told: Option<Told>,
    answered: u64,
    /// The cordons that the last beat has confirmed.
    confirmed: BTreeSet<Epoch>,
    /// Work that must be done before the next beat is sent.
    proving: Option<JoinHandle<Option<Reports>>>,
    checking_in: Option<JoinHandle<Answer<ManagerCheckedIn>>>,
    asking: Asking,
    /// When to check in, unless a leader's pipe stands by then and this life is registered.
    check_in_at: tokio::time::Instant,
}

/// What arrives at a Manager's task.
pub(super) struct Inboxes {
    pub(super) pipes: mpsc::Receiver<Accepted<FromManager, ToManager>>,
    pub(super) reconsider: mpsc::Receiver<()>,
}

/// What a Manager's task is made of.
pub(super) struct Parts<W> {
    pub(super) options: Options,
    pub(super) incarnation: Incarnation,
    pub(super) disk: DiskId,
    pub(super) node: NodeName,
    pub(super) address: String,
    pub(super) work: Arc<W>,
    pub(super) control: ControlClient,
    pub(super) keys: Arc<KeySource>,
    pub(super) supervisor: Supervisor,
    pub(super) proof: Proof,
    pub(super) intent: Intent,
    pub(super) shown: Shown,
    pub(super) dropped: CancellationToken,
}

impl<W: Work> Core<W> {
    pub(super) fn new(parts: Parts<W>) -> Self {
        let Parts {
            options,
            incarnation,
            disk,
            node,
            address,
            work,
            control,
            keys,
            supervisor,
            proof,
            intent,
            shown,
            dropped,
        } = parts;
        let now = tokio::time::Instant::now();
        Self {
            options,
            incarnation,
            disk,
            node,
            address,
            work,
            control,
            keys,
            supervisor,
            proof,
            unasked: Unasked::new(intent.current().is_some(), now),
            intent,
            lease: Lease::default(),
            shown,
            dropped,
            leader: None,
            registered: false,
            beats: 0,
            told: None,
            answered: 0,
            confirmed: BTreeSet::new(),
            proving: None,
            checking_in: None,
            asking: Asking::default(),
            check_in_at: now,
        }
    }

    /// Runs until `shutdown`; services are left as they are.
    pub(super) async fn run(mut self, mut inboxes: Inboxes, shutdown: CancellationToken) {
        let mut services = self.supervisor.services();
        let mut beat = ticks();
        if let Some(desired) = self.intent.current() {
            // What still runs goes on as it is. What does not may have been given to another meanwhile.
            self.work.on_desired(&desired);
        }
        loop {
            let unknown = self.leader.is_none() || !self.registered;
            let alone = unknown && self.checking_in.is_none();
            tokio::select! {
                () = shutdown.cancelled() => return,
                Some(accepted) = inboxes.pipes.recv() => self.on_pipe(accepted),
                event = next_of(&mut self.leader) => self.on_event(event).await,
                _ = beat.tick() => self.on_tick().await,
                proved = done(&mut self.proving) => self.on_proved(proved),
                () = sleep_until(self.check_in_at), if alone => self.check_in(),
                answer = done(&mut self.checking_in) => self.on_checked_in(answer).await,
                () = due(self.unasked.at()) => self.go_on_alone().await,
                Some(()) = inboxes.reconsider.recv() => self.reconsider().await,
                Ok(()) = services.changed() => {
                    let now = services.borrow_and_update().clone();
                    self.work.on_services(&now);
                }
            }
        }
    }

    fn on_pipe(&mut self, accepted: Accepted<FromManager, ToManager>) {
        let hello = &accepted.hello;
        tracing::info!(leader = hello.from, epoch = hello.fence.epoch.0, "leader's pipe is up");
        self.leader = Some(Leader::new(accepted));
        self.told = None;
        self.lease.pipe_changed();
        self.prove();
        self.show();
    }

    async fn on_event(&mut self, event: Option<Event<ToManager>>) {
        match event {
            Some(Event::Message(ToManager::Desired { part })) => {
                self.registered = true;
                match self.leader.as_mut().map(|leader| leader.assembly.take(part)) {
                    Some(Ok(Some(desired))) => self.on_desired(desired).await,
                    Some(Ok(None)) | None => {}
                    // The next pipe begins anew.
                    Some(Err(disordered)) => self.leader_lost(&disordered.to_string()),
                }
            }
            Some(Event::Message(ToManager::BeatAnswer { n })) => {
                let held = self.lease.holds(Instant::now());
                self.lease.beat_answered(n);
                self.answered = n;
                if !held && self.lease.holds(Instant::now()) {
                    tracing::info!("lease holds");
                    // What was withheld without it is started now.
                    self.reconsider().await;
                }
                self.show();
            }
            Some(Event::Up { .. }) => {}
            Some(Event::Down(lost)) => self.leader_lost(&lost.to_string()),
            None => self.leader_lost("closed"),
        }
    }

    fn leader_lost(&mut self, why: &str) {
        if let Some(leader) = self.leader.take() {
            tracing::info!(leader = leader.name, why, "leader's pipe is lost");
            self.check_in_at = tokio::time::Instant::now() + limits::ALONE_AFTER;
        }
        self.lease.pipe_changed();
        self.show();
    }

    async fn on_desired(&mut self, desired: Desired) {
        let (epoch, revision) = (desired.fence.epoch, desired.revision);
        let verdict = self.intent.offer(desired).await;
        tracing::debug!(%epoch, %revision, ?verdict, "desired state");
        match verdict {
            Verdict::Newer => {
                self.unasked.told();
                self.reconsider().await;
            }
            // What is to run is no news, and that it still is may be.
            Verdict::Same if self.unasked.told() => self.reconsider().await,
            Verdict::Same => {}
            Verdict::Older => tracing::warn!(%epoch, %revision, "older desired state ignored"),
            // The next pipe brings it again, by then this Manager may be registered there. At once: a
            // leader that dials again and again would put the check-in off for ever.
            Verdict::Foreign => {
                self.leader_lost("it is of another life of the cluster");
                self.check_in_at = tokio::time::Instant::now();
            }
        }
        // A leader answers no beat before it has told: one whose reign is short may not hear another.
        self.prove();
    }

    async fn reconsider(&mut self) {
        if self.unasked.waits() {
            return;
        }
        if let Some(desired) = self.intent.current() {
            // Behind a cordon that it has confirmed nothing is started that was not there.
            let open = self.confirmed.is_disjoint(&desired.cordons);
            let holds = self.lease.holds(Instant::now());
            self.apply(&desired, holds && open).await;
        }
    }

    /// Losing the control plane kills nothing, not even the node's being started anew meanwhile.
    async fn go_on_alone(&mut self) {
        self.unasked.told();
        tracing::warn!(
            waited_ms = limits::START_UNASKED_AFTER.as_millis(),
            "no leader has answered since this Manager was started: it starts what it was told to run before, which may \
             have been given to another by now"
        );
        if let Some(desired) = self.intent.current() {
            self.apply(&desired, true).await;
        }
    }

    async fn apply(&self, desired: &Desired, start_new: bool) {
        self.work.on_desired(desired);
        self.supervisor.want(self.work.wanted(desired), start_new).await;
    }

    async fn on_tick(&mut self) {
        self.prove();
        let holds = self.lease.holds(Instant::now());
        if self.shown.lease_held() && !holds {
            tracing::warn!("lease has run out: nothing new is started; what runs goes on");
        }
        self.show();
    }

    /// Begins the work that a beat proves, if a leader waits for one.
    fn prove(&mut self) {
        if self.leader.is_some() && self.proving.is_none() {
            self.proving = Some(tokio::spawn(self.proof.clone().of_work()));
        }
    }

    fn on_proved(&mut self, proved: Result<Option<Reports>, JoinError>) {
        self.proving = None;
        let (Ok(Some(reports)), Some(leader)) = (proved, &self.leader) else { return };
        self.beats += 1;
        let (n, sessions) = (self.beats, self.work.sessions());
        let cordons = self.intent.current().map_or_else(BTreeSet::new, |desired| {
            cordon::confirmed(&desired, || self.work.wanted(&desired), &reports)
        });
        self.confirmed.clone_from(&cordons);
        let known = self.told.as_ref().is_some_and(|(at, services, held)| {
            *at <= self.answered && Arc::ptr_eq(services, &reports) && *held == cordons
        });
        let beat = if known {
            FromManager::StillBeat { n, sessions }
        } else {
            let (services, cordons) = (reports.to_vec(), cordons.clone());
            FromManager::Beat { n, services, sessions, cordons }
        };
        let now = Instant::now();
        match leader.sender.try_send(beat) {
            Ok(()) => {
                self.lease.beat_sent(n, now);
                if !known {
                    self.told = leader.knows_still.then_some((n, reports, cordons));
                }
            }
            // One that finds no room is left out: the next tells the same.
            Err(SendError::Full | SendError::NotUp) => {}
            Err(error @ SendError::Unsendable(_)) => {
                self.shown.unsendable();
                tracing::error!(%error, services = reports.len(), "a beat cannot be sent: this Manager will be taken for down");
            }
        }
    }

    fn check_in(&mut self) {
        let check_in = ManagerCheckIn {
            manager: self.options.manager.clone(),
            location: self.options.location.clone(),
            address: self.address.clone(),
            incarnation: self.incarnation,
            capacity: self.options.capacity,
            services: self.supervisor.services().borrow().to_vec(),
            disk: Some(self.disk),
            node: Some(self.node.clone()),
            level: Some(FeatureLevel::KNOWN),
        };
        let (control, key) = (self.control.clone(), self.keys.next());
        self.checking_in = Some(tokio::spawn(async move {
            control.check_in(&check_in, &key, limits::CHECK_IN_ATTEMPT).await
        }));
    }

    async fn on_checked_in(&mut self, answer: Result<Answer<ManagerCheckedIn>, JoinError>) {
        let now = tokio::time::Instant::now();
        self.checking_in = None;
        self.check_in_at = now + limits::ALONE_AFTER;
        match answer {
            Ok(Answer::Accepted(accepted)) => {
                tracing::info!(epoch = accepted.fence.epoch.0, "checked in");
                self.unasked.answered(now);
                self.asking.let_in();
                self.registered = true;
                self.intent.registered(accepted.fence.cluster);
            }
            Ok(Answer::Refused(problem) | Answer::Unknown(problem)) => {
                tracing::warn!(%problem, "check-in not accepted");
                if problem.retry == Retry::Never {
                    self.unasked.answered(now);
                    self.check_in_at = now + self.asking.refused();
                    self.on_refused(&problem).await;
                } else {
                    self.check_in_at = now + self.asking.unanswered();
                }
            }
            Err(error) => tracing::error!(%error, "check-in failed"),
        }
    }

    async fn on_refused(&mut self, problem: &Problem) {
        match problem.code {
            Code::Dropped | Code::Superseded => self.dropped.cancel(),
            // What was given to this disk before is not its any more: nothing was held by the name when another came.
            Code::OtherDisk if self.registered => self.dropped.cancel(),
            // It waits until the name is free.
            Code::OtherDisk => {
                self.unasked.told();
                self.intent.forget().await;
                self.supervisor.want(Vec::new(), false).await;
            }
            _ => {}
        }
    }

    fn show(&self) {
        let lease_holds = self.lease.holds(Instant::now());
        self.work.on_lease(lease_holds);
        self.shown.show(self.leader.as_ref().map(|leader| leader.name.as_str()), lease_holds);
    }
}

fn ticks() -> Interval {
    let mut beat = interval(BEAT_EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat
}
