//! When something is as it is waited for, and when it never will be: what nobody has asked for does not come by
//! waiting. Decides that alone, on what was read.

use crate::cli::wait::{
    OfBroker, OfCustomer, OfImplementation, OfManager, OfMarket, OfMember, OfTrader,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Display;
use tradewind_domain::{
    control::{
        drain::{DrainState, DropSchedule},
        row::TraderWish,
    },
    ids::{BrokerId, CustomerId, ImplementationId, ManagerId, MarketId, TraderId},
};
use tradewind_protocol::{
    control::Stand,
    drains::DrainView,
    members::{MemberInfo, MemberStanding, Members},
    placed::{
        BrokerTold, ImplementationInfo, ManagerInfo, ManagerStanding, MarketAt, ServiceStanding,
    },
    resources::{CustomerInfo, MarketInfo, TraderInfo},
};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// As it was seen then.
    Holds(Value),
    /// Not yet, and how it is.
    Not(String),
    /// Nobody has asked for it, or it is not there.
    Never(String),
}

fn holds(item: &impl Serialize) -> Verdict {
    Verdict::Holds(serde_json::to_value(item).unwrap_or_default())
}

/// It is as it should be, or `how` it is instead.
fn when(is: bool, item: &impl Serialize, how: impl FnOnce() -> String) -> Verdict {
    if is { holds(item) } else { Verdict::Not(how()) }
}

/// As it stands on the wire.
fn word(state: &impl Serialize) -> String {
    let word = serde_json::to_value(state).unwrap_or_default();
    word.as_str().unwrap_or_default().to_owned()
}

fn gone(name: &impl Display) -> Verdict {
    Verdict::Holds(json!({ "gone": name.to_string() }))
}

/// Operators declare it; nobody has.
fn undeclared(what: &str, name: &impl Display) -> Verdict {
    Verdict::Never(format!("there is no {what} {name}; tradewind {what} ls shows those there are"))
}

fn is_there(what: &str, name: &impl Display) -> Verdict {
    Verdict::Not(format!("{what} {name} is there"))
}

pub(super) fn leader(stand: &Stand) -> Verdict {
    when(stand.leader.is_some(), stand, || "no leader is known".to_owned())
}

fn votes(member: &MemberInfo) -> bool {
    match member.standing {
        MemberStanding::Leader | MemberStanding::Voter => true,
        MemberStanding::Learner | MemberStanding::Joining | MemberStanding::Removing => false,
    }
}

pub(super) fn group(members: &Members, state: OfMember) -> Verdict {
    let OfMember::Voters(voters) = state else {
        return Verdict::Never("only voters are counted".to_owned());
    };
    let now = members.members.iter().filter(|member| votes(member)).count();
    if now == voters && !members.changing {
        return holds(members);
    }
    match members.voters_wanted {
        Some(wanted) if usize::from(wanted) != voters => Verdict::Never(format!(
            "{wanted} voters are wanted, not {voters}; tradewind member voters {voters} changes that"
        )),
        Some(_) | None => Verdict::Not(format!("the group has {now} voters")),
    }
}

pub(super) fn member(node: u64, member: Option<&MemberInfo>, state: OfMember) -> Verdict {
    let Some(member) = member else {
        return match state {
            OfMember::Gone => gone(&node),
            // Numbers are given by the group: it may come to this one.
            _ => Verdict::Not(format!("there is no member {node}")),
        };
    };
    let is = match state {
        OfMember::Voter => votes(member),
        OfMember::Learner => member.standing == MemberStanding::Learner,
        OfMember::Leader => member.standing == MemberStanding::Leader,
        OfMember::Gone | OfMember::Voters(_) => false,
    };
    when(is, member, || format!("member {node} is {}", word(&member.standing)))
}

pub(super) fn manager(name: &ManagerId, info: Option<&ManagerInfo>, state: OfManager) -> Verdict {
    let Some(info) = info else {
        return match state {
            OfManager::Gone => gone(name),
            _ => Verdict::Not(format!("manager {name} is not registered")),
        };
    };
    let is = match state {
        OfManager::Live => info.state == ManagerStanding::Live,
        OfManager::Down => info.state == ManagerStanding::Down,
        OfManager::Cordoned | OfManager::Drained | OfManager::Dropped | OfManager::Gone => false,
    };
    when(is, info, || format!("manager {name} is {}", word(&info.state)))
}

pub(super) fn implementation(
    name: &ImplementationId,
    info: Option<&ImplementationInfo>,
    state: OfImplementation,
) -> Verdict {
    let Some(info) = info else {
        return match state {
            OfImplementation::Gone => gone(name),
            _ => Verdict::Not(format!("no Manager of {name} is registered")),
        };
    };
    let whole = info.missing.is_empty();
    let live = info.managers.iter().all(|part| part.state == ManagerStanding::Live);
    let how = || {
        let missing = info.missing.iter().map(|kind| format!("{kind} is not registered"));
        let not = info.managers.iter().filter(|part| part.state != ManagerStanding::Live);
        let not = not.map(|part| format!("{} is {}", part.manager, word(&part.state)));
        let all: Vec<String> = missing.chain(not).collect();
        if all.is_empty() { format!("implementation {name} is live") } else { all.join(", ") }
    };
    when(state == OfImplementation::Live && whole && live, info, how)
}

