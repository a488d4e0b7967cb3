//! How what is not declared goes. Decides what is refused before anything is done, and the order: first nothing trades any
//! more that goes, then what binds it is deleted, then it itself; what names another before that. Traders that go with limits
//! of their own make room for those of others where an account might be full.

use super::{Kind, Planned, Step, limits, state};
use crate::exit::Usage;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tradewind_domain::{
    control::risk::TradingState, ids::Revision, limits::SINGLE_TRADERS_PER_ACCOUNT,
};

/// What is there and not declared, in the order in which it goes.
pub(super) type Gone<'a> = (&'a (Kind, String), &'a (Revision, Value));

/// Refused here what the group would refuse in the midst of it.
pub(super) fn possible(
    gone: &[Gone<'_>],
    declared: &BTreeSet<(Kind, String)>,
    release: bool,
) -> Result<(), Usage> {
    for ((kind, name), _) in gone {
        if *kind == Kind::Account && !release {
            // Its Broker holds it: emptied and not deleted, nobody could use it any more.
            let usage =
                format!("account {name} is not in the file: say --release as well, or declare it");
            return Err(Usage(usage));
        }
        let word = kind.word();
        let bound = declared.iter().find(|(of, scope)| {
            let names = scope.split_once('.').is_some_and(|scope| scope == (word, name.as_str()));
            of.binds() && names
        });
        if let Some((of, scope)) = bound {
            let usage = format!(
                "{word} {name} is not in the file and would go, but {} {scope} is: declare both, or neither",
                of.word()
            );
            return Err(Usage(usage));
        }
    }
    Ok(())
}

/// Where what goes has its place among what is declared: before the Traders, or behind all.
pub(super) struct Pruned {
    /// Traders that go whole, with limits or trading states of their own.
    pub(super) before_traders: Vec<Planned>,
    pub(super) last: Vec<Planned>,
}

/// An account has room for so many limits and trading states of single Traders: where it might be full without those that go,
/// they go before others come. `there`: how many there are of either kind.
pub(super) fn steps(
    gone: &[Gone<'_>],
    declared: &[Planned],
    there: usize,
    release: bool,
) -> Pruned {
    let traders = gone.iter().filter(|((kind, _), _)| *kind == Kind::Trader);
    let traders: BTreeSet<&str> = traders.map(|((_, name), _)| name.as_str()).collect();
    let single = gone.iter().filter(|((kind, _), _)| kind.binds_a_trader());
    let bound = single.filter_map(|((_, scope), _)| scope.strip_prefix("trader."));
    let bound: BTreeSet<&str> = bound.filter(|trader| traders.contains(trader)).collect();
    let stopped = gone.iter().rev().filter_map(|one| stopped(one, &bound));
    let all = stopped.chain(gone.iter().map(|one| deleted(one, gone, release)));
    let come = declared.iter().filter(|one| one.kind.binds_a_trader() && one.step == Step::Create);
    let come = come.count();
    let lacks_room = come > 0 && there + come > SINGLE_TRADERS_PER_ACCOUNT;
    let makes_room = |one: &Planned| match one.kind {
        Kind::Trader => bound.contains(one.name.as_str()),
        Kind::TraderRisk | Kind::TraderTradingState => {
            one.name.strip_prefix("trader.").is_some_and(|trader| bound.contains(trader))
        }
        _ => false,
    };
    let (before_traders, last) = all.partition(|one| lacks_room && makes_room(one));
    Pruned { before_traders, last }
}

/// Nobody may use an account any more, and a Trader who has limits of his own runs no more, before any limit goes.
fn stopped(((kind, name), (at, held)): &Gone<'_>, bound: &BTreeSet<&str>) -> Option<Planned> {
    let mut spec = held.clone();
    let change = match kind {
        Kind::Account if held["customers"].as_array().is_some_and(|all| !all.is_empty()) => {
            spec["customers"] = json!([]);
            format!("customers: {} -> []", held["customers"])
        }
        Kind::Trader if held["state"] != "stopped" && bound.contains(name.as_str()) => {
            spec["state"] = json!("stopped");
            format!("state: {} -> \"stopped\"", held["state"])
        }
        _ => return None,
    };
    Some(Planned {
        kind: *kind,
        name: name.clone(),
        step: Step::Change { at: *at },
        changes: vec![change],
        loosens: false,
        spec,
        until_stopped: *kind == Kind::Trader,
    })
}

fn deleted(((kind, name), (at, held)): &Gone<'_>, gone: &[Gone<'_>], release: bool) -> Planned {
    let of_state = matches!(kind, Kind::TradingState | Kind::TraderTradingState);
    // It is deleted when it is active: then its release is a part of the plan, and agreed to.
    let released = of_state && state(held) != TradingState::Active;
    // Of one that goes itself nothing is left to limit.
    let bound = name.split_once('.').is_some_and(|scope| {
        gone.iter().any(|((kind, name), _)| scope == (kind.word(), name.as_str()))
    });
    let of_risk = matches!(kind, Kind::Risk | Kind::TraderRisk);
    let loosens = released || (of_risk && !bound && limits::any(held));
    let (spec, changes) = if released {
        (json!({ "state": "active" }), vec![format!("state: {} -> \"active\"", held["state"])])
    } else {
        (Value::Null, Vec::new())
    };
    let release = release && *kind == Kind::Account;
    let step = Step::Delete { at: *at, release };
    Planned { kind: *kind, name: name.clone(), step, changes, loosens, spec, until_stopped: false }
}
