//! What must have become of everything once nothing breaks any more: each Manager is registered, what is wanted is
//! placed and runs where it was placed, nothing runs that is not wanted, and drains have gone on. Decides when that
//! is so, and says what is missing.

use crate::{manager::wanted, world::World};
use std::collections::{BTreeMap, BTreeSet};
use tradewind_domain::{
    control::{
        Machine,
        copies::{Copies, CopiesRow},
        desired,
        drain::{DrainRow, DrainState, DropSchedule},
        level::FeatureLevel,
        row::{Assignment, ManagerRow, ManagerState},
        scale::{ProvisionRow, ProvisionState, ScaleRow},
    },
    ids::{AccountId, DrainTarget, Epoch, ManagerKind},
};

/// `Err`: what is not as it must be.
pub(crate) fn settled(world: &World) -> Result<(), String> {
    let overseen = world.overseen.borrow();
    let machine = &overseen.machine;
    world.builds.settled(machine)?;
    machine.provisions().try_for_each(|row| is_answered(world, machine, row))?;
    machine.scales().try_for_each(|row| has_enough(machine, row))?;
    for site in world.sites().iter().filter(|site| !site.gone.get()) {
        for post in site.posts() {
            let row = machine.manager(&post.manager);
            let life = post.life.get().map(|(life, _)| life);
            let here = row.is_some_and(|row| {
                row.state == ManagerState::Live && Some(row.incarnation.0) == life
            });
            if !here {
                return Err(format!("{} is not registered as life {life:?}", post.manager));
            }
            runs_what_is_wanted(machine, post, world.now_ms.get())?;
        }
    }
    machine.drains().try_for_each(|row| has_gone_on(machine, row))?;
    for row in machine.customers() {
        let Some(held) = row.affinity.as_ref().filter(|held| stays(machine, held)) else {
            return Err(format!("{} has no place", row.customer));
        };
        for trader in machine.traders().filter(|one| one.spec.customer == row.customer) {
            let at = trader.assignment.as_ref();
            if !at.is_some_and(|at| at.manager == held.manager && at.epoch > held.epoch) {
                return Err(format!("{} does not follow its customer", trader.trader));
            }
        }
    }
    if let Some(row) = machine.brokers().find(|row| row.assignment.is_none()) {
        return Err(format!("the Broker of {} has no place", row.account));
    }
    machine.all_copies().try_for_each(|row| is_copied(machine, row))?;
    match machine.rebalance() {
        Some(row) => Err(format!("the rebalance of {} has not ended", row.epoch)),
        None => Ok(()),
    }
}

fn stays(machine: &Machine, held: &Assignment) -> bool {
    let row = machine.manager(&held.manager);
    row.is_some_and(|row| row.state == ManagerState::Live) && !machine.empties(&held.manager)
}

fn runs_what_is_wanted(
    machine: &Machine,
    post: &crate::sites::Post,
    now: u64,
) -> Result<(), String> {
    let desired = desired(machine, Default::default(), &post.manager);
    let wanted: BTreeMap<_, Epoch> = desired.as_ref().map(wanted).unwrap_or_default();
    post.reap(now);
    let services = post.services.borrow();
    let runs = services.iter().map(|(service, held)| (service.clone(), held.epoch)).collect();
    if wanted != runs {
        return Err(format!("{} runs {runs:?}, wanted is {wanted:?}", post.manager));
    }
    let told = post.intent.borrow();
    if !told.as_ref().zip(desired.as_ref()).is_some_and(|(told, wanted)| told.says_the_same(wanted))
    {
        return Err(format!("{} was told {told:?}, wanted is {desired:?}", post.manager));
    }
    match services.iter().find(|(_, held)| held.live_at > now || held.ends_at.is_some()) {
        Some((service, _)) => Err(format!("{service} is not at work at {}", post.manager)),
        None => Ok(()),
    }
}

