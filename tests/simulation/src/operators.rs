//! Operators, customers and algos around the simulated Managers. Decides what they ask for: operators drain,
//! reschedule, cancel, force, rebalance, declare and delete, on what some member shows, however old; customers ask
//! where they belong and connect there; algos act on what their copies have the right to.

use crate::{
    caller::Caller,
    leader::program,
    manager::{CAPACITY, may_act},
    planted::Planted,
    wire::millis,
};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::sleep;
use tradewind_domain::{
    calendar::{DailyWindow, Hours, MinuteOfDay},
    control::{
        Command, IdempotencyKey, Machine, Observed, Outcome, Request, RequestHash, Sighting,
        copies::Copies,
        drain::{By, DrainCommand, DropSchedule},
        level::FeatureLevel,
        placement::{RebalanceCommand, rebalance},
        plan::Told,
        resource::{Condition, Declaration, Resource, ResourceCommand},
        row::{AccountSpec, LocationSpec, MarketSpec, Route, TraderSpec, TraderWish},
        scale::{Marks, Provisioner, ScaleSpec},
    },
    ids::{AccountId, CustomerId, DrainTarget, Epoch, LocationId, Revision, TraderId, VenueId},
    time::{Monotonic, UnixNanos},
};
use tradewind_replication::{Proposed, ReadError, Replica};

pub(crate) const CUSTOMERS: u64 = 3;
const TRADERS: u64 = 5;
const ACCOUNTS: u64 = 2;

const _: () = assert!(CAPACITY as u64 > CUSTOMERS + TRADERS, "all find room at one Manager");

pub(crate) fn customers() -> impl Iterator<Item = CustomerId> {
    (1..=CUSTOMERS).filter_map(customer)
}

fn customer(n: u64) -> Option<CustomerId> {
    CustomerId::new(&format!("c{n}")).ok()
}

async fn ask_for(caller: &Caller, command: Command) {
    let shown = format!("{command:?}");
    let heard = caller.command(caller.key(), command).await;
    caller.world.note(&format!("{shown}: {:?}", heard.outcome));
    caller.world.history.borrow_mut().commands.push((heard.key, heard.outcome));
}

fn by_request(command: Command) -> Command {
    let request = RequestHash::of("POST", "/simulated", format!("{command:?}").as_bytes());
    Command::Asked { request, command: Box::new(command) }
}

/// As members propose from the third level on. Now and then what comes next is asked for under the key of what was accepted
/// last. R1: a key is of one request, and none is done under another's.
async fn ask_by_request(
    caller: &Caller,
    command: Command,
    used: &mut Option<(IdempotencyKey, Command)>,
) {
    let again = used.take_if(|(_, before)| *before != command && caller.chance.percent(30));
    if let Some((key, before)) = again {
        let request = Request { key: key.clone(), command: by_request(command) };
        let answer = caller.attempt(request).await;
        caller.world.note(&format!("{before:?} had {key:?}: {answer:?}"));
        if let Some(Ok(Proposed { outcome: Outcome::Accepted { .. }, .. })) = answer {
            let what = format!("R1: {key:?} was of {before:?}, and another was answered by it");
            caller.world.violation(what);
        }
        return;
    }
    let heard = caller.command(caller.key(), by_request(command.clone())).await;
    caller.world.note(&format!("{command:?}: {:?}", heard.outcome));
    if let Some(Outcome::Accepted { .. }) = &heard.outcome {
        *used = Some((heard.key.clone(), command));
    }
    caller.world.history.borrow_mut().commands.push((heard.key, heard.outcome));
}

pub(crate) fn put(what: Declaration) -> Command {
    Command::Resource(ResourceCommand::Put { what, on: Condition::Always })
}

/// The first declares everything; then all change it and drain until the run finishes.
pub(crate) async fn operate(caller: Caller, first: u64) {
    if first == 1 && declare_all(&caller).await.is_none() {
        return;
    }
    let mut used = None;
    while !caller.world.finishing.get() {
        caller.pause(60..500).await;
        caller.anybody();
        let look = |replica: Replica| async move { replica.machine() };
        let Some(machine) = caller.world.ask(caller.target(), look).await else { continue };
        let Some(command) = decide(&caller, &machine) else { continue };
        if machine.level() < FeatureLevel::THIRD {
            ask_for(&caller, command).await;
        } else {
            ask_by_request(&caller, command, &mut used).await;
        }
    }
}

async fn declare_all(caller: &Caller) -> Option<()> {
    for customer in customers() {
        ask_for(caller, put(Declaration::Customer { customer, key_hashes: None })).await;
    }
    for n in 1..=ACCOUNTS {
        ask_for(caller, put(account(n)?)).await;
    }
    for n in 1..=TRADERS {
        ask_for(caller, put(any_trader(caller, n)?)).await;
    }
    ask_for(caller, put(hours()?)).await;
    ask_for(caller, put(market(1)?)).await;
    Some(())
}

