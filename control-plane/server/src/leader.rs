//! The leader's work: pipes to all Managers, what is seen of them, and the plan. Decides when it begins
//! and ends: it begins at a leadership that a quorum has confirmed, and ends with the term or when no
//! confirmation comes. Nothing of it outlives that, and nothing is inherited.

mod inbox;
pub(crate) mod observe;
mod pause;
mod pipes;
mod planner;
mod probes;

use crate::{
    clock::Clocks,
    leading::Leading,
    limits::{LOOK_EVERY, UNCONFIRMED_AFTER},
    metrics::Metrics,
};
use inbox::Inbox;
use observe::{Observations, Report, View, What};
use pause::Awake;
use pipes::Pipes;
use probes::Probes;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Request,
        level::FeatureLevel,
        plan::{
            Brake,
            round::{Led, round},
        },
        scale::Offered,
    },
    ids::{ClientId, ClusterIncarnation, Epoch, Incarnation, LocationId, NodeId},
    limits::PLAN_EVERY,
    time::{Monotonic, UnixNanos},
};
use tradewind_link::rest::Rest;
use tradewind_replication::Replica;

/// What the leader sees; `None` while this member does not lead.
pub(crate) type LeaderView = Option<Arc<View>>;

/// What the leader's tasks work with. A cheap clone.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) node: NodeId,
    pub(crate) incarnation: Incarnation,
    pub(crate) replica: Replica,
    pub(crate) clocks: Clocks,
    pub(crate) leading: watch::Receiver<Leading>,
    /// For questions to other members.
    pub(crate) rest: Rest,
    /// Who proposes, in idempotency keys.
    pub(crate) client: ClientId,
    pub(crate) commands: Arc<AtomicU64>,
    /// What this member may start.
    pub(crate) offered: Offered,
    /// What this build understands.
    pub(crate) knows: FeatureLevel,
    pub(crate) metrics: Metrics,
}

impl Context {
    /// A command under a key of its own: the plan decides anew instead of repeating. It is dated by the group's time,
    /// by which it is stamped, and not before the log's: a key must be neither too old for it nor too new.
    pub(crate) fn request(&self, command: Command) -> Request {
        let n = self.commands.fetch_add(1, Ordering::Relaxed);
        let issued_at = time_of_keys(&self.replica, &self.clocks);
        let key = IdempotencyKey { client: self.client.clone(), issued_at, n };
        Request { key, command }
    }

    fn leads(&self, term: u64) -> bool {
        let leading = *self.leading.borrow();
        leading.term == term && leading.leader == Some(self.node)
    }
}

/// What a member dates its own keys with.
pub(crate) fn time_of_keys(replica: &Replica, clocks: &Clocks) -> UnixNanos {
    let group = replica.group_time().unwrap_or_else(|| (clocks.unix)());
    group.max(replica.look(|_, machine| machine.cluster().at))
}

/// Leads whenever this member is elected. Never returns; may be cancelled at any await.
pub(crate) async fn run(context: Context, told: watch::Sender<LeaderView>) {
    let mut led = Led::default();
    loop {
        let Leading { term, leader, .. } = *context.leading.borrow();
        if leader == Some(context.node) && context.replica.confirmed_leader() {
            tracing::info!(term, "leading");
            lead(&context, term, &mut led, &told).await;
            told.send_replace(None);
            tracing::info!(term, "no longer leading");
        }
        sleep(LOOK_EVERY).await;
    }
}

/// One leadership.
struct Leadership<'a> {
    context: &'a Context,
    term: u64,
    seen: Observations,
    reports: Inbox,
    pipes: Pipes,
    probes: Probes,
    told: &'a watch::Sender<LeaderView>,
    /// When the leadership was last known to be confirmed.
    confirmed_at: Instant,
    awake: Awake,
    plan_due: Instant,
}

async fn lead(context: &Context, term: u64, led: &mut Led, told: &watch::Sender<LeaderView>) {
    // After this the machine holds everything that earlier leaders acknowledged.
    let Ok(held) = context.replica.read_barrier().await else { return };
    if !open_cluster(context).await || !led.may_begin(term, planner::is_settled(context)).await {
        return;
    }
    // This leader's own first entry or a later one: above all that earlier leaders could show. The term
    // would not do, since one term may see two leaders.
    let right = Epoch(held.0);
    let reports = Inbox::default();
    let now = Instant::now();
    let leadership = Leadership {
        context,
        term,
        seen: Observations::since((context.clocks.monotonic)())
            .offering(&context.offered)
            .knowing(context.knows),
        pipes: Pipes::new(context.clone(), right, reports.clone()),
        reports,
        probes: Probes::default(),
        told,
        confirmed_at: now,
        awake: Awake::now(),
        plan_due: now,
    };
    leadership.run().await;
}

