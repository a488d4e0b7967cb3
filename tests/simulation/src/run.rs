//! One run: a seed, its group, its faults, its verdict. Decides the phases: faults first, then everything is
//! mended and must go on within a bound, then all members must hold the same.

use crate::{
    builds,
    caller::Caller,
    chance::Chance,
    checks::{Checks, group, hash},
    faults::{Faults, MAX_LATENCY},
    grouping, manager, managers, member, operators,
    planted::Planted,
    registers,
    report::Report,
    scene::Scene,
    settled, stories, watchers,
    world::World,
};
use std::{rc::Rc, time::Duration};
use tradewind_domain::ids::RegisterId;
use turmoil::Sim;

/// What a run is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub planted: Option<Planted>,
    pub scene: Scene,
    /// Keep the lines of the trace, not its hash alone.
    pub told: bool,
}

const TICK_MS: u64 = 2;

/// How long things break.
const FAULTS_MS: u64 = 5_000;

/// And where there are Managers: sites that are cut off for long fall silent, and others look for them.
const FAULTS_WITH_MANAGERS_MS: u64 = 7_500;

/// And where the group changes: a learner is promoted after it has kept up for two seconds under one leader.
const FAULTS_OF_MEMBERS_MS: u64 = 16_000;

/// Within this after the last repair every member serves again, every client has its answer and all hold
/// the same.
const RECOVERY_MS: u64 = 15_000;

/// And where there are Managers: those that were lost are taken for down, all moves to live ones, a few at a
/// time, drains end, and what was dropped comes back.
const RECOVERY_WITH_MANAGERS_MS: u64 = 25_000;

fn recovery_ms(world: &World) -> u64 {
    match world.scene {
        Scene::Group => RECOVERY_MS,
        Scene::Managers | Scene::Members | Scene::Stories => RECOVERY_WITH_MANAGERS_MS,
    }
}

fn faults_ms(world: &World) -> u64 {
    match world.scene {
        Scene::Group => FAULTS_MS,
        Scene::Managers => FAULTS_WITH_MANAGERS_MS,
        Scene::Members => FAULTS_OF_MEMBERS_MS,
        // A story takes as long as it takes; this is too long for any.
        Scene::Stories => RECOVERY_WITH_MANAGERS_MS,
    }
}

const CLIENTS: &str = "clients";

/// Runs one seed in this thread.
#[must_use]
pub fn run(plan: Plan) -> Report {
    let chance = Chance::new(plan.seed);
    let _thread = tradewind_replication::simulate(chance.next(), Duration::from_millis(2));
    let members = if chance.percent(30) { 5 } else { 3 };
    let snapshot_every = *chance.pick(&[12, 25, 60]).unwrap_or(&25);
    let world = Rc::new(World::new(members, plan, snapshot_every, &chance));
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(chance.next())
        .simulation_duration(Duration::from_secs(3_600))
        .tick_duration(Duration::from_millis(TICK_MS))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(MAX_LATENCY)
        .tcp_capacity(1024)
        .enable_random_order();
    let mut sim = builder.build();
    for (at, seat) in world.seats.iter().enumerate() {
        let world = world.clone();
        sim.host(seat.name(), move || member::process(world.clone(), at));
    }
    start_clients(&mut sim, &world, &chance);
    let mut faults = Faults::new(chance.fork(), plan.scene);
    let mut checks = Checks::default();
    let end = drive(&mut sim, &world, &mut faults, &mut checks);
    if let Err(what) = end {
        world.violation(what);
    }
    let revision = judge(&world);
    let installs = world.seats.iter().map(|seat| seat.rows.borrow().installs()).sum();
    // The members go before what they stand on, as in a crash: what they would still do is undone.
    world.seats.iter().for_each(|seat| seat.unplug());
    drop(sim);
    let violations = world.violations.take();
    Report {
        seed: plan.seed,
        trace_hash: world.trace_hash(),
        violations,
        lines: world.lines(),
        members,
        operations: world.history.borrow().len() as u64,
        crashes: faults.crashes,
        partitions: faults.partitions,
        other_faults: faults.others,
        leaders: checks.leaders.len() as u64,
        installs,
        revision,
        virtual_ms: world.now_ms.get(),
    }
}

