//! Whom a leader is about to take for down. Nobody is, whose lease was renewed (L1): a beat that arrives between the look at
//! its age and the entry of its expiry must either be heard before or stay unanswered. Decides which.
//!
//! Who brings a beat puts it first, then asks here, and only then whether the registration stands. Who plans begins here
//! first, then hears what was put, plans again, and ends here only once the entries of what he proposed are applied.
//! Whatever runs beside what: a beat that was put too late to be heard finds the name here, or the registration gone.
//! A proposal whose outcome is not known may become an entry yet: its name stands until a later entry is decided.

use super::Registration;
use crate::{
    control::Command,
    ids::{Epoch, Incarnation, ManagerId},
};
use alloc::{collections::BTreeSet, vec::Vec};

type Name = (ManagerId, Incarnation, Epoch);

#[derive(Debug, Default)]
pub struct Expiring {
    /// Of the round that is under way.
    named: BTreeSet<Name>,
    /// Proposed in rounds before, and not known to be decided.
    undecided: BTreeSet<Name>,
}

impl Expiring {
    /// These are going to be proposed, unless something is heard before: from now on none of them is answered.
    pub fn begin(&mut self, commands: &[Command]) {
        // A round that was cut off has not said what became of it.
        self.undecided.append(&mut self.named);
        self.named = commands.iter().filter_map(name).collect();
    }

    /// What of a plan that was made after the beginning may be proposed: not the expiry of one that may have been answered
    /// in between. Who is not to be expired any more is answered again.
    pub fn proposable(&mut self, mut commands: Vec<Command>) -> Vec<Command> {
        commands.retain(|command| name(command).is_none_or(|name| self.named.contains(&name)));
        self.named = commands.iter().filter_map(name).collect();
        commands
    }

    /// The round is over. `decided`: of each of its proposals it is known what became of it.
    pub fn end(&mut self, decided: bool) {
        if !decided {
            self.undecided.append(&mut self.named);
        }
        self.named.clear();
    }

    /// Whether there are proposals of which nothing is known.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        !self.undecided.is_empty()
    }

    /// An entry was decided that was proposed after all of these: what is not in the log by now never will be.
    pub fn settled(&mut self) {
        self.undecided.clear();
    }

    /// Whether a beat of this registration stays unanswered.
    #[must_use]
    pub fn has(&self, of: &Registration) -> bool {
        // Both are empty nearly always, and each beat asks.
        if self.named.is_empty() && self.undecided.is_empty() {
            return false;
        }
        let Registration { manager, incarnation, epoch, .. } = of;
        let name = (manager.clone(), *incarnation, *epoch);
        self.named.contains(&name) || self.undecided.contains(&name)
    }
}

fn name(command: &Command) -> Option<Name> {
    match command {
        Command::ExpireManager { manager, incarnation, epoch, .. } => {
            Some((manager.clone(), *incarnation, *epoch))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::command::DownReason;
    use alloc::{string::String, vec};

    fn expiry(epoch: u64) -> Command {
        let manager = "a.broker-manager".parse().expect("legal");
        let (incarnation, why) = (Incarnation(1), DownReason::Silent);
        Command::ExpireManager { manager, incarnation, epoch: Epoch(epoch), why }
    }

    fn registration(epoch: u64) -> Registration {
        let manager = "a.broker-manager".parse().expect("legal");
        let (incarnation, epoch, address) = (Incarnation(1), Epoch(epoch), String::new());
        Registration { manager, incarnation, epoch, address }
    }

    #[test]
    fn one_that_is_about_to_be_expired_is_not_answered_and_its_next_registration_is() {
        let mut expiring = Expiring::default();
        assert!(!expiring.has(&registration(1)));
        expiring.begin(&[expiry(1)]);
        assert!(expiring.has(&registration(1)) && !expiring.has(&registration(2)));
        expiring.end(true);
        assert!(!expiring.has(&registration(1)));
    }

    #[test]
    fn what_was_lost_only_after_the_beginning_waits_and_who_was_heard_meanwhile_is_answered() {
        let mut expiring = Expiring::default();
        expiring.begin(&[expiry(1), expiry(3)]);
        let other = Command::OpenCluster { incarnation: crate::ids::ClusterIncarnation(1) };
        let planned = vec![expiry(1), expiry(2), other.clone()];
        assert_eq!(expiring.proposable(planned), [expiry(1), other]);
        assert!(expiring.has(&registration(1)) && !expiring.has(&registration(3)));
    }

    #[test]
    fn an_expiry_of_which_nothing_is_known_keeps_its_name_until_a_later_entry_is_decided() {
        let mut expiring = Expiring::default();
        expiring.begin(&[expiry(1)]);
        expiring.end(false);
        expiring.begin(&[expiry(2)]);
        expiring.end(true);
        assert!(expiring.is_undecided() && expiring.has(&registration(1)));
        expiring.settled();
        assert!(!expiring.is_undecided() && !expiring.has(&registration(1)));
        // Nor is anything known of a round that was cut off.
        expiring.begin(&[expiry(3)]);
        expiring.begin(&[]);
        assert!(expiring.is_undecided() && expiring.has(&registration(3)));
    }
}
