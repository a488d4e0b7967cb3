//! The steps of the model. Decides which there are; what one does stands with whoever takes it.

use crate::{
    Plant,
    world::{ORDERS, PLACES, Place, Process, World},
};

/// What a power loss leaves of what was written and not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    Everything,
    Synced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The algo submits, once or again.
    Submit(Place, u8),
    /// The venue's word about an order that it has.
    Result(Place, u8),
    /// The Broker's fdatasync.
    Sync(Place),
    Join(Place),
    Greet(Place),
    Stream(Place),
    /// The copy holder's fdatasync, and its acknowledgement.
    SyncCopy(Place),
    Hear(Place),
    Seal(Place),
    Load(Place),
    Start(Place),
    /// A Manager hears the leader, and its Broker the Manager.
    Learn(Place),
    Name(Place),
    Joined,
    Succeed(Place),
    WentLive,
    GiveBack,
    Kill(Place, Left),
    KillHolder(Place, Left),
    Break(Place),
    LoseCopy(Place),
}

impl Step {
    /// The steps that may do something: one that does nothing after all is none.
    pub(crate) fn all(world: &World, steps: &mut Vec<Self>) {
        for (at, node) in (0..PLACES).zip(&world.nodes) {
            steps.push(Self::Learn(at));
            match &node.process {
                None => steps.extend([Self::Start(at), Self::Sync(at)]),
                Some(Process::Succeeding(_)) => steps.extend([Self::Seal(at), Self::Load(at)]),
                Some(Process::Writing(_)) => Self::writing(at, steps),
            }
            if !node.copy.disk.is_empty() {
                steps.push(Self::SyncCopy(at));
            }
            if world.faults_left > 0 {
                for left in [Left::Everything, Left::Synced] {
                    steps.extend([Self::Kill(at, left), Self::KillHolder(at, left)]);
                }
                steps.extend([Self::Break(at), Self::LoseCopy(at)]);
            }
            if world.entries_left > 0 {
                steps.extend([Self::Name(at), Self::Succeed(at)]);
            }
        }
        steps.push(Self::Joined);
        if world.entries_left > 0 {
            steps.extend([Self::WentLive, Self::GiveBack]);
        }
    }

    fn writing(at: Place, steps: &mut Vec<Self>) {
        steps.extend(
            (0..ORDERS).flat_map(|order| [Self::Submit(at, order), Self::Result(at, order)]),
        );
        steps.extend([Self::Sync(at), Self::Join(at), Self::Greet(at), Self::Stream(at)]);
        steps.push(Self::Hear(at));
    }
}

impl World {
    /// Takes a step; `false` if there is none to take.
    pub(crate) fn take(&mut self, step: Step, plant: Option<Plant>) -> bool {
        let taken = self.step(step, plant);
        if let Step::Sync(at)
        | Step::Greet(at)
        | Step::Hear(at)
        | Step::Start(at)
        | Step::Load(at)
        | Step::Learn(at) = step
        {
            self.act(at, plant);
        }
        taken
    }

    fn step(&mut self, step: Step, plant: Option<Plant>) -> bool {
        match step {
            Step::Submit(at, order) => self.submit(at, order, plant),
            Step::Result(at, order) => self.result(at, order, plant),
            Step::Sync(at) => self.sync(at),
            Step::Join(at) => self.join(at),
            Step::Greet(at) => self.greet(at, plant),
            Step::Stream(at) => self.stream(at, plant),
            Step::SyncCopy(at) => self.sync_copy(at),
            Step::Hear(at) => self.hear(at),
            Step::Seal(at) => self.seal(at, plant),
            Step::Load(at) => self.load(at, plant),
            Step::Start(at) => self.start(at),
            Step::Learn(at) => self.learn(at),
            Step::Name(holder) => self.name(holder, plant),
            Step::Joined => self.joined(plant),
            Step::Succeed(at) => self.succeed(at),
            Step::WentLive => self.went_live(plant),
            Step::GiveBack => self.give_back(),
            Step::Kill(at, left) => self.kill(at, left),
            Step::KillHolder(at, left) => self.kill_holder(at, left),
            Step::Break(at) => self.break_connection(at),
            Step::LoseCopy(at) => self.lose_copy(at),
        }
    }
}
