//! Stories: one change of who runs what, in a group in which nothing breaks but its leader, once, at a step that the
//! seed names. Decides what is asked for, when the leader is lost, and how all must end whoever leads: as if none had been
//! lost. What has a choice of places is left none, so that there is one end.

use crate::{
    caller::Caller,
    operators::{account, all_well, by, customers, hours, market, put, scale, trader},
    settled::settled,
    wire::millis,
    world::World,
};
use std::cell::{Cell, RefCell};
use tokio::time::sleep;
use tradewind_domain::{
    control::{
        Command, Machine,
        copies::{Copies, CopiesRow},
        drain::{DrainCommand, DrainState, DropSchedule},
        handed_back::HandedBackRow,
        placement::{Move, RebalanceCommand, rebalance},
        resource::Declaration,
        row::CustomerRow,
        scale::{ProvisionRow, ProvisionState},
    },
    ids::{CustomerId, DrainTarget, ManagerId, Revision, ServiceId},
    time::Monotonic,
    trading::copies::Stage,
};
use tradewind_replication::Role;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tale {
    /// A machine dies and comes back.
    Death,
    /// A TraderManager is emptied, dropped, and comes anew.
    Drain,
    /// An implementation is asked for.
    ScaleOut,
    /// One goes that was asked for.
    ScaleIn,
    /// A Manager gives up all Traders of a customer.
    HandBack,
    /// Orders go to another venue.
    Routes,
    /// Customers are evened out.
    Rebalance,
    /// The node of a ledger is lost that has a copy on another.
    Ledger,
}

const TALES: [Tale; 8] = [
    Tale::Death,
    Tale::Drain,
    Tale::ScaleOut,
    Tale::ScaleIn,
    Tale::HandBack,
    Tale::Routes,
    Tale::Rebalance,
    Tale::Ledger,
];

/// A machine that is to break or to come back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Down(usize),
    Up(usize),
}

pub(crate) struct Story {
    tale: Tale,
    /// The leader is lost after so many entries, or when it has proposed one more than that.
    step: u64,
    as_it_proposes: bool,
    /// The state before the change; none until all is set up.
    from: Cell<Option<Revision>>,
    /// All has been asked for.
    pub(crate) is_told: Cell<bool>,
    proposals: Cell<u64>,
    proposer: Cell<Option<usize>>,
    lost: Cell<bool>,
    pub(crate) orders: RefCell<Vec<Order>>,
    /// Whom it is about, and where he is to be.
    moves: RefCell<Vec<(CustomerId, ManagerId)>>,
}

impl Story {
    /// A seed is one of the tales, one of its steps, and one of two moments in it.
    pub(crate) fn of(seed: u64) -> Self {
        let (tale, at) = (seed % TALES.len() as u64, seed / TALES.len() as u64);
        Self {
            tale: TALES[tale as usize],
            step: at / 2,
            as_it_proposes: at % 2 == 1,
            from: Cell::new(None),
            is_told: Cell::new(false),
            proposals: Cell::new(0),
            proposer: Cell::new(None),
            lost: Cell::new(false),
            orders: RefCell::default(),
            moves: RefCell::default(),
        }
    }

    /// The leader that is to be lost now: once.
    pub(crate) fn loses(&self, world: &World) -> Option<usize> {
        let from = self.from.get().filter(|_| !self.lost.get())?;
        let running = |seat: usize| world.seats[seat].running.borrow().clone();
        let leader = if self.as_it_proposes {
            self.proposer.get().filter(|_| self.proposals.get() > self.step)
        } else {
            (0..world.seats.len()).find(|seat| {
                running(*seat).is_some_and(|member| {
                    let revision = member.replica.machine_at().0;
                    member.replica.status().role == Role::Leader && revision.0 >= from.0 + self.step
                })
            })
        };
        let leader = leader.filter(|seat| running(*seat).is_some())?;
        self.lost.set(true);
        Some(leader)
    }