pub(crate) fn account(n: u64) -> Option<Declaration> {
    let spec = AccountSpec {
        venue: "sim".parse().ok()?,
        adapter: "sim".to_owned(),
        endpoint: "h:1".to_owned(),
        customers: BTreeSet::from([customer(1)?]),
    };
    Some(Declaration::Account { account: AccountId::new(&format!("k{n}")).ok()?, spec })
}

/// With two copies of its ledger, mostly, once all builds understand that.
fn any_account(caller: &Caller, machine: &Machine) -> Option<Declaration> {
    let declared = account(1 + caller.chance.below(ACCOUNTS + 1))?;
    let Declaration::Account { account, spec } = declared else { return Some(declared) };
    if machine.level() < FeatureLevel::SECOND {
        return Some(Declaration::Account { account, spec });
    }
    let copies = if caller.chance.percent(80) { Copies::Two } else { Copies::One };
    Some(Declaration::AccountCopies { account, spec, copies })
}

fn any_trader(caller: &Caller, n: u64) -> Option<Declaration> {
    let (program, runs) = (caller.chance.below(3), caller.chance.percent(85));
    trader(n, program, runs)
}

pub(crate) fn trader(n: u64, program: u64, runs: bool) -> Option<Declaration> {
    let spec = TraderSpec {
        customer: customer(1 + n % CUSTOMERS)?,
        command: vec![format!("algo-{program}")],
        state: if runs { TraderWish::Running } else { TraderWish::Stopped },
    };
    Some(Declaration::Trader { trader: TraderId::new(&format!("t{n}")).ok()?, spec })
}

/// The Market, with its route to one of the venues.
pub(crate) fn market(venue: u64) -> Option<Declaration> {
    let venue: VenueId = format!("sim-{venue}").parse().ok()?;
    let route = Route {
        instrument: "BTC/USD".parse().ok()?,
        data_venue: venue.clone(),
        order_venue: venue,
    };
    let spec = MarketSpec { routes: vec![route] };
    Some(Declaration::Market { market: "crypto".parse().ok()?, spec })
}

/// So many implementations at least, and so many more at most; what is too much goes soon.
pub(crate) fn scale(least: u32, more: u32) -> Option<Declaration> {
    let spec = ScaleSpec {
        provisioner: Provisioner::Exec { program: program()?, arguments: BTreeMap::new() },
        least,
        most: least + more,
        brokers: Marks::default(),
        sessions: Marks::default(),
        traders: Marks::default(),
        sessions_each: 10,
        cool_down_seconds: 1,
        deadline_seconds: 3,
        drop: DropSchedule::WhenIdle,
    };
    Some(Declaration::Scale { location: LocationId::new("here").ok()?, spec })
}

/// It is after hours nearly all day.
pub(crate) fn hours() -> Option<Declaration> {
    let window = DailyWindow { from: MinuteOfDay::new(0, 0)?, to: MinuteOfDay::new(23, 59)? };
    let spec = LocationSpec { after_hours: vec![Hours::Daily { window }] };
    Some(Declaration::Location { location: LocationId::new("here").ok()?, spec })
}

fn decide(caller: &Caller, machine: &Machine) -> Option<Command> {
    let chance = &caller.chance;
    match chance.below(12) {
        10 => Some(put(scale(2 + chance.below(3) as u32, chance.below(3) as u32)?)),
        11 => Some(put(market(chance.below(3))?)),
        0..6 => drain(caller, machine).map(Command::Drain),
        6 => {
            let moves = rebalance(machine, &all_well(machine), Monotonic(0));
            let by = by();
            Some(Command::Rebalance(RebalanceCommand::Begin { by, moves }))
        }
        7 => Some(put(any_trader(caller, 1 + chance.below(TRADERS))?)),
        8 => {
            let what =
                Resource::Trader(TraderId::new(&format!("t{}", 1 + chance.below(TRADERS))).ok()?);
            let at = machine.declared_at(&what)?;
            let on = if chance.percent(50) { Condition::At(at) } else { Condition::Always };
            Some(Command::Resource(ResourceCommand::Delete { what, on, release: false }))
        }
        _ => Some(put(any_account(caller, machine)?)),
    }
}

pub(crate) fn by() -> By {
    By { who: "operator".to_owned(), why: "simulated".to_owned() }
}

/// As a leader sees them who has heard of all: what is asked for may be stale anyway.
pub(crate) fn all_well(machine: &Machine) -> Observed {
    let managers = machine.managers().map(|row| {
        let incarnation = row.incarnation;
        let told = Some(Told::default());
        let sighting = Sighting { incarnation, last_proof: Monotonic(0), refused: false, told };
        (row.manager.clone(), sighting)
    });
    Observed { managers: managers.collect(), ..Observed::default() }
}

