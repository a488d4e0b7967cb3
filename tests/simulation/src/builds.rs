//! Which builds run where there are Managers: the newest from the beginning, older ones that are exchanged for it one after
//! the other while things break, or older ones to the end. Decides when each is exchanged, and that it says so; when the level
//! is raised is the leader's plan, and what it changes the machine's.

use crate::{caller::Caller, chance::Chance, scene::Scene, world::World};
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Command, Machine, Outcome, Refusal,
        group::{Founder, GroupCommand, MemberAddress},
        level::{FeatureLevel, LevelCommand},
    },
    ids::NodeId,
};

/// From when on they are exchanged: things break, and are mended for long before the run's end.
const FROM_MS: std::ops::Range<u64> = 1_200..4_500;
/// One after the other, so that builds stand side by side.
const BETWEEN_MS: u64 = 130;

/// Drawn by a generator of their own, so that they move no other draw of a seed.
const OWN_DRAWS: u64 = 0x0B17_1D5A_11D5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builds {
    Newest,
    ExchangedFrom(u64),
    /// Managers that say nothing of what they know.
    Old,
}

impl Builds {
    pub(crate) fn of(scene: Scene, seed: u64) -> Self {
        let chance = Chance::new(seed ^ OWN_DRAWS);
        match scene {
            // There are no Managers, or none that say what they know.
            Scene::Group | Scene::Members => Self::Old,
            Scene::Stories => Self::Newest,
            Scene::Managers => match chance.below(10) {
                0..4 => Self::Newest,
                4..7 => Self::ExchangedFrom(chance.within(FROM_MS)),
                _ => Self::Old,
            },
        }
    }

    /// When the one that was the first of all, the second, and so on, is exchanged.
    fn exchanged_at(self, n: u64) -> Option<u64> {
        match self {
            Self::Newest => Some(0),
            Self::ExchangedFrom(at) => Some(at + n * BETWEEN_MS),
            Self::Old => None,
        }
    }

    fn at(self, n: u64, now: u64) -> FeatureLevel {
        let newest = self.exchanged_at(n).is_some_and(|at| at <= now);
        if newest { FeatureLevel::KNOWN } else { FeatureLevel::FIRST }
    }

    /// What a member's build knows.
    pub(crate) fn of_member(self, seat: usize, now: u64) -> FeatureLevel {
        self.at(2 * seat as u64, now)
    }

    /// What a Manager says; `None`: nothing.
    pub(crate) fn of_manager(self, site: usize, post: usize, now: u64) -> Option<FeatureLevel> {
        // Kind by kind: for a while Managers of one site are of two builds.
        (self != Self::Old).then(|| self.at((3 * post + site) as u64, now))
    }

    /// What the group comes to.
    pub(crate) fn end(self) -> FeatureLevel {
        match self {
            Self::Newest | Self::ExchangedFrom(_) => FeatureLevel::KNOWN,
            Self::Old => FeatureLevel::FIRST,
        }
    }

    /// `Err`: the group is not at the level that all know.
    pub(crate) fn settled(self, machine: &Machine) -> Result<(), String> {
        let (level, end) = (machine.level(), self.end());
        if level == end {
            return Ok(());
        }
        let waits = machine.not_knowing(end).map_or(String::new(), |who| format!(", for {who}"));
        Err(format!("the level is {level} and not {end}{waits}"))
    }
}

/// Members say what they know, as they do at each start: before they are exchanged and after. Once all have, it ends.
pub(crate) async fn tell(caller: Caller) {
    let world = caller.world.clone();
    if world.builds == Builds::Old {
        return;
    }
    ask(&caller, Command::Group(founding(&world))).await;
    let mut told = BTreeMap::new();
    while !told.values().all(|level| *level == FeatureLevel::KNOWN) || told.is_empty() {
        for seat in 0..world.seats.len() {
            let level = world.builds.of_member(seat, world.elapsed_ms());
            if told.get(&seat) != Some(&level) {
                let node = world.seats[seat].node.get();
                ask(&caller, Command::Level(LevelCommand::Know { node, level })).await;
                told.insert(seat, level);
            }
        }
        caller.pause(20..80).await;
    }
}

fn founding(world: &World) -> GroupCommand {
    let founder = |node: NodeId, name: String| {
        (node, Founder { address: MemberAddress { peer: name.clone(), api: name }, disk: None })
    };
    let members = world.seats.iter().map(|seat| founder(seat.node.get(), seat.name())).collect();
    GroupCommand::Found { voters_wanted: world.seats.len() as u8, members }
}

/// Until it is decided.
async fn ask(caller: &Caller, command: Command) {
    loop {
        let heard = caller.command(caller.key(), command.clone()).await;
        caller.world.note(&format!("{command:?}: {:?}", heard.outcome));
        // What had no answer may have been decided all the same, under a key that is not asked again.
        let accepted = matches!(
            heard.outcome,
            Some(Outcome::Accepted { .. } | Outcome::Refused { refusal: Refusal::AlreadyOpen })
        );
        caller.world.history.borrow_mut().commands.push((heard.key, heard.outcome));
        if accepted {
            return;
        }
        caller.pause(20..200).await;
    }
}
