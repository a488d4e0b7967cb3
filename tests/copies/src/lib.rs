//! A model of one account: its nodes, their disks, Brokers, copy holders, the replicated state, an algo and a venue.
//! Decides what may happen next in each state; what the parts then do is `domain::trading::copies`' own decision,
//! and that it is right is searched in `tests/copies.rs`, in every order to a bound.

mod heal;
mod leader;
mod nodes;
mod plant;
mod steps;
mod world;

pub use plant::Plant;
pub use steps::Step;
pub use world::{Bounds, Start, World};

use stateright::{Model, Property};

/// One search: how it begins, how far it goes, what is wrong with the code.
#[derive(Clone, Debug)]
pub struct Search {
    pub start: Start,
    pub bounds: Bounds,
    pub plant: Option<Plant>,
    /// Whether it is asked of each state that the account goes on from it, which takes longer than the rest.
    pub goes_on: bool,
}

impl Search {
    /// What must hold in every state.
    pub const CLAIMS: [&'static str; 4] = [
        "one history, and each order sent at most once (O1, T1)",
        "the ledger that counts holds what anybody was told",
        "a copy that is called whole holds it too",
        "once nothing fails any more the account goes on, with two copies",
    ];

    /// What must be seen in some state.
    pub const REACHED: [&'static str; 4] = [
        "a successor takes an order after its predecessor's",
        "the copy of a second copy holder is whole",
        "a Broker finds its copy sealed",
        "a succession was given up",
    ];
}

impl Model for Search {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.start, self.bounds)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        // What is wrong already needs no continuation.
        if world.broken.is_none() {
            Step::all(world, steps);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.take(step, self.plant).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let [history, live, copy, goes_on] = Self::CLAIMS;
        let [continued, replaced, fenced, given_back] = Self::REACHED;
        vec![
            Property::always(history, |_, world: &World| world.broken.is_none()),
            Property::always(live, |_, world: &World| world.live_is_whole()),
            Property::always(copy, |_, world: &World| world.copy_is_whole()),
            Property::always(goes_on, |search, world: &World| {
                !search.goes_on || world.broken.is_some() || world.goes_on(search.plant)
            }),
            Property::sometimes(continued, |_, world: &World| world.continued()),
            Property::sometimes(replaced, |_, world: &World| world.replaced()),
            Property::sometimes(fenced, |_, world: &World| world.fenced()),
            Property::sometimes(given_back, |_, world: &World| world.given_back()),
        ]
    }
}
