//! The leader's work in the simulation: pipes to all Managers, what is seen of them, and rounds of the plan.
//! Decides their order, as `control-plane/server` has it; what is seen, planned and wanted is decided by the
//! same code of `domain`. Bugs are planted here, in what surrounds that code.

mod brake;
mod due;
mod pipes;
mod planted;
mod probes;
mod provisions;

use crate::{planted::Planted, sites::at, wire::millis, world::World};
use due::Late;
use futures_util::{StreamExt as _, stream};
use pipes::{Pipes, Report};
use probes::Probes;
pub(crate) use provisions::program;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine, Outcome, Refusal, Request,
        level::FeatureLevel,
        plan::{
            Expiring, Observations, Proof,
            round::{Decided, Led, Shell, round},
        },
        scale::Offered,
    },
    ids::{ClientId, ClusterIncarnation, Epoch},
    limits::PLAN_EVERY,
    time::{Monotonic, UnixNanos},
};
use tradewind_replication::{ProposeError, Proposed, Replica, Role};

/// As `control-plane/server` has them.
const LOOK_EVERY_MS: u64 = 20;
const UNCONFIRMED_AFTER_MS: u64 = 500;
const PAUSE_MS: u64 = 300;
const REPORTS: usize = 1_024;
const PROPOSALS_AT_ONCE: usize = 64;

/// Between the decision that somebody is down and its proposal, of a leader with a bug in it.
const PLANTED_PAUSE: Duration = Duration::from_secs(1);

const NOT_DUE: Outcome = Outcome::Refused { refusal: Refusal::NotDue };

/// What a member's tasks work with while it leads. A cheap clone.
#[derive(Clone)]
pub(super) struct Context {
    world: Rc<World>,
    /// The member's seat.
    seat: usize,
    replica: Replica,
    client: ClientId,
    commands: Rc<Cell<u64>>,
    /// The state at the beginning of this member's leadership, for what planted bugs forget.
    before: Rc<RefCell<Machine>>,
    /// Whom it is about to take for down.
    expiring: Rc<RefCell<Expiring>>,
    /// How often a command was refused because its time had not come.
    not_due: Rc<RefCell<BTreeMap<String, u32>>>,
}

impl Context {
    fn leads(&self, term: u64) -> bool {
        let status = self.replica.status();
        status.role == Role::Leader && status.term == term
    }

    fn now(&self) -> Monotonic {
        at(self.world.elapsed_ms())
    }

    fn knows(&self) -> FeatureLevel {
        self.world.builds.of_member(self.seat, self.world.elapsed_ms())
    }

    fn time(&self) -> UnixNanos {
        if self.world.planted == Some(Planted::PlansByOwnClock) {
            return self.world.seats[self.seat].own_clock();
        }
        self.group_time()
    }

    fn group_time(&self) -> UnixNanos {
        let group = self.replica.group_time().unwrap_or_default();
        group.max(self.replica.look(|_, machine| machine.cluster().at))
    }

    /// Says whether it was accepted. Another attempt is another command: the plan decides anew.
    async fn propose(&self, command: Command) -> bool {
        self.decided(command).await == Decided::Accepted
    }

    async fn decided(&self, command: Command) -> Decided {
        self.commands.set(self.commands.get() + 1);
        let (issued_at, n) = (self.group_time(), self.commands.get());
        let key = IdempotencyKey { client: self.client.clone(), issued_at, n };
        self.world.note(&format!("m{} proposes {command:?}", self.seat + 1));
        self.world.proposed(self.seat);
        let shown = format!("{command:?}");
        let proposed = self.replica.propose(Request { key, command }).await;
        if let Ok(Proposed { outcome: NOT_DUE, .. }) = &proposed {
            due::refused(self, shown);
        }
        match proposed {
            Ok(Proposed { outcome: Outcome::Accepted { .. }, .. }) => Decided::Accepted,
            Err(ProposeError::Unknown) => Decided::Unknown,
            Ok(_) | Err(_) => Decided::Refused,
        }
    }

    /// As `control-plane/server` has it.
    async fn is_settled(&self) -> bool {
        let opened = self.replica.machine().cluster().opened();
        let Some(incarnation) = opened else { return false };
        self.decided(Command::OpenCluster { incarnation }).await != Decided::Unknown
    }

