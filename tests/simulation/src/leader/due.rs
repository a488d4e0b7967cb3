//! P1: a leader proposes a step when it is due by the time it would be stamped with, neither again and again before nor
//! for long after. Decides that sentence, of refusals and of drains whose time has come.

use super::Context;
use std::collections::BTreeMap;
use tradewind_domain::{
    control::{
        Machine, Observed,
        drain::{DrainState, DropSchedule},
    },
    ids::{DrainTarget, Epoch},
};

/// A leader plans ten times a second. A clock of the group that is taken back makes a few of them.
const NOT_DUE_MOST: u32 = 10;

/// So long a leader that looks and is confirmed may take for what has come due.
const DONE_WITHIN_MS: u64 = 2_000;

/// A command was refused because its time had not come.
pub(super) fn refused(context: &Context, command: String) {
    let mut not_due = context.not_due.borrow_mut();
    let times = not_due.entry(command.clone()).or_default();
    *times += 1;
    if *times == NOT_DUE_MOST {
        let member = context.seat + 1;
        context
            .world
            .violation(format!("P1: m{member} proposes {command} again and again before its time"));
    }
}

/// Drains that are to be dropped and are not, since when this leader could have seen that.
#[derive(Default)]
pub(super) struct Late {
    since: BTreeMap<(DrainTarget, Epoch), u64>,
    looked_at: u64,
}

/// One that has not looked for so long stood still, or was not sure that it leads: it begins anew.
const LOOKS_EVERY_MS: u64 = 500;

impl Late {
    /// After a round of the plan.
    pub(super) fn look(&mut self, context: &Context, machine: &Machine, observed: &Observed) {
        let (now, time) = (context.world.elapsed_ms(), context.group_time());
        let due = machine.drains().filter(|row| {
            let come = match row.drop {
                DropSchedule::WhenIdle => true,
                DropSchedule::At(at) => at <= time,
                DropSchedule::AfterHours | DropSchedule::Never => false,
            };
            // It is dropped on the word of its Managers.
            let mut all = machine.concerned(&row.target);
            let said = all.all(|row| {
                observed.piped.contains(&row.manager)
                    && observed.told(row).is_some_and(|told| told.held == Some(0))
            });
            come && said && row.state == DrainState::Drained
        });
        let due: Vec<_> = due.map(|row| (row.target.clone(), row.epoch)).collect();
        if now - self.looked_at > LOOKS_EVERY_MS {
            self.since.clear();
        }
        self.looked_at = now;
        self.since.retain(|held, _| due.contains(held));
        for each in due {
            let since = *self.since.entry(each.clone()).or_insert(now);
            if now.saturating_sub(since) > DONE_WITHIN_MS {
                self.since.insert(each.clone(), u64::MAX);
                let (member, target) = (context.seat + 1, each.0);
                context.world.violation(format!(
                    "P1: m{member} leads and does not drop {target}, whose time has come"
                ));
            }
        }
    }
}