/// How far a drain is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DrainGoal {
    Cordoned,
    Drained,
    Dropped,
}

fn reached(state: DrainState) -> Option<DrainGoal> {
    match state {
        DrainState::Cordoned => None,
        DrainState::Draining => Some(DrainGoal::Cordoned),
        DrainState::Drained => Some(DrainGoal::Drained),
        DrainState::Dropped => Some(DrainGoal::Dropped),
    }
}

/// Of several that cover it the one that is farthest counts. `seen`: one was there before.
pub(super) fn drain(name: &str, drains: &[DrainView], goal: DrainGoal, seen: &mut bool) -> Verdict {
    let Some(drain) = drains.iter().max_by_key(|drain| reached(drain.row.state)) else {
        return Verdict::Never(if *seen {
            format!("the drain of {name} was cancelled")
        } else {
            format!("{name} is not being drained; tradewind drain {name} --why TEXT begins that")
        });
    };
    *seen = true;
    if reached(drain.row.state) >= Some(goal) {
        return holds(drain);
    }
    if goal == DrainGoal::Dropped && drains.iter().all(|one| one.row.drop == DropSchedule::Never) {
        return Verdict::Never(format!(
            "the drain of {name} says that it is never dropped; tradewind drain {name} --reschedule --drop WHEN --why \
             TEXT changes that"
        ));
    }
    let waits = drain.waits.as_ref().map_or_else(String::new, |waits| format!(": {waits}"));
    Verdict::Not(format!("{} is {}{waits}", drain.row.target, drain.row.state))
}

pub(super) fn broker(name: &BrokerId, told: Option<&BrokerTold>, state: OfBroker) -> Verdict {
    match (told, state) {
        (None, OfBroker::Gone) => gone(name),
        (None, OfBroker::Live | OfBroker::Placed) => undeclared("broker", name),
        (Some(_), OfBroker::Gone) => is_there("broker", name),
        (Some(told), OfBroker::Placed) => {
            when(told.assignment.is_some(), told, || format!("no BrokerManager has {name}"))
        }
        (Some(told), OfBroker::Live) => {
            let now = told.now.as_ref();
            let is = now.is_some_and(|now| now.state == ServiceStanding::Live);
            let how = now.map_or_else(
                || "not told".to_owned(),
                |now| format!("{} {}", word(&now.state), now.detail).trim().to_owned(),
            );
            when(is, told, || format!("broker {name} is {how}"))
        }
    }
}

pub(super) fn market(name: &MarketId, info: Option<&MarketInfo>, state: OfMarket) -> Verdict {
    match (info, state) {
        (None, OfMarket::Gone) => gone(name),
        (None, OfMarket::Live) => undeclared("market", name),
        (Some(_), OfMarket::Gone) => is_there("market", name),
        (Some(info), OfMarket::Live) => {
            let at = info.at.as_deref().unwrap_or_default();
            let live = |now| now == ServiceStanding::Live;
            let is = !at.is_empty() && at.iter().all(|one| live(one.now.state));
            let how = || {
                let not = at.iter().find(|one| !live(one.now.state));
                not.map_or_else(
                    || "no MarketManager is live".to_owned(),
                    |one| {
                        let MarketAt { manager, shard, now } = one;
                        format!("at {manager} market {name}.{shard} is {}", word(&now.state))
                    },
                )
            };
            when(is, info, how)
        }
    }
}

pub(super) fn trader(name: &TraderId, info: Option<&TraderInfo>, state: OfTrader) -> Verdict {
    let Some(info) = info else {
        return match state {
            OfTrader::Gone => gone(name),
            OfTrader::Running | OfTrader::Placed | OfTrader::Stopped => undeclared("trader", name),
        };
    };
    let now = info.now.as_ref().map(|now| now.state);
    let how =
        || format!("trader {name} is {}", now.map_or("not told".to_owned(), |now| word(&now)));
    match (state, info.spec.state) {
        (OfTrader::Gone, _) => is_there("trader", name),
        (OfTrader::Placed, _) => {
            when(info.assignment.is_some(), info, || format!("no TraderManager has {name}"))
        }
        (OfTrader::Running, TraderWish::Stopped) => {
            Verdict::Never(format!("trader {name} is declared as stopped"))
        }
        (OfTrader::Running | OfTrader::Stopped, TraderWish::Paused) => {
            Verdict::Never(format!("trader {name} is declared as paused"))
        }
        (OfTrader::Running, TraderWish::Running) => {
            when(now == Some(ServiceStanding::Live), info, how)
        }
        (OfTrader::Stopped, TraderWish::Running) => {
            Verdict::Never(format!("trader {name} is declared as running"))
        }
        (OfTrader::Stopped, TraderWish::Stopped) => {
            when(now == Some(ServiceStanding::Stopped), info, how)
        }
    }
}

pub(super) fn customer(
    name: &CustomerId,
    info: Option<&CustomerInfo>,
    state: OfCustomer,
) -> Verdict {
    match (info, state) {
        (None, OfCustomer::Gone) => gone(name),
        (None, OfCustomer::Placed) => undeclared("customer", name),
        (Some(_), OfCustomer::Gone) => is_there("customer", name),
        (Some(info), OfCustomer::Placed) => {
            when(info.affinity.is_some(), info, || format!("no TraderManager has {name}"))
        }
    }
}

#[cfg(test)]
mod tests;
