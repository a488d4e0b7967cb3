//! Requests of implementations as a machine would have them that does not look at its settings. Decides which rows
//! become wrong; which sentence must find them is told beside the others.

use std::collections::BTreeSet;
use tradewind_domain::{
    control::{
        Machine, Row,
        scale::{ProvisionRow, ProvisionState, Shortage},
    },
    ids::{Epoch, LocationId, Revision},
    time::UnixNanos,
};

/// A location that has as many as it may have is given another request.
pub(super) fn one_too_many(rows: &mut Vec<Row>, before: &Machine, request: Epoch) -> bool {
    let full = before.scales().find(|scale| {
        let at = |location: &LocationId| *location == scale.location;
        let managers = before.managers().filter(|row| at(&row.location));
        let registered = managers.map(|row| row.manager.implementation.clone());
        let there: BTreeSet<_> = registered.collect();
        let open = before.provisions().any(|row| at(&row.location) && row.state.is_open());
        !open && there.len() >= scale.spec.most as usize
    });
    let Some(scale) = full else { return false };
    let known = rows.iter().any(|row| matches!(row, Row::Provision(row) if row.request == request));
    let Ok(implementation) = "scaled-by-mistake".parse() else { return false };
    rows.push(Row::Provision(ProvisionRow {
        request,
        revision: Revision(request.0),
        location: scale.location.clone(),
        implementation,
        provisioner: scale.spec.provisioner.clone(),
        deadline_seconds: 1,
        shortage: Shortage::Least { there: 0 },
        state: ProvisionState::Asked,
        since: UnixNanos(1),
        node: None,
        attempts: 0,
        not_before: UnixNanos(1),
        failure: None,
        drain: None,
    }));
    !known
}

/// One of as many as there are to be at least begins to go.
pub(super) fn below_the_least(rows: &mut [Row], before: &Machine) -> bool {
    rows.iter_mut().any(|row| {
        let Row::Provision(row) = row else { return false };
        let at = |location: &LocationId| *location == row.location;
        let managers = before.managers().filter(|manager| at(&manager.location));
        let there: BTreeSet<_> = managers.map(|row| row.manager.implementation.clone()).collect();
        let least = before.scale(&row.location).map_or(0, |scale| scale.spec.least as usize);
        let held = before.provision(row.request).map(|held| held.state);
        let fits = held == Some(ProvisionState::There) && there.len() <= least;
        if fits {
            row.state = ProvisionState::Retiring;
        }
        fits
    })
}