    /// Whether all has become as it must; said of a state in which all else has.
    pub(crate) fn ended(&self, world: &World) -> Result<(), String> {
        let overseen = world.overseen.borrow();
        let machine = &overseen.machine;
        let provisions: Vec<ProvisionState> = machine.provisions().map(|row| row.state).collect();
        let traders_of = |n: usize| &world.sites()[n].posts()[0];
        let ends = match self.tale {
            Tale::Death => traders_of(0).lives.get() > 1,
            Tale::Drain => {
                let at = DrainTarget::Manager(traders_of(0).manager.clone());
                let drain = machine.drain(&at).map(|row| row.state);
                drain.is_none_or(|state| state == DrainState::Dropped)
                    && traders_of(0).lives.get() > 1
            }
            Tale::ScaleOut => provisions == [ProvisionState::There] && world.sites().len() == 4,
            Tale::ScaleIn => provisions == [ProvisionState::Released] && world.sites().len() == 4,
            Tale::HandBack => {
                let mut rows = machine.all_handed_back().peekable();
                rows.peek().is_some() && rows.all(|row| row.count == 1)
            }
            Tale::Routes => {
                let wanted = match market(1) {
                    Some(Declaration::Market { market, spec }) => Some((market, spec)),
                    _ => None,
                };
                let held = machine.markets().next();
                held.map(|row| (row.market.clone(), row.spec.clone())) == wanted
            }
            Tale::Rebalance => true,
            Tale::Ledger => {
                let (counts, copy) = (broker_manager(world, 1), broker_manager(world, 2));
                ledger(machine) == Some(&counts) && has_whole_copy_at(machine, &copy)
            }
        };
        if !ends {
            let rows: Vec<&ProvisionRow> = machine.provisions().collect();
            let given: Vec<&HandedBackRow> = machine.all_handed_back().collect();
            let copies: Vec<&CopiesRow> = machine.all_copies().collect();
            let what = format!("{rows:?}, {given:?}, {copies:?}");
            return Err(format!("{:?} has not ended as it must: {what}", self.tale));
        }
        let moves = self.moves.borrow();
        let elsewhere = moves.iter().find(|(who, to)| home(machine, who).as_ref() != Some(to));
        elsewhere.map_or(Ok(()), |(who, to)| Err(format!("{who} is to be at {to}")))
    }
}

impl World {
    /// A leader has begun to propose something.
    pub(crate) fn proposed(&self, seat: usize) {
        if let Some(story) = self.story.as_ref().filter(|story| story.from.get().is_some()) {
            story.proposals.set(story.proposals.get() + 1);
            story.proposer.set(Some(seat));
        }
    }

    fn state(&self) -> Machine {
        self.overseen.borrow().machine.clone()
    }
}

fn home(machine: &Machine, who: &CustomerId) -> Option<ManagerId> {
    machine.customer(who)?.affinity.as_ref().map(|held| held.manager.clone())
}

fn broker_manager(world: &World, n: usize) -> ManagerId {
    world.sites()[n].posts()[1].manager.clone()
}

/// Where the one ledger is that there is.
fn ledger(machine: &Machine) -> Option<&ManagerId> {
    machine.brokers().next()?.assignment.as_ref().map(|held| &held.manager)
}

fn has_whole_copy_at(machine: &Machine, holder: &ManagerId) -> bool {
    let view = machine.all_copies().next().and_then(|row| row.view.as_ref());
    view.is_some_and(|view| {
        view.stage() == Stage::Whole && view.naming.holder.as_ref() == Some(holder)
    })
}

/// The one who tells: sets up, notes where it begins, and asks for the change.
pub(crate) async fn tell(caller: Caller) {
    let world = caller.world.clone();
    let Some(story) = &world.story else { return };
    if set_up(&caller, story.tale).await.is_none() || change(&caller, story).await.is_none() {
        world.violation(format!("{:?} cannot be told", story.tale));
    }
    story.is_told.set(true);
}

async fn until(world: &World, holds: impl Fn(&Machine) -> bool) {
    while !holds(&world.state()) {
        sleep(millis(10)).await;
    }
}

/// Until it is decided.
async fn ask(caller: &Caller, command: Command) {
    while caller.command(caller.key(), command.clone()).await.outcome.is_none() {}
}

async fn declare(caller: &Caller, what: Option<Declaration>) -> Option<()> {
    ask(caller, put(what?)).await;
    Some(())
}

async fn drain(caller: &Caller, target: &str, drop: DropSchedule) -> Option<()> {
    let (target, by, deadline) = (target.parse().ok()?, by(), None);
    ask(caller, Command::Drain(DrainCommand::Begin { target, by, deadline, drop })).await;
    Some(())
}

async fn open(caller: &Caller, target: &str) -> Option<()> {
    let (target, at, by) = (target.parse().ok()?, None, by());
    ask(caller, Command::Drain(DrainCommand::Cancel { target, at, by })).await;
    Some(())
}

/// The same account, its ledger on two nodes.
fn with_a_copy(what: Option<Declaration>) -> Option<Declaration> {
    let Declaration::Account { account, spec } = what? else { return None };
    Some(Declaration::AccountCopies { account, spec, copies: Copies::Two })
}

