//! Confirming a cordon. Decides when a Manager says that it knows of its drains: nothing that it was given
//! before is still on its way. Anything new it is not given any more, and its door is closed before it is asked.

use super::work::Wanted;
use std::collections::BTreeSet;
use tradewind_domain::{control::Desired, ids::Epoch};
use tradewind_protocol::supervision::{ServiceReport, ServiceState};

/// The drains that can be confirmed: all of them or none.
pub(super) fn confirmed(
    desired: &Desired,
    wanted: impl FnOnce() -> Vec<Wanted>,
    reports: &[ServiceReport],
) -> BTreeSet<Epoch> {
    if desired.cordons.is_empty() {
        return BTreeSet::new();
    }
    let arrived = |wanted: &Wanted| {
        let mut of_it = reports.iter().filter(|report| report.service == wanted.service);
        of_it.any(|report| match report.state {
            ServiceState::Connecting
            | ServiceState::Live
            | ServiceState::Waiting
            | ServiceState::Paused
            | ServiceState::Completed
            | ServiceState::Failed
            | ServiceState::Away => true,
            // One that stops although it is wanted is started anew once it has.
            ServiceState::Starting | ServiceState::Stopping => false,
        })
    };
    if wanted().iter().all(arrived) { desired.cordons.clone() } else { BTreeSet::new() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tradewind_domain::{
        control::desired::Work,
        ids::{Fence, Revision, ServiceId},
    };

    #[test]
    fn a_cordon_is_confirmed_once_nothing_given_before_is_on_its_way() {
        let service = ServiceId::Trader { trader: "t".parse().unwrap() };
        let desired = Desired {
            revision: Revision(9),
            fence: Fence::default(),
            work: Work::Traders { traders: Vec::new(), access: Default::default() },
            market_managers: Vec::new(),
            cordons: [Epoch(7)].into(),
            empties: false,
        };
        let report = |state| ServiceReport {
            service: service.clone(),
            state,
            detail: String::new(),
            incarnation: None,
            pid: None,
            address: None,
            crashes: 0,
            handed_back: None,
            fenced: Default::default(),
            venue: None,
            ledger: None,
        };
        let wanted = [Wanted { service: service.clone(), configuration: None }];
        let none = BTreeSet::new();
        assert_eq!(confirmed(&desired, || wanted.to_vec(), &[]), none);
        assert_eq!(
            confirmed(&desired, || wanted.to_vec(), &[report(ServiceState::Starting)]),
            none
        );
        assert_eq!(
            confirmed(&desired, || wanted.to_vec(), &[report(ServiceState::Stopping)]),
            none
        );
        assert_eq!(
            confirmed(&desired, || wanted.to_vec(), &[report(ServiceState::Live)]),
            desired.cordons
        );
        // One that stops by what is wanted now keeps nothing back, nor does an empty Manager.
        assert_eq!(
            confirmed(&desired, Vec::new, &[report(ServiceState::Starting)]),
            desired.cordons
        );
    }
}
