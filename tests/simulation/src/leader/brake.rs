//! B1: of a Manager that runs, and that another member reaches whom the leader can ask, nothing is moved away for its
//! silence alone while another node is silent, too, other than one that no pipe of this leader ever reached and no member
//! reaches. Decides that sentence, by what the run knows and not by what any
//! member found out. B2: nor of one that lives and is reached so, because it refuses a leader to whom no pipe of it has
//! stood, or because others refuse as well.

use super::{Context, probes::reaches};
use crate::sites::Site;
use tradewind_domain::{
    control::{
        Command, Machine, Observed,
        command::DownReason,
        plan::{Health, Node},
        row::{ManagerRow, ManagerState},
    },
    ids::Epoch,
    time::Monotonic,
};

/// So long nothing of it has changed: two questions and the rounds between them are over.
const LASTS_MS: u64 = 3_000;

/// What the leader is about to propose.
pub(super) fn check(
    context: &Context,
    right: Epoch,
    machine: &Machine,
    observed: &Observed,
    commands: &[Command],
    now: Monotonic,
) {
    for command in commands {
        let Command::ExpireManager { manager, why, .. } = command else { continue };
        let Some(row) = machine.manager(manager) else { continue };
        if *why == DownReason::Refused {
            refused(context, right, observed, row);
            continue;
        }
        // A pipe that stands over a Manager that does not beat is no cut.
        if observed.piped.contains(manager)
            || !others_are_silent(context, machine, observed, row, now)
        {
            continue;
        }
        if let Some(seat) = reached_for(context, row, LASTS_MS) {
            context.world.violation(format!(
                "B1: {manager} is taken for down in its silence by m{}, others are silent, and m{} reaches it",
                context.seat + 1,
                seat + 1
            ));
        }
    }
}

fn refused(context: &Context, right: Epoch, observed: &Observed, row: &ManagerRow) {
    let Some((site, post)) = context.world.post(&row.manager) else { return };
    let stood = post.stood.borrow().contains(&(right, row.epoch));
    let others = observed.refusals.keys().any(|other| {
        let elsewhere = |at: &Site| at.location == site.location && at.name != site.name;
        context.world.post(other).is_some_and(|(at, _)| elsewhere(at))
    });
    if stood && !others {
        return;
    }
    if let Some(seat) = reached_for(context, row, LASTS_MS) {
        let (manager, leader, member) = (&row.manager, context.seat + 1, seat + 1);
        context.world.violation(format!(
            "B2: {manager} lives, is taken for dead because it refuses m{leader}, and m{member} reaches it"
        ));
    }
}

fn others_are_silent(
    context: &Context,
    machine: &Machine,
    observed: &Observed,
    of: &ManagerRow,
    now: Monotonic,
) -> bool {
    let live = machine.managers().filter(|row| row.state == ManagerState::Live);
    let own = Node::named(machine, of);
    let mut others = live.map(|row| (row, Node::named(machine, row)));
    others.any(|(row, node)| match observed.health(row, now) {
        _ if node == own || node.location != own.location => false,
        Health::Suspect | Health::Lost(DownReason::Silent) => {
            let new = observed.newcomers.contains(&row.manager);
            !observed.piped.contains(&row.manager)
                && (!new || reached_for(context, row, life_of(context, row)).is_some())
        }
        Health::Well | Health::Lost(DownReason::Refused) => false,
    })
}

/// How old its process is, if that is not old: no member could have missed it before.
fn life_of(context: &Context, row: &ManagerRow) -> u64 {
    let begun = context.world.post(&row.manager).and_then(|(_, post)| post.life.get());
    let age = begun.map(|(_, begun)| context.world.elapsed_ms().saturating_sub(begun));
    age.unwrap_or_default().min(LASTS_MS)
}

/// A member that the leader reaches all the time, and that reaches this Manager all the time, for so long.
fn reached_for(context: &Context, row: &ManagerRow, lasts: u64) -> Option<usize> {
    let world = &context.world;
    let now = world.elapsed_ms();
    let (site, post) = world.post(&row.manager)?;
    let (_, begun) = post.life.get()?;
    let own = world.seats[context.seat].name();
    let awake = |until: u64| until + lasts <= now;
    if begun + lasts > now
        || !awake(site.stalled_until.get())
        || !awake(world.seats[context.seat].stalled_until.get())
    {
        return None;
    }
    let others = (0..world.seats.len()).filter(|seat| *seat != context.seat);
    let mut reaching = others.filter(|seat| {
        let (name, since) = (world.seats[*seat].name(), world.seats[*seat].up_since.get());
        since.is_some_and(|since| since + lasts <= now)
            && world.whole_for(&own, &name) >= lasts
            && world.whole_for(&name, &site.name) >= lasts
            && !world.refuses(*seat, site, lasts)
            && reaches(context, *seat, &row.manager, row.incarnation)
    });
    reaching.next()
}