impl Leadership<'_> {
    async fn run(mut self) {
        let mut machine = self.context.replica.watch_machine();
        let (state, now) = (self.context.replica.machine(), self.now());
        let at = time_of_keys(&self.context.replica, &self.context.clocks);
        self.seen.after(&state, &self.context.replica.events_kept_now(), at, now);
        // A clone, here and below: as long as it is looked at where it stands, no entry is applied.
        let held = machine.borrow_and_update().1.clone();
        for of in self.pipes.follow(&held).0 {
            self.seen.registered(of, None);
        }
        drop(held);
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                reports = self.reports.next() => reports.into_iter().for_each(|one| self.heard(one)),
                Some(found) = self.probes.found() => self.seen.found(found),
                changed = machine.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let held = machine.borrow_and_update().1.clone();
                    let (new, gone) = self.pipes.follow(&held);
                    gone.iter().for_each(|manager| self.seen.forget(manager));
                    let now = self.now();
                    new.into_iter().for_each(|of| self.seen.registered(of, Some(now)));
                }
                _ = look.tick() => {
                    // Taken first: a pause after it makes no age longer, one before it is noticed.
                    let now = self.now();
                    if let Some(asleep) = self.awake.look() {
                        self.restart_ages(asleep);
                    }
                    if !self.may_go_on() {
                        return;
                    }
                    if self.confirmed() {
                        self.plan(now).await;
                    }
                }
            }
        }
    }

    fn heard(&mut self, report: Report) {
        if report.what == What::Refused {
            // A proof of death waits for no rhythm.
            self.plan_due = Instant::now();
        }
        self.seen.heard(report);
    }

    fn now(&self) -> Monotonic {
        (self.context.clocks.monotonic)()
    }

    fn confirmed(&self) -> bool {
        self.context.replica.confirmed_leader()
    }

    /// After a pause: whoever beat meanwhile has not been heard yet, or stood still as well.
    fn restart_ages(&mut self, asleep: Duration) {
        tracing::warn!(asleep_ms = millis(asleep), "the leader stood still; all ages restart");
        self.seen.restart_ages(self.now());
    }

    /// The term is over, or nobody has confirmed this leader for too long.
    fn may_go_on(&mut self) -> bool {
        if self.confirmed() {
            self.confirmed_at = Instant::now();
        }
        self.context.leads(self.term) && self.confirmed_at.elapsed() < UNCONFIRMED_AFTER
    }

    async fn plan(&mut self, now: Monotonic) {
        if Instant::now() < self.plan_due {
            return;
        }
        let (context, reports) = (self.context, &self.reports);
        let mut shell = planner::Round { context, seen: &mut self.seen, reports, now };
        let (accepted, asleep) = self.awake.during(round(&mut shell)).await;
        if let Some(asleep) = asleep {
            self.restart_ages(asleep);
        }
        // What was done may be what the next step waited for: a customer first, then his Traders.
        let pause = if accepted { Duration::ZERO } else { PLAN_EVERY };
        self.plan_due = Instant::now() + pause;
        let (machine, now) = (self.context.replica.machine(), self.now());
        let brake = self.seen.brake(&machine, now);
        self.probes.ask(self.context, &brake, now);
        let view = self.seen.view(&machine, brake, now);
        self.alarm(&view);
        self.told.send_replace(Some(Arc::new(view)));
    }

    /// Says so when the brake begins or ceases to hold somebody somewhere: a new leader takes it to be on in more places.
    fn alarm(&self, view: &View) {
        let holds = |brake: &Brake| -> BTreeSet<LocationId> {
            brake.held.keys().map(|node| node.location.clone()).collect()
        };
        let before = self.told.borrow().as_ref().map(|before| holds(&before.brake));
        let (before, now) = (before.unwrap_or_default(), holds(&view.brake));
        for location in now.difference(&before) {
            tracing::error!(
                %location,
                "many nodes fell silent together: the brake is on, nothing is moved away from them before other \
                 members have looked, and then one node at a time"
            );
        }
        for location in before.difference(&now) {
            tracing::info!(%location, "the brake holds nobody any more");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Once in each life of a cluster. `false`: not decided, try again later.
async fn open_cluster(context: &Context) -> bool {
    if context.replica.machine().group().is_none() {
        // `group` founds it in a moment: changes are taken only when both stand.
        return false;
    }
    let opened = || context.replica.machine().cluster().opened().is_some();
    if opened() {
        return true;
    }
    let Ok(random) = getrandom::u64() else { return false };
    let incarnation = ClusterIncarnation::draw((context.clocks.unix)(), random);
    planner::propose(context, Command::OpenCluster { incarnation }).await || opened()
}