    /// Its process stands still. Gives for how long.
    async fn stand_still(&self) -> u64 {
        let (until, begun) = (&self.world.seats[self.seat].stalled_until, self.world.elapsed_ms());
        while until.get() > self.world.elapsed_ms() {
            sleep(millis(LOOK_EVERY_MS.min(until.get() - self.world.elapsed_ms()))).await;
        }
        self.world.elapsed_ms() - begun
    }
}

/// Leads whenever this member is elected.
pub(crate) async fn run(world: Rc<World>, seat: usize, boot: u64, replica: Replica) {
    let Ok(client) = ClientId::new(&format!("leader-{}", seat + 1)) else { return };
    let commands = Rc::new(Cell::new(boot * 1_000_000));
    let (not_due, before, expiring) = (Rc::default(), Rc::default(), Rc::default());
    let context = Context { world, seat, replica, client, commands, before, expiring, not_due };
    tokio::join!(leads(&context), provisions::run(&context));
}

async fn leads(context: &Context) {
    let mut led = Led::default();
    loop {
        let status = context.replica.status();
        if status.role == Role::Leader && context.replica.confirmed_leader() {
            lead(context, status.term, &mut led).await;
        }
        sleep(millis(LOOK_EVERY_MS)).await;
    }
}

struct Leadership<'a> {
    context: &'a Context,
    term: u64,
    right: Epoch,
    /// The build that leads.
    knows: FeatureLevel,
    seen: Observations,
    reports: mpsc::Receiver<Report>,
    pipes: Pipes,
    probes: Probes,
    late: Late,
    confirmed_at: u64,
    plan_due: Instant,
}

async fn lead(context: &Context, term: u64, led: &mut Led) {
    let Ok(held) = context.replica.read_barrier().await else { return };
    let opened = || context.replica.machine().cluster().opened().is_some();
    if !opened() {
        let open = Command::OpenCluster { incarnation: ClusterIncarnation(1) };
        if !context.propose(open).await && !opened() {
            return;
        }
    }
    if !led.may_begin(term, context.is_settled()).await {
        return;
    }
    let right = Epoch(held.0);
    context.expiring.take();
    context.world.note(&format!("m{} leads in term {term} by {right}", context.seat + 1));
    let (sender, reports) = mpsc::channel(REPORTS);
    context.before.replace(context.replica.machine());
    let offered = Offered {
        node: Some(context.replica.node()),
        process: false,
        programs: provisions::program().into_iter().collect(),
    };
    let leadership = Leadership {
        context,
        term,
        right,
        seen: Observations::since(context.now()).offering(&offered).knowing(context.knows()),
        knows: context.knows(),
        reports,
        pipes: Pipes::new(context.clone(), right, sender),
        probes: Probes::default(),
        late: Late::default(),
        confirmed_at: context.world.elapsed_ms(),
        plan_due: Instant::now(),
    };
    leadership.run().await;
}

