//! What the leader knows beside the log: soft state, counted from its own election. Decides what a Manager's
//! silence says; what follows from that is decided by whoever plans.

use super::{Lapse, Node, Probe};
use crate::{
    control::{
        Machine,
        command::DownReason,
        copies::LedgerTold,
        drain::AbandonedRow,
        handed_back::Failure,
        level::FeatureLevel,
        row::{ManagerRow, ManagerState},
        scale::Offered,
    },
    ids::{AccountId, Epoch, Incarnation, LocationId, ManagerId, ServiceId, TraderId},
    limits,
    time::{Monotonic, UnixNanos},
};
use alloc::collections::{BTreeMap, BTreeSet};

/// What the leader knows of a Manager beside the log: soft state, counted from its own election.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub incarnation: Incarnation,
    /// The last beat or the acceptance of a pipe.
    pub last_proof: Monotonic,
    /// Its pipe, which stood before, was reset and its port refused the next dial: the process is gone, unless others
    /// refuse with it.
    pub refused: bool,
    /// Its own word, as of its last beat to this leader.
    pub told: Option<Told>,
}

/// What a Manager says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The drains, by their epochs, that it knows of, with nothing under way that they forbid.
    pub cordons: BTreeSet<Epoch>,
    /// Brokers, Traders and sessions that it has; Markets are warm copies and count as nothing. `None` until
    /// every service below it has reported to this life of it.
    pub held: Option<u64>,
    /// Services it was given that are not at work yet.
    pub starting: u32,
    /// Services that it gives up, and what their last lives came to.
    pub handed_back: BTreeMap<ServiceId, Failure>,
    /// Brokers whose processes it has, also those that it stops.
    pub brokers: BTreeSet<(AccountId, u16)>,
}

/// Of each account of a BrokerManager the rights of Traders that its ledger has on record, those that were asked for.
pub type Fenced = BTreeMap<AccountId, BTreeMap<TraderId, Epoch>>;

/// What the Brokers of a BrokerManager say of the copies of their ledgers.
pub type Ledgers = BTreeMap<AccountId, LedgerTold>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// When this member's leadership was confirmed: no age counts from before.
    pub leader_since: Monotonic,
    pub managers: BTreeMap<ManagerId, Sighting>,
    /// The calendar's time, as the leader would stamp it: for deadlines and hours.
    pub at: UnixNanos,
    /// Brokers whose ledger was sealed so that another node goes on with it: they need not wait for
    /// their holder. None so far.
    pub sealed: BTreeSet<(AccountId, u16)>,
    /// Nodes whose Managers this leader has taken for down in silence, the last time of each.
    pub lapsed: BTreeMap<Node, Lapse>,
    /// What other members found of Managers that are held by the brake.
    pub probes: BTreeMap<ManagerId, Probe>,
    /// Where the brake was on a moment ago.
    pub braked: BTreeSet<LocationId>,
    /// Managers whose pipe to this leader stands.
    pub piped: BTreeSet<ManagerId>,
    /// Rights of Traders that Brokers have on record, by BrokerManager and account, as of its last beat.
    pub fenced: BTreeMap<ManagerId, Fenced>,
    /// What this leader may start.
    pub offered: Offered,
    /// Registrations of this leader's time to which no pipe of it has stood.
    pub newcomers: BTreeSet<ManagerId>,
    /// Since when a Manager's port refuses, whatever stood before.
    pub refusals: BTreeMap<ManagerId, Monotonic>,
    /// Nodes that this leader has taken for dead because they refused, the last time of each.
    pub refused: BTreeMap<Node, Monotonic>,
    /// Managers that this leader has taken for down in silence.
    pub downs: BTreeMap<ManagerId, Downs>,
    /// What Brokers say of the copies of their ledgers, by BrokerManager, as of its last beat.
    pub ledgers: BTreeMap<ManagerId, Ledgers>,
    /// What the leader's own build understands.
    pub knows: FeatureLevel,
}

/// How often a Manager fell silent, one time soon after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Downs {
    pub times: u32,
    pub last: Monotonic,
}