fn start_clients(sim: &mut Sim, world: &Rc<World>, chance: &Chance) {
    let (world, seed) = (world.clone(), chance.next());
    sim.host(CLIENTS, move || {
        let (world, chance) = (world.clone(), Chance::new(seed));
        async move {
            let begin = |name: &str| Caller::new(&world, name, chance.fork());
            let mut tasks = Vec::new();
            let managers = !world.sites().is_empty();
            let registers = match world.scene {
                Scene::Stories => 0,
                Scene::Managers => 2,
                Scene::Group | Scene::Members => 4,
            };
            for n in 0..registers {
                tasks.extend(
                    begin(&format!("register-{n}")).map(|c| spawn(&world, registers::run(c))),
                );
            }
            if world.story.is_some() {
                in_a_story(&world, &begin, &mut tasks);
            } else if managers {
                around_managers(&world, &begin, &mut tasks);
            } else {
                for n in 1..=2 {
                    tasks.extend(
                        begin(&format!("manager-{n}")).map(|c| spawn(&world, managers::live(c, n))),
                    );
                }
                tasks.extend(begin("planner").map(|c| spawn(&world, managers::plan(c))));
            }
            if managers {
                tasks.extend(begin("builds").map(|c| spawn(&world, builds::tell(c))));
            }
            if world.scene == Scene::Members {
                let operator = begin("grouping");
                tasks.extend(operator.map(|c| spawn(&world, grouping::operate(c))));
            }
            for n in 0..2 {
                tasks.extend(
                    begin(&format!("watcher-{n}")).map(|c| spawn(&world, watchers::run(c))),
                );
            }
            for task in tasks {
                task.await?;
            }
            if let Some(last) = begin("last") {
                finish(&last).await;
            }
            std::future::pending().await
        }
    });
}

/// Operators, customers, and what algos do all the time.
fn around_managers(
    world: &Rc<World>,
    begin: &dyn Fn(&str) -> Option<Caller>,
    tasks: &mut Vec<tokio::task::JoinHandle<()>>,
) {
    for n in 1..=2 {
        tasks.extend(
            begin(&format!("operator-{n}")).map(|c| spawn(world, operators::operate(c, n))),
        );
    }
    customers(world, begin, tasks);
}

/// One who tells it, instead of the operators.
fn in_a_story(
    world: &Rc<World>,
    begin: &dyn Fn(&str) -> Option<Caller>,
    tasks: &mut Vec<tokio::task::JoinHandle<()>>,
) {
    tasks.extend(begin("teller").map(|c| spawn(world, stories::tell(c))));
    customers(world, begin, tasks);
}

fn customers(
    world: &Rc<World>,
    begin: &dyn Fn(&str) -> Option<Caller>,
    tasks: &mut Vec<tokio::task::JoinHandle<()>>,
) {
    for n in 1..=operators::CUSTOMERS {
        tasks.extend(
            begin(&format!("customer-{n}")).map(|c| spawn(world, operators::connect(c, n))),
        );
    }
    if let Some(caller) = begin("algos") {
        tokio::task::spawn_local(operators::act(caller));
    }
}

fn spawn(
    world: &Rc<World>,
    client: impl Future<Output = ()> + 'static,
) -> tokio::task::JoinHandle<()> {
    world.busy.set(world.busy.get() + 1);
    let world = world.clone();
    tokio::task::spawn_local(async move {
        client.await;
        world.busy.set(world.busy.get() - 1);
    })
}

/// The last reads: every register once more, linearizable.
async fn finish(caller: &Caller) {
    caller.world.busy.set(1);
    for n in 0..3 {
        let Ok(register) = RegisterId::new(&format!("r{n}")) else { continue };
        while registers::read(caller, register.clone()).await.is_none() {}
    }
    caller.world.busy.set(0);
    caller.world.read_all.set(true);
}

