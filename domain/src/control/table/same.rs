//! Whether two states say the same to Managers. Decides it by what they share: a table that no entry has touched is the
//! same one. A wrong `false` costs a comparison; a wrong `true` would keep something from a Manager.

use super::Tables;

impl Tables {
    /// Whether nobody is told anything else by the other: most entries change no more than answers and registers. A
    /// table that is new has to be named here.
    pub(in crate::control) fn tell_the_same(&self, other: &Self) -> bool {
        let Self {
            cluster,
            members,
            managers,
            accounts,
            brokers,
            customers,
            markets,
            traders,
            registers: _,
            answered: _,
            clients: _,
            group: _,
            admissions: _,
            forgotten: _,
            locations: _,
            exchanges,
            drains,
            dropped: _,
            rebalance: _,
            risks,
            trading_states,
            scales: _,
            provisions: _,
            handed_back: _,
            manager_disks: _,
            former_venues,
            trader_runs,
            fencings,
            level: _,
            member_levels: _,
            manager_levels: _,
            hours_unknown: _,
            attachments,
            abandoned,
            copies,
            // Derived from the tables above, or notes about them.
            index: _,
            changed: _,
            sum: _,
        } = self;
        cluster.opened() == other.cluster.opened()
            && members.ptr_eq(&other.members)
            && managers.ptr_eq(&other.managers)
            && accounts.ptr_eq(&other.accounts)
            && brokers.ptr_eq(&other.brokers)
            && customers.ptr_eq(&other.customers)
            && markets.ptr_eq(&other.markets)
            && traders.ptr_eq(&other.traders)
            && exchanges.ptr_eq(&other.exchanges)
            && drains.ptr_eq(&other.drains)
            && risks.ptr_eq(&other.risks)
            && trading_states.ptr_eq(&other.trading_states)
            && former_venues.ptr_eq(&other.former_venues)
            && trader_runs.ptr_eq(&other.trader_runs)
            && fencings.ptr_eq(&other.fencings)
            && attachments.ptr_eq(&other.attachments)
            && abandoned.ptr_eq(&other.abandoned)
            && copies.ptr_eq(&other.copies)
    }

    /// Whether Markets, and the accounts behind them, are as they were.
    pub(in crate::control) fn have_the_same_markets(&self, other: &Self) -> bool {
        self.cluster.opened() == other.cluster.opened()
            && self.markets.ptr_eq(&other.markets)
            && self.former_venues.ptr_eq(&other.former_venues)
            && self.accounts.ptr_eq(&other.accounts)
            && self.brokers.ptr_eq(&other.brokers)
            && self.managers.ptr_eq(&other.managers)
    }
}
