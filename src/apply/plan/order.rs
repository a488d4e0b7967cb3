//! When each step of a plan is done. Decides what of what is declared waits until limits and trading states of single Traders
//! are pruned: an account has room for so many of them, and one that is full takes none before others are gone. A Trader of
//! which something goes waits for nothing: it gets what it is to have before that, and room comes second.

use super::{Kind, Planned, Step, There};
use serde_json::Value;
use std::collections::BTreeSet;

/// First what waits for no room, then what makes it, then what takes it, then the rest of what goes.
pub(super) fn whole(declared: Vec<Planned>, pruned: Vec<Planned>, there: &There) -> Vec<Planned> {
    let loses = of_traders(&pruned, |step| matches!(step, Step::Delete { .. }));
    // What goes is told apart behind its last limit; a plan in which none goes has no such place.
    let makes_room = pruned.iter().rposition(|one| scope_of(one).is_some());
    let makes_room = makes_room.map_or(0, |last| last + 1);
    let gets = of_traders(&declared, |step| *step == Step::Create);
    let waits = |one: &Planned| makes_room > 0 && takes_room(one, &gets, &loses, there);
    let (late, early): (Vec<Planned>, Vec<Planned>) = declared.into_iter().partition(waits);
    let mut room = pruned;
    let rest = room.split_off(makes_room);
    early.into_iter().chain(room).chain(late).chain(rest).collect()
}

/// The Trader that it binds alone.
fn scope_of(one: &Planned) -> Option<&str> {
    let single = matches!(one.kind, Kind::TraderRisk | Kind::TraderTradingState);
    one.name.strip_prefix("trader.").filter(|_| single)
}

fn of_traders(steps: &[Planned], which: impl Fn(&Step) -> bool) -> BTreeSet<String> {
    let found = steps.iter().filter(|one| which(&one.step)).filter_map(scope_of);
    found.map(str::to_owned).collect()
}

/// A new Trader with limits of its own does so beside them: it runs without them for no longer than it must.
fn takes_room(
    one: &Planned,
    gets: &BTreeSet<String>,
    loses: &BTreeSet<String>,
    there: &There,
) -> bool {
    let held = || there.get(&(one.kind, one.name.clone())).map(|(_, held)| held);
    match one.kind {
        Kind::TraderRisk | Kind::TraderTradingState => {
            one.step == Step::Create && scope_of(one).is_some_and(|name| !loses.contains(name))
        }
        Kind::Trader => {
            let moves = held().is_some_and(|held| held["customer"] != one.spec["customer"]);
            !loses.contains(&one.name) && (moves || gets.contains(&one.name))
        }
        Kind::Account => held().is_some_and(|held| only_lets_in(held, &one.spec)),
        Kind::Location
        | Kind::Scale
        | Kind::ExchangeDays
        | Kind::Customer
        | Kind::Risk
        | Kind::TradingState
        | Kind::Market => false,
    }
}

/// Whoever is let out of an account is so before any limit goes.
fn only_lets_in(held: &Value, wanted: &Value) -> bool {
    let names = |spec: &Value| -> BTreeSet<String> {
        let all = spec["customers"].as_array().into_iter().flatten();
        all.filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let (held, wanted) = (names(held), names(wanted));
    held.is_subset(&wanted) && held != wanted
}