impl Leadership<'_> {
    async fn run(mut self) {
        let mut machine = self.context.replica.watch_machine();
        let held = machine.borrow_and_update().1.clone();
        let events = self.context.replica.events_kept_now();
        let events = events.iter().flat_map(|(_, events)| events.iter());
        self.seen.after(&held, events, self.context.time(), self.context.now());
        for of in self.pipes.follow(&held).0 {
            self.seen.registered(of, None);
        }
        let mut look = interval(millis(LOOK_EVERY_MS));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asleep = self.context.stand_still().await;
            if asleep > PAUSE_MS {
                self.wake_up().await;
            }
            tokio::select! {
                Some(report) = self.reports.recv() => self.heard(report),
                Some(found) = self.probes.found() => self.seen.found(found),
                changed = machine.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let held = machine.borrow_and_update().1.clone();
                    let (new, gone) = self.pipes.follow(&held);
                    gone.iter().for_each(|manager| self.seen.forget(manager));
                    let now = self.context.now();
                    new.into_iter().for_each(|of| self.seen.registered(of, Some(now)));
                }
                _ = look.tick() => {
                    let now = self.context.now();
                    if !self.may_go_on() {
                        return;
                    }
                    if self.context.replica.confirmed_leader() {
                        self.plan(now).await;
                    }
                }
            }
        }
    }

    /// Whoever beat meanwhile has not been heard yet: all ages count anew.
    async fn wake_up(&mut self) {
        let now = self.context.now();
        if self.context.world.planted == Some(Planted::StalledLeaderExpires) {
            // Without the brake, which would hold them: here it is to be seen what ages that a stall made do by themselves.
            let machine = self.context.replica.machine();
            for expiry in planted::lost(self.seen.observed(), &machine, now) {
                self.context.propose(expiry).await;
            }
            return;
        }
        self.seen.restart_ages(now);
    }

    fn heard(&mut self, report: Report) {
        if report.proof == Proof::Refused {
            self.plan_due = Instant::now();
        }
        let beat = matches!(report.proof, Proof::Beat(_));
        if self.seen.heard(&report.of, report.at, report.proof) && beat {
            self.seen.fenced(&report.of, report.fenced);
            self.seen.ledgers(&report.of, report.ledgers);
        }
    }

    fn may_go_on(&mut self) -> bool {
        let now = self.context.world.elapsed_ms();
        if self.context.replica.confirmed_leader()
            || self.context.world.planted == Some(Planted::LeaseUnconfirmed)
        {
            self.confirmed_at = now;
        }
        // Another build begins anew.
        self.context.leads(self.term)
            && self.context.knows() == self.knows
            && now - self.confirmed_at < UNCONFIRMED_AFTER_MS
    }

    async fn plan(&mut self, now: Monotonic) {
        if Instant::now() < self.plan_due {
            return;
        }
        let accepted = round(&mut Round { leadership: self, now }).await;
        // What was done may be what the next step waited for: a customer first, then his Traders.
        let pause = if accepted { Duration::ZERO } else { PLAN_EVERY };
        self.plan_due = Instant::now() + pause;
        let (machine, now) = (self.context.replica.machine(), self.context.now());
        self.late.look(self.context, &machine, self.seen.observed());
        let brake = self.seen.brake(&machine, now);
        self.probes.ask(self.context, &brake, now);
    }
}

/// What a round as of `now` is carried out with.
struct Round<'a, 'b> {
    leadership: &'a mut Leadership<'b>,
    now: Monotonic,
}

impl Round<'_, '_> {
    /// As this leader takes the state to be.
    fn machine(&self) -> Machine {
        let Leadership { context, right, .. } = *self.leadership;
        context.seen(context.replica.machine(), right)
    }
}

impl Shell for Round<'_, '_> {
    fn expiring<R>(&self, look: impl FnOnce(&mut Expiring) -> R) -> R {
        look(&mut self.leadership.context.expiring.borrow_mut())
    }

    fn plan(&mut self) -> Vec<Command> {
        self.leadership.seen.at(self.leadership.context.time());
        let (machine, seen) = (self.machine(), &self.leadership.seen);
        let planned = seen.plan(&machine, self.now);
        match self.leadership.context.world.planted.filter(|_| planned.is_empty()) {
            Some(bug) => planted::also(bug, seen.observed(), &machine, self.now),
            None => planned,
        }
    }

    async fn confirm(&mut self) -> bool {
        self.leadership.context.replica.read_barrier().await.is_ok()
    }

    fn hear(&mut self) {
        while let Ok(report) = self.leadership.reports.try_recv() {
            self.leadership.heard(report);
        }
    }

    async fn propose(&mut self, commands: Vec<Command>) -> Vec<Decided> {
        let (machine, now) = (self.machine(), self.now);
        let Leadership { context, right, ref mut seen, .. } = *self.leadership;
        brake::check(context, right, &machine, seen.observed(), &commands, now);
        let bug = context.world.planted == Some(Planted::AnsweredWhileExpiring);
        if bug && commands.iter().any(|one| matches!(one, Command::ExpireManager { .. })) {
            // So that there is time for a beat.
            sleep(PLANTED_PAUSE).await;
        }
        let proposals = commands.clone().into_iter().map(|command| context.decided(command));
        let decided = stream::iter(proposals).buffer_unordered(PROPOSALS_AT_ONCE).collect().await;
        seen.proposed(&machine, &commands, context.now());
        decided
    }

    async fn settle(&mut self) -> bool {
        self.leadership.context.is_settled().await
    }
}
