//! A seat without a number asks the group for one, as `--join` does. Decides whom it asks and that it asks until it
//! was given one: what a disk is admitted as is the machine's decision, and the same disk gets the same number.

use crate::{caller::Caller, world::World};
use std::rc::Rc;
use tradewind_domain::control::{
    Command, Outcome,
    group::{GroupCommand, MemberAddress},
};
use tradewind_replication::Replica;

/// Ends once the seat has its number.
pub(crate) async fn ask(world: &Rc<World>, at: usize) {
    let seat = &world.seats[at];
    let disk = seat.disk.get();
    let name = format!("join-{}-{}", seat.place, seat.chance.next() % 1_000_000_000);
    let Some(caller) = Caller::new(world, &name, seat.chance.fork()) else { return };
    let address = std::net::SocketAddr::new(turmoil::lookup(seat.name()), crate::member::PORT);
    let address = MemberAddress { peer: address.to_string(), api: seat.name() };
    loop {
        caller.pause(20..400).await;
        let admit = Command::Group(GroupCommand::Admit { disk, address: address.clone() });
        let heard = caller.command(caller.key(), admit).await;
        let accepted = matches!(heard.outcome, Some(Outcome::Accepted { .. }));
        world.history.borrow_mut().commands.push((heard.key, heard.outcome));
        if !accepted {
            continue;
        }
        // At whoever answered: it holds what it has acknowledged.
        let look = move |replica: Replica| async move {
            replica.look(|_, machine| machine.admitted(disk).map(|row| row.node))
        };
        if let Some(Some(node)) = world.ask(caller.target(), look).await {
            world.note(&format!("{} was admitted as node {node}", seat.name()));
            seat.node.set(node);
            return;
        }
    }
}