/// What takes nothing new: customers are at the first and the third site, the Broker at the third.
const CLOSED: [&str; 3] = ["a2.trader-manager", "a1.broker-manager", "a2.broker-manager"];

async fn set_up(caller: &Caller, tale: Tale) -> Option<()> {
    let world = &caller.world;
    until(world, |machine| machine.managers().count() == 9).await;
    until(world, |machine| machine.level() == world.builds.end()).await;
    // A location is not scaled in while something is drained there.
    let closed = if tale == Tale::ScaleIn { &[][..] } else { &CLOSED[..] };
    for target in closed {
        drain(caller, target, DropSchedule::Never).await?;
    }
    until(world, |machine| machine.drains().all(|row| row.state == DrainState::Drained)).await;
    for customer in customers() {
        declare(caller, Some(Declaration::Customer { customer, key_hashes: None })).await?;
    }
    declare(caller, hours()).await?;
    declare(caller, account(1)).await?;
    for n in 1..=5 {
        declare(caller, trader(n, 0, true)).await?;
    }
    declare(caller, market(0)).await?;
    match tale {
        Tale::ScaleIn => {
            declare(caller, scale(4, 1)).await?;
            until(world, |machine| {
                machine.provisions().any(|row| row.state == ProvisionState::There)
            })
            .await;
        }
        Tale::Rebalance => {
            until(world, |machine| machine.customers().all(|row| row.affinity.is_some())).await;
            open(caller, CLOSED[0]).await?;
        }
        Tale::Ledger => {
            until(world, |machine| ledger(machine).is_some()).await;
            open(caller, CLOSED[2]).await?;
            declare(caller, with_a_copy(account(1))).await?;
            until(world, |machine| has_whole_copy_at(machine, &broker_manager(world, 1))).await;
        }
        Tale::Death | Tale::Drain | Tale::ScaleOut | Tale::HandBack | Tale::Routes => {}
    }
    while settled(world).is_err() {
        sleep(millis(10)).await;
    }
    Some(())
}

async fn change(caller: &Caller, story: &Story) -> Option<()> {
    let world = &caller.world;
    let machine = world.state();
    let manager = |n: usize| world.sites()[n].posts()[0].manager.clone();
    let all_to_the_third = || customers().map(|who| (who, manager(2))).collect::<Vec<_>>();
    story.from.set(Some(world.overseen.borrow().revision));
    world.note(&format!("{:?} begins", story.tale));
    match story.tale {
        Tale::Death => {
            story.moves.replace(all_to_the_third());
            story.orders.borrow_mut().push(Order::Down(0));
            until(world, |machine| customers().all(|who| home(machine, &who) == Some(manager(2))))
                .await;
            story.orders.borrow_mut().push(Order::Up(0));
        }
        Tale::Drain => {
            story.moves.replace(all_to_the_third());
            drain(caller, "a1.trader-manager", DropSchedule::WhenIdle).await?;
        }
        Tale::ScaleOut => declare(caller, scale(4, 1)).await?,
        Tale::ScaleIn => declare(caller, scale(3, 2)).await?,
        Tale::HandBack => {
            let first = |row: &&CustomerRow| home(&machine, &row.customer) == Some(manager(0));
            let who = machine.customers().find(first)?.customer.clone();
            let traders = machine.traders().filter(|row| row.spec.customer == who);
            let traders = traders.map(|row| ServiceId::Trader { trader: row.trader.clone() });
            world.sites()[0].posts()[0].broken.replace(traders.collect());
            story.moves.replace(vec![(who, manager(2))]);
        }
        Tale::Routes => declare(caller, market(1)).await?,
        Tale::Rebalance => {
            let moves: Vec<Move> = rebalance(&machine, &all_well(&machine), Monotonic(0));
            let places = moves.iter().map(|each| (each.customer.clone(), each.to.clone()));
            story.moves.replace(places.collect());
            (!moves.is_empty()).then_some(())?;
            let by = by();
            ask(caller, Command::Rebalance(RebalanceCommand::Begin { by, moves })).await;
        }
        Tale::Ledger => {
            // It takes customers with it.
            story.moves.replace(customers().map(|who| (who, manager(0))).collect());
            story.orders.borrow_mut().push(Order::Down(2));
            let moved = |machine: &Machine| {
                ledger(machine) == Some(&broker_manager(world, 1))
                    && customers().all(|who| home(machine, &who) == Some(manager(0)))
            };
            until(world, moved).await;
            story.orders.borrow_mut().push(Order::Up(2));
        }
    }
    Some(())
}
