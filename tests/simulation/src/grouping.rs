//! Changes of the group in the simulation: the leader's steps, and an operator who removes members, hands leadership
//! over and says how many voters there are to be. Decides what he asks for and that he does not remove a member while
//! another's disk is lost, which no group of three survives. Which step comes next, and how it is taken, is decided by
//! the code that runs in production: `cluster/replication` and `domain::control::membership`.

use crate::{caller::Caller, planted::Planted, sites::at, wire::millis, world::World};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};
use tokio::time::sleep;
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Machine, Outcome, Request,
        group::GroupCommand,
        membership::{Group, check_removal},
    },
    ids::{ClientId, NodeId, Revision},
};
use tradewind_replication::{GroupStep, GroupSteps, Replica, Role};

/// As `control-plane/server` has it.
const LOOK_EVERY_MS: u64 = 50;

/// What is known of the group's changes.
#[derive(Default)]
pub(crate) struct Grouping {
    /// The newest state that any member has applied.
    newest: RefCell<(Revision, Machine)>,
    /// The member that an operator has asked to remove, until it is.
    pub(crate) removing: Cell<Option<NodeId>>,
    /// The member whose disk is lost, until it is removed.
    pub(crate) lost: Cell<Option<NodeId>>,
}

impl Grouping {
    /// A member's state, which may be the newest.
    pub(crate) fn look(&self, revision: Revision, machine: &Machine) {
        let mut newest = self.newest.borrow_mut();
        if revision > newest.0 {
            *newest = (revision, machine.clone());
            for open in [&self.removing, &self.lost] {
                open.set(open.get().filter(|node| !newest.1.was_removed(*node)));
            }
        }
    }

    /// A seat without a number was never a member.
    pub(crate) fn was_removed(&self, node: NodeId) -> bool {
        node != NodeId(0) && self.newest.borrow().1.was_removed(node)
    }

    pub(crate) fn machine(&self) -> Machine {
        self.newest.borrow().1.clone()
    }
}

/// Whether a member has found out that the group has removed it.
pub(crate) fn is_removed(world: &World, replica: &Replica) -> bool {
    let status = replica.status();
    status.role == Role::Stopped && world.grouping.was_removed(status.node)
}

/// Keeps the group as the machine wants it, whenever this member leads. Never ends.
pub(crate) async fn keep(world: Rc<World>, seat: usize, boot: u64, replica: Replica) {
    let Ok(client) = ClientId::new(&format!("steps-{}", seat + 1)) else { return };
    let (mut steps, mut n) = (GroupSteps::of(replica.clone()), boot * 1_000_000);
    loop {
        sleep(millis(LOOK_EVERY_MS)).await;
        let mut now = at(world.elapsed_ms());
        if world.planted == Some(Planted::PromotedEarly) {
            // A clock that runs so fast that any two looks are long apart.
            now.0 *= 1_000;
        }
        let step = match forgotten_early(&world, &replica) {
            Some(early) => Some(GroupStep::Tell(early)),
            None => steps.next(now).await,
        };
        let command = match step {
            None => continue,
            Some(GroupStep::Tell(command)) => command,
            Some(GroupStep::Taken { change, done }) => {
                world.note(&format!("m{} takes {change:?}: {done:?}", seat + 1));
                continue;
            }
        };
        n += 1;
        let group = replica.group_time().unwrap_or_default();
        let issued_at = group.max(replica.look(|_, machine| machine.cluster().at));
        let key = IdempotencyKey { client: client.clone(), issued_at, n };
        world.note(&format!("m{} tells {command:?}", seat + 1));
        drop(replica.propose(Request { key, command: Command::Group(command) }).await);
    }
}

/// A planted bug: the machine is told that a removal is done as soon as it is asked for.
fn forgotten_early(world: &World, replica: &Replica) -> Option<GroupCommand> {
    let planted = world.planted == Some(Planted::ForgottenEarly) && replica.confirmed_leader();
    let machine = planted.then(|| replica.machine())?;
    let row = machine.admissions().find(|row| row.is_removing())?;
    Some(GroupCommand::Forget { node: row.node })
}

