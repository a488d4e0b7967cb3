//! From where everything is to be, to the commands that bring it there. Decides their order and how many come
//! in one round; where everything is to be is `placement`'s decision.

use super::{Observed, fences};
use crate::{
    control::{
        Command, Machine,
        fencing::TraderCommand,
        placement::{
            Door, Gathered, Item, Move, Placed, RebalanceCommand, anything_waits, gather, solve,
        },
        row::{Assignment, ManagerState, TraderRow},
        table::follows,
    },
    ids::{CustomerId, ManagerId},
    limits,
    time::Monotonic,
};
use alloc::{collections::BTreeMap, vec::Vec};

/// What was begun comes first: a customer's Traders before other customers.
pub(super) fn placements(machine: &Machine, observed: &Observed, now: Monotonic) -> Vec<Command> {
    let mut commands = trader_placements(machine);
    if !anything_waits(machine, observed) {
        return commands;
    }
    let gathered = gather(machine, observed, now);
    let placed = solve(&gathered.problem, &gathered.previous);
    let moved = placed.iter().filter(|(item, to)| gathered.previous.get(item) != Some(to));
    commands.extend(moved.map(|(item, to)| assign(machine, item, to)));
    commands.extend(rebalancing(machine, &gathered, &placed));
    commands.truncate(limits::PLACEMENTS_A_ROUND);
    commands
}

fn assign(machine: &Machine, item: &Item, to: &ManagerId) -> Command {
    let manager = to.clone();
    let epoch = |held: &Assignment| held.epoch;
    match item.clone() {
        Item::Broker { account, shard } => {
            let row = machine.tables.brokers.get(&(account.clone(), shard));
            let replaces = row.and_then(|row| row.assignment.as_ref()).map(epoch);
            Command::AssignBroker { account, shard, manager, replaces }
        }
        Item::Customer { customer } => {
            let row = machine.customer(&customer);
            let replaces = row.and_then(|row| row.affinity.as_ref()).map(epoch);
            Command::AssignCustomer { customer, manager, replaces }
        }
    }
}

/// A Trader is where its customer is, once he is where something new may be placed.
fn trader_placements(machine: &Machine) -> Vec<Command> {
    if machine.tables.index.unsettled.is_empty() {
        return Vec::new();
    }
    let granted = fences::granted(machine);
    let mut room = BTreeMap::new();
    let customers = machine.tables.index.unsettled.iter();
    let misplaced = customers
        .flat_map(|customer| traders_of(machine, customer, granted.contains(customer), &mut room));
    misplaced.take(limits::PLACEMENTS_A_ROUND).collect()
}

/// Of a customer who may trade somewhere, earlier copies are fenced. `room`: what is left where something was given in
/// this round; whoever finds none waits.
fn traders_of(
    machine: &Machine,
    customer: &CustomerId,
    trades: bool,
    room: &mut BTreeMap<ManagerId, u32>,
) -> Vec<Command> {
    let affinity = machine.customer(customer).and_then(|row| row.affinity.as_ref());
    let takes = |affinity: &&Assignment| {
        let live = machine.manager(&affinity.manager).map(|row| row.state);
        live == Some(ManagerState::Live) && machine.cordon(&affinity.manager).is_none()
    };
    let Some(affinity) = affinity.filter(takes) else { return Vec::new() };
    let left = || machine.manager(&affinity.manager).map_or(0, |row| machine.room_for_traders(row));
    let room = room.entry(affinity.manager.clone()).or_insert_with(left);
    let rows = machine.tables.index.traders(customer).filter_map(|trader| machine.trader(trader));
    let astray = rows.filter(|row| !follows(row.assignment.as_ref(), affinity));
    let mut fits = |row: &&TraderRow| {
        let is_there = row.assignment.as_ref().is_some_and(|held| held.manager == affinity.manager);
        if is_there || !row.spec.state.takes_a_place() {
            return true;
        }
        let fits = *room > 0;
        *room = room.saturating_sub(1);
        fits
    };
    let commands = astray.filter(|row| fits(row)).map(|row| {
        let (trader, manager) = (row.trader.clone(), affinity.manager.clone());
        let replaces = row.assignment.as_ref().map(|held| held.epoch);
        // A copy that its customer runs himself goes on under the right it has, wherever he belongs.
        if trades && !row.spec.is_self_managed() {
            Command::Trader(TraderCommand::Move { trader, manager, replaces })
        } else {
            Command::AssignTrader { trader, manager, replaces }
        }
    });
    commands.collect()
}

/// What an operator's rebalance still has to do, as far as its targets take it now; its end, when nothing
/// of it can be done any more.
fn rebalancing(machine: &Machine, gathered: &Gathered, placed: &Placed) -> Vec<Command> {
    let Some(row) = machine.rebalance() else { return Vec::new() };
    let mut room = Room::of(gathered, placed);
    let mut commands = Vec::new();
    let mut waiting = false;
    for each in machine.pending_moves() {
        let item = Item::Customer { customer: each.customer.clone() };
        if gathered.problem.items.contains_key(&item) {
            // He loses his place anyway.
            continue;
        }
        match room.take(machine, each) {
            Answer::Now => commands.push(assign(machine, &item, &each.to)),
            Answer::Later => waiting = true,
            Answer::Never => {}
        }
    }
    if commands.is_empty() && !waiting {
        commands.push(Command::Rebalance(RebalanceCommand::End { epoch: row.epoch }));
    }
    commands
}

enum Answer {
    Now,
    Later,
    Never,
}

/// What targets take, after what was placed in this round already.
struct Room<'a> {
    gathered: &'a Gathered,
    moving: BTreeMap<&'a ManagerId, u32>,
    taken: BTreeMap<&'a ManagerId, u32>,
}

impl<'a> Room<'a> {
    fn of(gathered: &'a Gathered, placed: &'a Placed) -> Self {
        let (mut moving, mut taken) = (BTreeMap::new(), BTreeMap::new());
        for (item, to) in placed {
            let from = gathered.previous.get(item);
            let weight = gathered.problem.items.get(item).copied().unwrap_or_default();
            *taken.entry(to).or_default() += weight;
            if from.is_some_and(|from| from != to) {
                *moving.entry(to).or_default() += 1;
            }
        }
        Self { gathered, moving, taken }
    }

    fn take(&mut self, machine: &Machine, each: &'a Move) -> Answer {
        let to = &each.to;
        let Some(place) = self.gathered.problem.places.get(to) else { return Answer::Never };
        let weight = machine.tables.index.followers(&each.customer).weight();
        let taken = self.taken.entry(to).or_default();
        let fits = place.held.saturating_add(*taken).saturating_add(weight) <= place.capacity;
        if !fits || machine.cordon(to).is_some() {
            return Answer::Never;
        }
        let moving = self.moving.entry(to).or_default();
        let full = place.moving.saturating_add(*moving) >= self.gathered.problem.moves_at_once;
        match place.door {
            Door::Open if !full => {
                *moving += 1;
                *taken += weight;
                Answer::Now
            }
            Door::Open | Door::Shut | Door::Leaving => Answer::Later,
        }
    }
}
