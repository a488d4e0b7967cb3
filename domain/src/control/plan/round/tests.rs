//! Claims about a round: whatever comes when, nobody is expired who was answered; nothing is proposed that nobody confirmed; what is
//! not known to be decided is settled first.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    control::{command::DownReason, plan::Registration},
    ids::{ClusterIncarnation, Epoch, Incarnation},
};
use alloc::{string::String, vec};
use core::{
    cell::RefCell,
    pin::pin,
    task::{self, Poll, Waker},
};

/// Nothing here waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut task::Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn expiry(epoch: u64) -> Command {
    let manager = "a.broker-manager".parse().unwrap();
    let (incarnation, why) = (Incarnation(1), DownReason::Silent);
    Command::ExpireManager { manager, incarnation, epoch: Epoch(epoch), why }
}

fn other() -> Command {
    Command::OpenCluster { incarnation: ClusterIncarnation(1) }
}

fn registration(epoch: u64) -> Registration {
    let manager = "a.broker-manager".parse().unwrap();
    let (incarnation, epoch, address) = (Incarnation(1), Epoch(epoch), String::new());
    Registration { manager, incarnation, epoch, address }
}

/// A leader that would expire the first registration for its silence, to which a beat comes at some step.
struct Leader {
    expiring: RefCell<Expiring>,
    /// The plans that are still to be made, the next one first.
    plans: Vec<Vec<Command>>,
    confirms: bool,
    decided: Decided,
    settles: bool,
    /// At which step a beat comes.
    beat_at: &'static str,
    /// It was put, and nobody has heard it.
    put: bool,
    answered: bool,
    steps: Vec<&'static str>,
    proposed: Vec<Command>,
}

impl Leader {
    fn planning(plans: &[&[Command]]) -> Self {
        Self {
            expiring: RefCell::default(),
            plans: plans.iter().map(|plan| plan.to_vec()).collect(),
            confirms: true,
            decided: Decided::Accepted,
            settles: true,
            beat_at: "never",
            put: false,
            answered: false,
            steps: vec![],
            proposed: vec![],
        }
    }

    fn beat_at(mut self, step: &'static str) -> Self {
        self.beat_at = step;
        self
    }

    fn step(&mut self, step: &'static str) {
        self.steps.push(step);
        if self.beat_at == step {
            self.put = true;
            self.answered = !self.has(1);
        }
    }

    fn has(&self, epoch: u64) -> bool {
        self.expiring.borrow().has(&registration(epoch))
    }
}

impl Shell for Leader {
    fn expiring<R>(&self, look: impl FnOnce(&mut Expiring) -> R) -> R {
        look(&mut self.expiring.borrow_mut())
    }

    fn plan(&mut self) -> Vec<Command> {
        self.step("plan");
        if self.plans.is_empty() { vec![] } else { self.plans.remove(0) }
    }

    async fn confirm(&mut self) -> bool {
        self.step("confirm");
        self.confirms
    }

    fn hear(&mut self) {
        if core::mem::take(&mut self.put) {
            // It is not silent any more.
            let Some(next) = self.plans.first_mut() else { return };
            next.retain(|command| *command != expiry(1));
        }
        self.step("hear");
    }

    async fn propose(&mut self, commands: Vec<Command>) -> Vec<Decided> {
        self.step("propose");
        self.proposed.clone_from(&commands);
        commands.iter().map(|_| self.decided).collect()
    }

    async fn settle(&mut self) -> bool {
        self.step("settle");
        self.settles
    }
}

#[test]
fn a_beat_that_is_put_before_it_is_heard_keeps_its_manager_and_one_that_is_put_later_stays_unanswered()
 {
    for step in ["plan", "confirm", "hear", "propose"] {
        let mut leader = Leader::planning(&[&[expiry(1)], &[expiry(1)]]).beat_at(step);
        at_once(round(&mut leader));
        let expired = leader.proposed.contains(&expiry(1));
        assert!(
            !(expired && leader.answered),
            "a beat at {step} was answered, and its Manager expired"
        );
        assert_eq!(expired, ["hear", "propose"].contains(&step), "at {step}");
        assert!(!leader.has(1), "{step}: after the round the registration is answered, or gone");
    }
}

#[test]
fn nobody_is_expired_on_an_age_that_nobody_has_confirmed_and_everybody_is_answered_afterwards() {
    let mut leader = Leader::planning(&[&[expiry(1)], &[expiry(1)]]);
    leader.confirms = false;
    assert!(!at_once(round(&mut leader)));
    assert_eq!(leader.steps, ["plan", "confirm"]);
    assert!(leader.proposed.is_empty() && !leader.has(1));
}

#[test]
fn with_nothing_to_do_no_quorum_is_asked() {
    let mut leader = Leader::planning(&[]);
    assert!(!at_once(round(&mut leader)));
    assert_eq!(leader.steps, ["plan"]);
}

#[test]
fn who_is_found_silent_only_by_the_second_look_waits_for_the_next_round_which_comes_at_once() {
    let mut leader = Leader::planning(&[&[other()], &[expiry(1), other()]]);
    leader.decided = Decided::Refused;
    assert!(at_once(round(&mut leader)));
    assert_eq!(leader.proposed, [other()]);
    let mut leader = Leader::planning(&[&[other()], &[other()]]);
    leader.decided = Decided::Refused;
    assert!(!at_once(round(&mut leader)), "nothing was left out, and nothing accepted");
}

#[test]
fn an_expiry_of_which_nothing_is_known_stays_unanswered_until_a_later_entry_is_decided() {
    let mut leader = Leader::planning(&[&[expiry(1)], &[expiry(1)]]);
    leader.decided = Decided::Unknown;
    assert!(!at_once(round(&mut leader)));
    assert!(leader.has(1));
    // Nothing is known of the later entry either.
    leader.settles = false;
    at_once(round(&mut leader));
    assert!(leader.has(1));
    leader.settles = true;
    leader.steps.clear();
    at_once(round(&mut leader));
    assert_eq!(leader.steps, ["settle", "plan"]);
    assert!(!leader.has(1));
    // Once is enough.
    leader.steps.clear();
    at_once(round(&mut leader));
    assert_eq!(leader.steps, ["plan"]);
}

#[test]
fn a_second_time_in_one_term_begins_only_once_all_that_was_proposed_is_decided() {
    let mut led = Led::default();
    let asked = RefCell::new(0);
    let mut begins = |term, settled| {
        at_once(led.may_begin(term, async {
            asked.replace_with(|asked| *asked + 1);
            settled
        }))
    };
    assert!(begins(1, false));
    assert_eq!(*asked.borrow(), 0, "the first time there is nothing to settle");
    assert!(!begins(1, false));
    assert!(!begins(1, false), "nor the time after");
    assert!(begins(1, true));
    assert_eq!(*asked.borrow(), 3);
    assert!(
        begins(2, false),
        "what an earlier term left in the log is applied before this one is confirmed"
    );
}
