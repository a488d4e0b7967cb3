//! Where a customer belongs, as his sessions are told. Decides when it is another place than was told.

use tradewind_domain::control::desired::{CustomerAccess, ManagerEndpoint};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) trader_manager: Option<ManagerEndpoint>,
    pub(crate) affinity_version: u64,
}

impl Home {
    pub(crate) fn of(customer: &CustomerAccess) -> Self {
        let CustomerAccess { trader_manager, affinity_version, .. } = customer;
        Self { trader_manager: trader_manager.clone(), affinity_version: *affinity_version }
    }

    /// Asked by every session with every heartbeat: nothing is copied.
    pub(crate) fn is_of(&self, customer: &CustomerAccess) -> bool {
        self.affinity_version == customer.affinity_version
            && self.trader_manager == customer.trader_manager
    }
}