/// What was asked for is there or is gone.
fn is_answered(world: &World, machine: &Machine, row: &ProvisionRow) -> Result<(), String> {
    let (request, state) = (row.request, row.state);
    let mut sites = world.sites().iter();
    let there = sites.any(|site| site.request.get() == Some(request) && !site.gone.get());
    let well = match row.state {
        ProvisionState::There => there,
        ProvisionState::Released => !there,
        // After a failure it waits, by the log's time: that may stand still for long.
        ProvisionState::Failed | ProvisionState::Releasing => row.not_before > machine.cluster().at,
        ProvisionState::Asked | ProvisionState::Starting | ProvisionState::Retiring => false,
    };
    if well { Ok(()) } else { Err(format!("request {request} is {state}, runs {there}: {row:?}")) }
}

fn has_enough(machine: &Machine, row: &ScaleRow) -> Result<(), String> {
    let there = machine.managers().filter(|manager| manager.location == row.location);
    let there: BTreeSet<_> = there.map(|manager| &manager.manager.implementation).collect();
    // As above.
    let rests = row.acted_at.is_some_and(|at| at + row.spec.cool_down() > machine.cluster().at);
    let open = machine.provisions().any(|each| each.state.is_open());
    if there.len() >= row.spec.least as usize || rests || open {
        return Ok(());
    }
    Err(format!(
        "{} has {} implementations, at least {}",
        row.location,
        there.len(),
        row.spec.least
    ))
}

/// A ledger is continued by nobody any more, and what is named its copy is whole; where another node takes one, it is named.
fn is_copied(machine: &Machine, row: &CopiesRow) -> Result<(), String> {
    let Some(view) = &row.view else { return Ok(()) };
    let elsewhere = |manager: &&ManagerRow| {
        manager.manager.kind == ManagerKind::BrokerManager
            && manager.state == ManagerState::Live
            && machine.cordon(&manager.manager).is_none()
            && manager.manager.implementation != view.live.at.implementation
    };
    let two = row.wanted == Copies::Two && machine.managers().any(|row| elsewhere(&row));
    let whole = view.whole || view.naming.holder.is_none();
    if view.successor.is_none() && whole && (view.naming.holder.is_some() || !two) {
        return Ok(());
    }
    Err(format!("the copies of {} are not as they are wanted: {row:?}", row.account))
}

/// Brokers with one copy do not move: a drain of what holds one waits, acknowledged, and one that was forced waits for an
/// operator, who gives them up or cancels.
fn has_gone_on(machine: &Machine, row: &DrainRow) -> Result<(), String> {
    let waits = |row: &DrainRow| {
        machine.brokers().filter_map(|broker| broker.assignment.as_ref()).any(|held| {
            held.manager.kind == ManagerKind::BrokerManager && row.target.covers(&held.manager)
        })
    };
    let given_up =
        |row: &DrainRow| row.forced.is_some() && keeps_a_ledger(machine, row.target.clone());
    let well = match row.state {
        DrainState::Cordoned => false,
        DrainState::Draining => waits(row),
        DrainState::Drained => match row.drop {
            DropSchedule::Never => true,
            // The members' clocks differ by minutes: the log's time may stand still before it for so long.
            DropSchedule::At(time) => time > machine.cluster().at || given_up(row),
            DropSchedule::WhenIdle | DropSchedule::AfterHours => given_up(row),
        },
        DrainState::Dropped => true,
    };
    let (target, state) = (&row.target, row.state);
    if well { Ok(()) } else { Err(format!("the drain of {target} is still {state}: {row:?}")) }
}

/// Whether a forced drain waits for an operator who gives a Broker up, or cancels: from the second level on, where a ledger
/// has nobody who could go on with it.
fn keeps_a_ledger(machine: &Machine, target: DrainTarget) -> bool {
    let goes_on = |account: &AccountId| {
        let copies = machine.all_copies().find(|row| row.account == *account);
        let view = copies.and_then(|row| row.view.as_ref()).filter(|view| view.whole);
        let holder = view.and_then(|view| machine.manager(view.naming.holder.as_ref()?));
        holder.is_some_and(|holder| {
            holder.state == ManagerState::Live && machine.cordon(&holder.manager).is_none()
        })
    };
    let mut held = machine.brokers().filter(|broker| {
        broker.assignment.as_ref().is_some_and(|held| target.covers(&held.manager))
    });
    machine.level() >= FeatureLevel::SECOND && held.any(|broker| !goes_on(&broker.account))
}