/// One site is never drained, so that there is always somewhere to go.
fn drain(caller: &Caller, machine: &Machine) -> Option<DrainCommand> {
    let chance = &caller.chance;
    // Before it nobody can be emptied of a Broker.
    let gives_up = machine.level() >= FeatureLevel::SECOND;
    let targets = ["a1", "a2", "a1.trader-manager", "a2.trader-manager", "a1.broker-manager"];
    let target: DrainTarget = chance.pick(&targets[..4 + usize::from(gives_up)])?.parse().ok()?;
    let row = machine.drain(&target);
    let at = row.map(|row| row.revision).filter(|_| chance.percent(40));
    let soon = machine.cluster().at.0 + chance.below(1_500_000_000);
    let drop = *chance.pick(&[
        DropSchedule::WhenIdle,
        DropSchedule::WhenIdle,
        DropSchedule::AfterHours,
        DropSchedule::Never,
        DropSchedule::At(UnixNanos(soon)),
    ])?;
    let (by, deadline) = (by(), chance.percent(50).then_some(UnixNanos(soon)));
    if gives_up && row.is_some() && chance.percent(25) {
        return Some(DrainCommand::Abandon { target, at, by });
    }
    Some(match chance.below(10) {
        0..6 => DrainCommand::Begin { target, by, deadline, drop },
        6 | 7 => DrainCommand::Cancel { target, at, by },
        8 => DrainCommand::Reschedule { target, at, by, drop },
        _ if chance.percent(30) => DrainCommand::Force { target, at, by },
        _ => DrainCommand::Cancel { target, at, by },
    })
}

/// Where he belongs, as a majority has it: the revision, and the epoch and place.
type Home = (Revision, Option<(Epoch, String)>);

/// One customer: asks where he belongs and connects there. A1: his epochs never go back.
pub(crate) async fn connect(caller: Caller, n: u64) {
    let Some(customer) = customer(n) else { return };
    let mut last: Option<(Epoch, String)> = None;
    while !caller.world.finishing.get() {
        caller.pause(60..400).await;
        let of = customer.clone();
        let stale = caller.world.planted == Some(Planted::HomeStale);
        if stale {
            caller.anybody();
        }
        let ask = move |replica: Replica| async move { home(&replica, &of, stale).await };
        let (_, found) = match caller.world.ask(caller.target(), ask).await {
            Some(Ok(found)) => found,
            Some(Err(ReadError::NotLeader { leader })) => {
                caller.follow(&leader);
                continue;
            }
            Some(Err(ReadError::NoQuorum | ReadError::Stopped)) | None => {
                caller.anybody();
                continue;
            }
        };
        let Some((epoch, manager)) = found else { continue };
        if let Some((before, at)) = &last
            && (epoch < *before || epoch == *before && manager != *at)
        {
            caller.world.violation(format!(
                "A1: {customer} belongs to {manager} in {epoch}, and belonged to {at} in {before}"
            ));
        }
        if let Ok(id) = manager.parse()
            && let Some((site, post)) = caller.world.post(&id)
        {
            let came = post.attach(&caller.world, site, &customer);
            caller.world.note(&format!("{customer} to {manager}: {came}"));
        }
        last = Some((epoch, manager));
    }
}

async fn home(replica: &Replica, customer: &CustomerId, stale: bool) -> Result<Home, ReadError> {
    let revision = if stale { Revision(0) } else { replica.read_barrier().await? };
    let machine = replica.machine();
    let affinity = machine.customer(customer).and_then(|row| row.affinity.clone());
    Ok((revision, affinity.map(|held| (held.epoch, held.manager.to_string()))))
}

/// Copies act all the time, also those whose Manager is gone or stands still. Never ends.
pub(crate) async fn act(caller: Caller) {
    let Caller { world, chance, .. } = caller;
    loop {
        sleep(millis(chance.within(4..20))).await;
        let now = world.elapsed_ms();
        let Some(site) = chance.pick(world.sites()) else { continue };
        let Some(post) = chance.pick(site.posts()) else { continue };
        let running = post.services.borrow();
        let running: Vec<_> = running
            .iter()
            .filter(|(service, _)| !post.broken.borrow().contains(*service))
            .filter(|(service, held)| {
                held.is_at_work(now) && may_act(&world, site, post, service, held)
            })
            .map(|(service, held)| (service.clone(), held.epoch, held.ledger.is_some()))
            .collect();
        if let Some((service, epoch, copied)) = chance.pick(&running) {
            world.overseen.borrow_mut().act(&world, post, service, *epoch, *copied);
        }
    }
}
