//! One round of the leader's work: look, make sure, look again, propose. Decides the order of these alone, on which it hangs
//! that nobody is expired whose lease was renewed (L1); what is proposed is `plan`'s decision, and the effects are a
//! shell's: the leader's own, and the simulation's. Each command is conditional, so a round may be cut off or repeated at
//! any point.

use super::Expiring;
use crate::control::Command;
use alloc::vec::Vec;
use core::future::Future;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    Accepted,
    /// Or surely not proposed. It is decided anew by the next round.
    Refused,
    /// It may become an entry yet.
    Unknown,
}

/// What a round is carried out with.
#[allow(
    async_fn_in_trait,
    reason = "each shell runs its own on one task, and knows whether that may move"
)]
pub trait Shell {
    /// Those whose beats stay unanswered, which whoever answers beats looks at too.
    fn expiring<R>(&self, look: impl FnOnce(&mut Expiring) -> R) -> R;

    /// Everything that should be proposed now, by what was heard and the state as it is.
    fn plan(&mut self) -> Vec<Command>;

    /// Has a quorum confirm the leadership. After it the state holds all that was acknowledged before.
    async fn confirm(&mut self) -> bool;

    /// Hears what has arrived until now.
    fn hear(&mut self);

    /// What became of each of these, in any order. Those that were accepted are applied when this returns.
    async fn propose(&mut self, commands: Vec<Command>) -> Vec<Decided>;

    /// Has an entry decided that changes nothing: all that this member proposed before is in the log by then, or never
    /// will be. `false`: that is not known either.
    async fn settle(&mut self) -> bool;
}

/// Says whether there may be more to do at once. Ages are taken first, then a quorum confirms the leadership, then what the
/// pipes have brought meanwhile is heard: an old age is never acted on by a leader that was replaced, nor against a beat that
/// had already arrived.
pub async fn round(shell: &mut impl Shell) -> bool {
    // Whether something became an entry of which nothing is known is known once a later one is decided.
    if shell.expiring(|expiring| expiring.is_undecided()) && shell.settle().await {
        shell.expiring(Expiring::settled);
    }
    let planned = shell.plan();
    if planned.is_empty() {
        return false;
    }
    // Before anything is heard: a beat from here on stays unanswered.
    shell.expiring(|expiring| expiring.begin(&planned));
    if !shell.confirm().await {
        shell.expiring(|expiring| expiring.end(true));
        return false;
    }
    shell.hear();
    let planned = shell.plan();
    let all = planned.len();
    let commands = shell.expiring(|expiring| expiring.proposable(planned));
    // What was left out is decided anew at once.
    let left_out = commands.len() < all;
    let decided = shell.propose(commands).await;
    shell.expiring(|expiring| expiring.end(!decided.contains(&Decided::Unknown)));
    left_out || decided.contains(&Decided::Accepted)
}

/// The term a member has led in last.
#[derive(Debug, Default)]
pub struct Led(Option<u64>);

impl Led {
    /// Whether it may begin to lead in this term. When it has led in the same term before, what it proposed then may become
    /// entries yet, and whom they expire is forgotten: `settle` has to say that they are decided, as `Shell::settle` does.
    pub async fn may_begin(&mut self, term: u64, settle: impl Future<Output = bool>) -> bool {
        self.0.replace(term) != Some(term) || settle.await
    }
}

#[cfg(test)]
mod tests;