/// Hosts of sites that are there since the last step.
fn boot_sites(sim: &mut Sim, world: &Rc<World>, booted: &mut usize) {
    for (at, site) in world.sites().iter().enumerate().skip(*booted) {
        let world = world.clone();
        sim.host(site.name.as_str(), move || manager::process(world.clone(), at));
    }
    *booted = world.sites().len();
}

fn drive(
    sim: &mut Sim,
    world: &Rc<World>,
    faults: &mut Faults,
    checks: &mut Checks,
) -> Result<(), String> {
    let (mut now, mut booted, faults_ms) = (0, 0, faults_ms(world));
    boot_sites(sim, world, &mut booted);
    loop {
        sim.step().map_err(|error| format!("the simulation ended: {error}"))?;
        now += TICK_MS;
        world.now_ms.set(now);
        // Before anything breaks: a cut that is mended is mended for all that are there.
        boot_sites(sim, world, &mut booted);
        checks.after_step(world);
        faults.step(sim, world, now, now < faults_ms && world.story.is_none());
        let told = world.story.as_ref().is_some_and(|story| story.is_told.get());
        if !world.finishing.get() && (now == faults_ms || told) {
            faults.mend_all(world);
            world.finishing.set(true);
            world.note("all is mended");
        }
        if now.is_multiple_of(20) && world.read_all.get() && at_one(world) && is_settled(world) {
            return Ok(());
        }
        if world.violations.borrow().len() >= 10 {
            return Ok(());
        }
        if now > faults_ms + recovery_ms(world) {
            return Err(format!("no progress: {}", stuck(world)));
        }
    }
}

fn is_settled(world: &World) -> bool {
    unsettled(world).is_none()
}

/// What is not yet as it must become.
fn unsettled(world: &World) -> Option<String> {
    match world.scene {
        Scene::Group => None,
        Scene::Managers => settled::settled(world).err(),
        Scene::Members => group::settled(world).err(),
        Scene::Stories => {
            let ended = || world.story.as_ref().map_or(Ok(()), |story| story.ended(world));
            settled::settled(world).and_then(|()| ended()).err()
        }
    }
}

/// Whether all members run, have applied all they have and are equally far.
fn at_one(world: &World) -> bool {
    let mut revisions = world.seats.iter().map(|seat| {
        let running = seat.running.borrow();
        let replica = &running.as_ref()?.replica;
        let (revision, status) = (replica.machine_at().0, replica.status());
        (status.last_log == status.applied).then_some(revision)
    });
    let first = revisions.next().flatten();
    first.is_some() && revisions.all(|revision| revision == first)
}

fn stuck(world: &World) -> String {
    let mut text = format!("{} clients wait", world.busy.get());
    if let Some(what) = unsettled(world) {
        text.push_str(&format!("; {what}"));
    }
    for seat in &world.seats {
        let running = seat.running.borrow();
        match running.as_ref().map(|running| running.replica.status()) {
            Some(status) => text.push_str(&format!(
                "; m{} {:?} term {} leader {:?} log {:?} applied {:?}",
                seat.place,
                status.role,
                status.term,
                status.leader,
                status.last_log,
                status.applied
            )),
            None => text.push_str(&format!("; m{} is down", seat.place)),
        }
    }
    text
}

/// The last state of all, and the history against it.
fn judge(world: &World) -> u64 {
    let mut last = None;
    for seat in &world.seats {
        let running = seat.running.borrow();
        let Some(running) = running.as_ref() else { continue };
        let (revision, machine) = running.replica.machine_at();
        match &last {
            None => last = Some((revision, machine)),
            Some((at, first)) if *at == revision && hash(first) != hash(&machine) => {
                world.violation(format!("m{} holds another state at the end", seat.place));
            }
            Some(_) => {}
        }
    }
    let Some((revision, machine)) = last else { return 0 };
    if world.read_all.get() {
        let found = world.history.borrow().violations(&machine);
        found.into_iter().for_each(|what| world.violation(what));
    }
    revision.0
}