/// The operator. He ends what he has begun.
pub(crate) async fn operate(caller: Caller) {
    let world = caller.world.clone();
    loop {
        let open = world.grouping.removing.get().or(world.grouping.lost.get());
        if world.finishing.get() && open.is_none() {
            return;
        }
        caller.pause(100..900).await;
        if let Some(node) = open {
            match world.planted {
                Some(Planted::TwoAtOnce) if !world.finishing.get() => remove_another(&caller).await,
                _ => remove(&caller, node).await,
            }
            continue;
        }
        match caller.chance.below(10) {
            0..3 => hand_over(&caller).await,
            3..7 => remove_some(&caller).await,
            7 => {
                let voters = if caller.chance.percent(50) { 3 } else { 5 };
                ask_for(&caller, GroupCommand::WantVoters { voters }).await;
            }
            _ => {}
        }
    }
}

async fn ask_for(caller: &Caller, command: GroupCommand) -> Option<Outcome> {
    let shown = format!("{command:?}");
    let heard = caller.command(caller.key(), Command::Group(command)).await;
    caller.world.note(&format!("{shown}: {:?}", heard.outcome));
    let outcome = heard.outcome.clone();
    caller.world.history.borrow_mut().commands.push((heard.key, heard.outcome));
    outcome
}

async fn hand_over(caller: &Caller) {
    let Some(seat) = caller.chance.pick(&caller.world.seats) else { return };
    let to = Some(seat.node.get()).filter(|node| *node != NodeId(0));
    let hand = move |replica: Replica| async move { replica.transfer_leadership(to).await };
    let handed = caller.world.ask(caller.target(), hand).await;
    caller.world.note(&format!("leadership to {to:?}: {handed:?}"));
}

/// One that is a member, whoever it is.
async fn remove_some(caller: &Caller) {
    let machine = caller.world.grouping.machine();
    let members: Vec<NodeId> = machine.admissions().map(|row| row.node).collect();
    let Some(node) = caller.chance.pick(&members).copied() else { return };
    caller.world.grouping.removing.set(Some(node));
    remove(caller, node).await;
}

/// A planted bug: while a disk is lost, another member is removed at once, whether the rest decides or not.
async fn remove_another(caller: &Caller) {
    let grouping = &caller.world.grouping;
    let machine = grouping.machine();
    let others = machine.admissions().map(|row| row.node);
    let others: Vec<NodeId> = others.filter(|node| Some(*node) != grouping.lost.get()).collect();
    let Some(node) = caller.chance.pick(&others).copied() else { return };
    ask_for(caller, GroupCommand::Remove { node, forced: true }).await;
}

/// As the server does it: the leader looks whether the rest would decide, then the machine is asked.
async fn remove(caller: &Caller, node: NodeId) {
    let (world, grouping) = (&caller.world, &caller.world.grouping);
    let look = |replica: Replica| async move {
        replica.confirmed_leader().then(|| replica.group_as_seen())
    };
    let group: Option<Group> = world.ask(caller.target(), look).await.flatten();
    let Some(group) = group else { return caller.anybody() };
    if let Err(refused) = check_removal(&group, node, false) {
        world.note(&format!("removing {node} is refused: {refused:?}"));
        let asked = grouping.machine().admission(node).is_some_and(|row| row.is_removing());
        if !asked && grouping.lost.get() != Some(node) {
            grouping.removing.set(None);
        }
        return;
    }
    match ask_for(caller, GroupCommand::Remove { node, forced: false }).await {
        // Not known: it is asked again until it is.
        None | Some(Outcome::Accepted { .. }) => {}
        // It is removed already, or another removal goes on.
        Some(Outcome::Refused { .. }) => {
            let asked = grouping.machine().admission(node).is_some_and(|row| row.is_removing());
            grouping.removing.set(grouping.removing.get().filter(|open| asked && *open == node));
        }
    }
}
