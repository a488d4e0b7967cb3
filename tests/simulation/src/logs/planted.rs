//! Bugs planted in a random log: a state, an answer or a snapshot as a wrong machine would have made it. Decides
//! which sentence must find each; the machine itself stays as it is.

mod levels;
mod rights;
mod scale;

use crate::chance::Chance;
use levels::{above_what_it_takes, gone_with_something, raised_unknown};
use rights::{attached, of_ledgers};
use scale::{below_the_least, one_too_many};
use tradewind_domain::{
    control::{
        Applied, Machine, Row,
        drain::{DrainState, DropSchedule},
        group::AdmissionState,
        row::{Assignment, ManagerState},
    },
    ids::{DiskId, Epoch, Incarnation, ManagerId, ManagerKind, NodeId, Revision},
    time::UnixNanos,
};

macro_rules! log_bugs {
    ($($variant:ident: $sentence:literal = $name:literal,)*) => {
        /// See the module.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LogBug { $($variant,)* }

        impl LogBug {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|planted| planted.name() == name)
            }

            /// What a violation that finds it begins with.
            #[must_use]
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

log_bugs! {
    OlderLife: "R2: " = "an older life of a Manager counts again",
    EpochOfAnother: "R2: " = "a new life under an epoch that is not its own",
    EpochTwice: "R2: " = "two Managers under one epoch",
    TwoHolders: "L1: " = "another holder in the same epoch",
    LowerEpoch: "L1: " = "an assignment under a lower epoch",
    EpochOfAnotherRight: "L1: " = "the epoch of one thing is the right to another",
    GivenToTheDead: "L1: " = "something is given to a Manager that is down",
    Astray: "A1: " = "a Trader is placed away from his customer",
    WrongKind: "A1: " = "a customer belongs to a BrokerManager",
    BehindTheCordon: "D1: " = "something is placed behind a cordon",
    DroppedUndrained: "D2: " = "dropped and never drained",
    DroppedTooSoon: "D2: " = "dropped before its time",
    DrainedWithSomething: "D2: " = "drained while something is held",
    TraderOfNobody: "N1: " = "a customer is deleted who has Traders",
    GrantOfNobody: "N1: " = "a customer is deleted who may use an account",
    BrokerAlone: "N1: " = "an account is deleted and its Broker is not",
    AccountAlone: "N1: " = "an account without a Broker",
    HandedBackByAnother: "HB1: " = "something was handed back by who did not have it",
    HandedBackTooHigh: "HB1: " = "something was handed back under a right never given",
    OneTooMany: "SC3: " = "one more is asked for than the settings say",
    BelowTheLeast: "SC3: " = "one goes and leaves less than the least",
    HolderGone: "H1: " = "a Manager is gone and holds something",
    AboveCapacity: "C1: " = "a Manager is given more than it takes",
    CopyBeside: "CP1: " = "a ledger's copy is named on its own node",
    LedgerElsewhere: "CP2: " = "a Broker is given to another, and its ledger is not",
    FromAPart: "CP3: " = "a ledger is continued from a copy that is not whole",
    TwoAttached: "T1: two" = "another copy of a Trader has the same right",
    RightOfCopyBack: "T1: the right" = "the right of a copy goes back",
    LevelUnknown: "FL1: " = "the level is raised and not known to all",
    OtherDisk: "M1: " = "a node id goes over to another disk",
    NumberAgain: "M1: " = "a node id is given twice",
    TwoRemovals: "M2: " = "two members are removed at once",
    DiskOfAnother: "M3: " = "a Manager's name goes over to another disk with what it holds",
    AnswerForgotten: "R1: " = "an answer is forgotten, and its key is new again",
    TimeBack: "time: " = "the log's time runs backwards",
    EventElsewhere: "W1: " = "an event under another entry's revision",
    ChangeUntold: "stored: " = "a row changes and is not told as changed",
    EntrySkipped: "equal: " = "a member skips an entry",
    RowLeftOut: "snapshot: " = "a snapshot leaves a row out",
}

impl LogBug {
    /// Spoils what is told of an entry. `false`: there is nothing of the kind to spoil.
    pub(super) fn spoils(self, chance: &Chance, revision: Revision, applied: &mut Applied) -> bool {
        match self {
            Self::EventElsewhere => match applied.events.first_mut() {
                Some(event) => {
                    event.revision = Revision(revision.0 + 1);
                    true
                }
                None => false,
            },
            Self::ChangeUntold if applied.changed.len() > 2 => {
                let at = chance.below(applied.changed.len() as u64) as usize;
                applied.changed.remove(at);
                true
            }
            _ => false,
        }
    }

    /// The state as a wrong machine would have made it of the one before. `None`: not of this one.
    pub(super) fn spoil(
        self,
        chance: &Chance,
        before: &Machine,
        after: &Machine,
        revision: Revision,
    ) -> Option<Machine> {
        let mut rows: Vec<Row> = after.rows().collect();
        let own = Epoch(revision.0);
        let spoiled = match self {
            Self::OlderLife | Self::EpochOfAnother | Self::EpochTwice => {
                self.lives(&mut rows, before)
            }
            Self::TwoHolders => held(chance, &mut rows).is_some_and(|held| {
                held.manager = another(&held.manager);
                true
            }),
            Self::LowerEpoch => held(chance, &mut rows).is_some_and(|held| {
                held.epoch = Epoch(held.epoch.0.saturating_sub(1));
                true
            }),
            Self::WrongKind => of_wrong_kind(&mut rows),
            Self::EpochOfAnotherRight => another_right(&mut rows),
            Self::GivenToTheDead => {
                let dead = before.managers().find(|row| row.state == ManagerState::Down);
                give(chance, &mut rows, dead.map(|row| row.manager.clone()), own)
            }
            Self::Astray => astray(&mut rows),
            Self::BehindTheCordon => {
                let cordoned = after.managers().find(|row| {
                    after.cordons(&row.manager).any(|drain| drain.epoch < own)
                        && row.state == ManagerState::Live
                });
                give(chance, &mut rows, cordoned.map(|row| row.manager.clone()), own)
            }
            Self::DroppedUndrained | Self::DroppedTooSoon => self.drains(&mut rows),
            Self::DrainedWithSomething => drained_with_something(&mut rows),
            Self::TraderOfNobody => deleted(&mut rows, |row| match row {
                Row::Customer(row) => after.traders().any(|one| one.spec.customer == row.customer),
                _ => false,
            }),
            Self::GrantOfNobody => deleted(&mut rows, |row| match row {
                Row::Customer(row) => {
                    after.accounts().any(|one| one.spec.customers.contains(&row.customer))
                }
                _ => false,
            }),
            Self::BrokerAlone => deleted(&mut rows, |row| matches!(row, Row::Account(_))),
            Self::AccountAlone => deleted(&mut rows, |row| matches!(row, Row::Broker(_))),
            Self::HandedBackByAnother | Self::HandedBackTooHigh => {
                self.handed_back(&mut rows, after)
            }
            Self::HolderGone => gone_with_something(&mut rows, before),
            Self::AboveCapacity => above_what_it_takes(&mut rows, before, own),
            Self::CopyBeside | Self::LedgerElsewhere | Self::FromAPart => {
                of_ledgers(self, &mut rows, before, own)
            }
            Self::TwoAttached | Self::RightOfCopyBack => attached(self, &mut rows, before),
            Self::LevelUnknown => raised_unknown(&mut rows, before, revision),
            Self::OneTooMany | Self::BelowTheLeast => self.scales(&mut rows, before, own),
            Self::OtherDisk | Self::NumberAgain | Self::TwoRemovals => {
                self.members(&mut rows, before)
            }
            Self::DiskOfAnother => disk_of_another(&mut rows, before),
            Self::AnswerForgotten => deleted(&mut rows, |row| match row {
                Row::Answered(_) | Row::AnsweredTo(_) => chance.percent(20),
                _ => false,
            }),
            Self::TimeBack => time_back(&mut rows, before),
            Self::EventElsewhere | Self::ChangeUntold | Self::EntrySkipped | Self::RowLeftOut => {
                false
            }
        };
        spoiled.then(|| Machine::from_rows(rows))
    }

    fn lives(self, rows: &mut [Row], before: &Machine) -> bool {
        let first = rows.iter().find_map(|row| match row {
            Row::Manager(row) => Some(row.epoch),
            _ => None,
        });
        rows.iter_mut().any(|row| {
            let Row::Manager(row) = row else { return false };
            let known = before.manager(&row.manager).is_some();
            match self {
                Self::OlderLife if known && row.incarnation > Incarnation(1) => {
                    row.incarnation = Incarnation(row.incarnation.0 - 1);
                    true
                }
                Self::EpochOfAnother if known && row.state == ManagerState::Live => {
                    row.incarnation = Incarnation(row.incarnation.0 + 1);
                    true
                }
                Self::EpochTwice if first.is_some_and(|first| first > row.epoch) => {
                    row.epoch = first.unwrap_or(row.epoch);
                    true
                }
                _ => false,
            }
        })
    }

    fn drains(self, rows: &mut [Row]) -> bool {
        rows.iter_mut().any(|row| {
            let Row::Drain(row) = row else { return false };
            let fits = match self {
                Self::DroppedUndrained => row.drained.is_none(),
                _ => row.state == DrainState::Drained && row.drop == DropSchedule::Never,
            };
            if fits {
                row.state = DrainState::Dropped;
            }
            fits
        })
    }

    fn handed_back(self, rows: &mut [Row], after: &Machine) -> bool {
        rows.iter_mut().any(|row| {
            let Row::HandedBack(row) = row else { return false };
            match self {
                Self::HandedBackTooHigh => {
                    row.epoch = Epoch(u64::MAX);
                    true
                }
                _ if after.holder(&row.service).is_some_and(|held| held.epoch == row.epoch) => {
                    row.manager = another(&row.manager);
                    true
                }
                _ => false,
            }
        })
    }

    fn scales(self, rows: &mut Vec<Row>, before: &Machine, own: Epoch) -> bool {
        match self {
            Self::OneTooMany => one_too_many(rows, before, own),
            _ => below_the_least(rows, before),
        }
    }

    fn members(self, rows: &mut [Row], before: &Machine) -> bool {
        let free = before.group().and_then(|group| {
            (1..group.next_node.0).map(NodeId).find(|node| before.admission(*node).is_none())
        });
        let removing = before.admissions().any(|row| row.is_removing());
        rows.iter_mut().any(|row| {
            let Row::Admission(row) = row else { return false };
            let known = before.admission(row.node);
            match (self, free) {
                (Self::OtherDisk, _) if known.is_some_and(|held| held.disk.is_some()) => {
                    row.disk = Some(DiskId(77));
                    true
                }
                (Self::NumberAgain, Some(free)) => {
                    row.node = free;
                    true
                }
                (Self::TwoRemovals, _) if removing && !row.is_removing() => {
                    row.state = AdmissionState::Removing { forced: false };
                    true
                }
                _ => false,
            }
        })
    }
}

/// The row of a Manager that was live names another disk than before.
fn disk_of_another(rows: &mut [Row], before: &Machine) -> bool {
    rows.iter_mut().any(|row| {
        let Row::ManagerDisk(row) = row else { return false };
        let live = before.manager(&row.manager).is_some_and(|row| row.state == ManagerState::Live);
        let fits = live && before.manager_disk(&row.manager).is_some();
        if fits {
            row.disk = DiskId(77);
        }
        fits
    })
}

fn time_back(rows: &mut [Row], before: &Machine) -> bool {
    rows.iter_mut().any(|row| match row {
        Row::Cluster(row) => {
            row.at = UnixNanos(before.cluster().at.0.saturating_sub(1));
            before.cluster().at.0 > 0
        }
        _ => false,
    })
}

/// A customer is with who keeps no Traders.
fn of_wrong_kind(rows: &mut [Row]) -> bool {
    rows.iter_mut().any(|row| match row {
        Row::Customer(row) => row.affinity.as_mut().is_some_and(|held| {
            held.manager.kind = ManagerKind::BrokerManager;
            true
        }),
        _ => false,
    })
}

/// A drain of what still has something ends.
fn drained_with_something(rows: &mut [Row]) -> bool {
    let held: Vec<Assignment> =
        rows.iter_mut().filter_map(assignment).map(|held| held.clone()).collect();
    rows.iter_mut().any(|row| {
        let Row::Drain(row) = row else { return false };
        let fits = row.state == DrainState::Draining
            && row.forced.is_none()
            && held.iter().any(|held| row.target.covers(&held.manager));
        if fits {
            (row.state, row.drained) = (DrainState::Drained, Some(row.since));
        }
        fits
    })
}

/// One thing that somebody holds, whatever it is.
fn held<'a>(chance: &Chance, rows: &'a mut [Row]) -> Option<&'a mut Assignment> {
    let mut held: Vec<&mut Assignment> = rows.iter_mut().filter_map(assignment).collect();
    let at = chance.below(held.len() as u64) as usize;
    (!held.is_empty()).then(|| held.swap_remove(at))
}