impl Downs {
    /// One more, at this time.
    #[must_use]
    pub fn and(self, now: Monotonic) -> Self {
        let before = if self.counts(now) { self.times } else { 0 };
        Self { times: before.saturating_add(1), last: now }
    }

    #[must_use]
    pub fn counts(&self, now: Monotonic) -> bool {
        now.since(self.last) < limits::DOWNS_COUNT_FOR
    }

    /// The first is a failure like any; from the second on it must stay, each time for twice as long.
    #[must_use]
    pub fn rests(&self, now: Monotonic) -> bool {
        let Some(doublings) = self.times.checked_sub(2) else { return false };
        let rest = limits::REST_FIRST * 2_u32.saturating_pow(doublings.min(8));
        now.since(self.last) < rest.min(limits::REST_MAX)
    }
}

/// What a Manager's silence says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Well,
    /// Gets nothing new.
    Suspect,
    Lost(DownReason),
}

impl Observed {
    /// Whether this leader has a proof of its own that the Manager lives: one that died with the leader
    /// before is not `Suspect` yet.
    pub(in crate::control) fn has_heard(&self, row: &ManagerRow) -> bool {
        let seen = self.managers.get(&row.manager);
        seen.is_some_and(|sighting| {
            sighting.incarnation == row.incarnation && sighting.last_proof >= self.leader_since
        })
    }

    /// What a registered Manager has told this leader.
    #[must_use]
    pub fn told(&self, row: &ManagerRow) -> Option<&Told> {
        let seen = self.managers.get(&row.manager).filter(|_| self.has_heard(row))?;
        seen.told.as_ref()
    }

    /// Whether a Broker that was given up may run on where it was: its Manager lives and has not told this leader that it
    /// is gone. A second one would take orders beside it.
    #[must_use]
    pub fn may_run_on(&self, given_up: &AbandonedRow, machine: &Machine) -> bool {
        let holder = machine.manager(&given_up.manager).filter(|row| match row.state {
            ManagerState::Live => true,
            ManagerState::Down => false,
        });
        holder.is_some_and(|row| {
            let told = self.told(row).filter(|told| told.held.is_some());
            let key = (given_up.account.clone(), given_up.shard);
            told.is_none_or(|told| told.brokers.contains(&key))
        })
    }

    /// The last proof of its life; none is older than this leadership.
    #[must_use]
    pub fn silent_since(&self, row: &ManagerRow) -> Monotonic {
        let seen = self.managers.get(&row.manager);
        let seen = seen.filter(|sighting| sighting.incarnation == row.incarnation);
        seen.map_or(Monotonic(0), |sighting| sighting.last_proof).max(self.leader_since)
    }

    /// Whether something new may be placed on it: a pipe to it stood in this registration and it has beaten, which a
    /// check-in does not prove, and it does not come and go.
    pub(in crate::control) fn takes(&self, row: &ManagerRow, now: Monotonic) -> bool {
        let rests = self.downs.get(&row.manager).is_some_and(|downs| downs.rests(now));
        self.told(row).is_some() && self.health(row, now) == Health::Well && !rests
    }

    /// How a registered Manager is doing, as of `now`.
    #[must_use]
    pub fn health(&self, row: &ManagerRow, now: Monotonic) -> Health {
        let seen = self.managers.get(&row.manager);
        let seen = seen.filter(|sighting| sighting.incarnation == row.incarnation);
        if seen.is_some_and(|sighting| sighting.refused) {
            return Health::Lost(DownReason::Refused);
        }
        self.silence(row, now)
    }

    /// What its silence alone says. One whose port refuses is suspect at once.
    pub(super) fn silence(&self, row: &ManagerRow, now: Monotonic) -> Health {
        let age = now.since(self.silent_since(row));
        if age >= limits::DOWN_AFTER {
            Health::Lost(DownReason::Silent)
        } else if age >= limits::SUSPECT_AFTER || self.refusals.contains_key(&row.manager) {
            Health::Suspect
        } else {
            Health::Well
        }
    }
}
