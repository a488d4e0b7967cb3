//! What a machine would let happen that has a level and does not keep what came with it. Decides which rows become
//! wrong; which sentence must find them is told beside the others.

use tradewind_domain::{
    control::{
        Machine, Row,
        level::{FeatureLevel, LevelRow},
        row::{Assignment, ManagerState},
    },
    ids::{Epoch, ManagerKind, Revision},
    time::UnixNanos,
};

/// A Manager leaves the registry with what it has.
pub(super) fn gone_with_something(rows: &mut Vec<Row>, before: &Machine) -> bool {
    let holds = |row: &Row| match row {
        Row::Manager(row) => {
            let placed = before.placed(&row.manager);
            before.manager(&row.manager).is_some() && placed.brokers + placed.customers > 0
        }
        _ => false,
    };
    let at = rows.iter().position(holds).filter(|_| before.level() >= FeatureLevel::SECOND);
    at.map(|at| rows.remove(at)).is_some()
}

/// A BrokerManager is given a Broker more.
pub(super) fn above_what_it_takes(rows: &mut [Row], before: &Machine, own: Epoch) -> bool {
    let full = before.managers().find(|row| {
        row.manager.kind == ManagerKind::BrokerManager
            && row.state == ManagerState::Live
            && before.placed(&row.manager).brokers >= row.capacity as usize
    });
    let Some(full) = full.filter(|_| before.level() >= FeatureLevel::SECOND) else { return false };
    rows.iter_mut().any(|row| {
        let Row::Broker(row) = row else { return false };
        let elsewhere = row.assignment.as_ref().is_none_or(|held| held.manager != full.manager);
        if elsewhere {
            row.assignment = Some(Assignment { manager: full.manager.clone(), epoch: own });
        }
        elsewhere
    })
}

/// A member does not know it.
pub(super) fn raised_unknown(rows: &mut Vec<Row>, before: &Machine, revision: Revision) -> bool {
    let level = before.level().next();
    let lagging = before.not_knowing(level).is_some();
    if lagging {
        rows.retain(|row| !matches!(row, Row::Level(_)));
        rows.push(Row::Level(LevelRow { level, revision, since: UnixNanos(1) }));
    }
    lagging
}