fn assignment(row: &mut Row) -> Option<&mut Assignment> {
    match row {
        Row::Broker(row) => row.assignment.as_mut(),
        Row::Customer(row) => row.affinity.as_mut(),
        Row::Trader(row) => row.assignment.as_mut(),
        _ => None,
    }
}

fn another(manager: &ManagerId) -> ManagerId {
    let [a, b] = ["a", "b"].map(|name| ManagerId {
        implementation: name.parse().unwrap_or_else(|_| manager.implementation.clone()),
        kind: manager.kind,
    });
    if *manager == a { b } else { a }
}

fn give(chance: &Chance, rows: &mut [Row], to: Option<ManagerId>, epoch: Epoch) -> bool {
    match (to, held(chance, rows)) {
        (Some(manager), Some(held)) => {
            *held = Assignment { manager, epoch };
            true
        }
        _ => false,
    }
}

fn another_right(rows: &mut [Row]) -> bool {
    let life = rows.iter().rev().find_map(|row| match row {
        Row::Manager(row) => Some(row.epoch),
        _ => None,
    });
    let mut all = rows.iter_mut().filter_map(assignment);
    match (life, all.next()) {
        (Some(life), Some(held)) => {
            held.epoch = life;
            true
        }
        _ => false,
    }
}

fn astray(rows: &mut [Row]) -> bool {
    rows.iter_mut().any(|row| match row {
        Row::Trader(row) => row.assignment.as_mut().is_some_and(|held| {
            held.manager = another(&held.manager);
            true
        }),
        _ => false,
    })
}

fn deleted(rows: &mut Vec<Row>, which: impl FnMut(&Row) -> bool) -> bool {
    match rows.iter().position(which) {
        Some(at) => {
            rows.remove(at);
            true
        }
        None => false,
    }
}
