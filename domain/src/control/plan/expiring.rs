//! Whom a leader is about to take for down. Nobody is, whose lease was renewed (L1): a beat that arrives between the look at
//! its age and the entry of its expiry must either be heard before or stay unanswered. Decides which: who reports a beat
//! reports it first and then asks here whether it may answer; who plans begins here first, then hears what was
//! reported, and proposes what is still to be done. Whatever runs beside what, one of the two sees the other.

use super::Registration;
use crate::{
    control::Command,
    ids::{Epoch, Incarnation, ManagerId},
};
use alloc::{collections::BTreeSet, vec::Vec};

#[derive(Debug, Default)]
pub struct Expiring(BTreeSet<(ManagerId, Incarnation, Epoch)>);

impl Expiring {
    /// These are going to be proposed, unless something is heard before: from now on none of them is answered.
    pub fn begin(&mut self, commands: &[Command]) {
        self.0 = commands.iter().filter_map(of).collect();
    }

    /// What of the plan may be proposed: not the expiry of one that may have been answered a moment ago.
    pub fn proposable(&self, mut commands: Vec<Command>) -> Vec<Command> {
        commands.retain(|command| of(command).is_none_or(|of| self.0.contains(&of)));
        commands
    }

    /// All that was proposed is decided, or was given up.
    pub fn end(&mut self) {
        self.0.clear();
    }

    /// Whether a beat of this registration stays unanswered.
    #[must_use]
    pub fn has(&self, of: &Registration) -> bool {
        let Registration { manager, incarnation, epoch, .. } = of;
        // It is empty nearly always, and asked at each beat.
        !self.0.is_empty() && self.0.contains(&(manager.clone(), *incarnation, *epoch))
    }
}

fn of(command: &Command) -> Option<(ManagerId, Incarnation, Epoch)> {
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

    #[test]
    fn one_that_is_about_to_be_expired_is_not_answered_and_its_next_registration_is() {
        let registration = |epoch| Registration {
            manager: "a.broker-manager".parse().expect("legal"),
            incarnation: Incarnation(1),
            epoch: Epoch(epoch),
            address: String::new(),
        };
        let mut expiring = Expiring::default();
        assert!(!expiring.has(&registration(1)));
        expiring.begin(&[expiry(1)]);
        assert!(expiring.has(&registration(1)) && !expiring.has(&registration(2)));
        expiring.end();
        assert!(!expiring.has(&registration(1)));
    }

    #[test]
    fn what_was_lost_only_after_the_beginning_waits_for_the_next_round() {
        let mut expiring = Expiring::default();
        expiring.begin(&[expiry(1)]);
        let other = Command::OpenCluster { incarnation: crate::ids::ClusterIncarnation(1) };
        let planned = vec![expiry(1), expiry(2), other.clone()];
        assert_eq!(expiring.proposable(planned), [expiry(1), other]);
    }
}
