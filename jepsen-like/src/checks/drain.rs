//! D1: after a cordon was acknowledged nothing new is placed there, until it is lifted. Decides which lifting may
//! excuse a connection: one that can have taken effect after the cordon and before the connection.

use super::{Checked, Finding, named, text};
use crate::calls::{Call, Outcome};

#[must_use]
pub fn check(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let cordons: Vec<&Call> =
        named(calls, "drain").filter(|call| call.outcome == Outcome::Ok).collect();
    if cordons.is_empty() && named(calls, "drain").next().is_some() {
        checked.undecided.push("no drain was acknowledged: nothing stood behind a cordon".into());
    }
    let lifted: Vec<&Call> = named(calls, "undrain").collect();
    for connect in named(calls, "connect").filter(|call| call.outcome == Outcome::Ok) {
        let Some(manager) = connect.told.get("manager").map(text) else {
            checked.undecided.push(format!("operation {} names no manager", connect.begun));
            continue;
        };
        let ended = connect.ended.unwrap_or(u64::MAX);
        // The last one is the hardest to excuse.
        let cordon = cordons.iter().rev().find(|cordon| {
            text(&cordon.asked) == manager && cordon.ended.is_some_and(|at| at < connect.begun)
        });
        let Some(cordon) = cordon else { continue };
        let excused = lifted.iter().any(|lift| {
            let still_open = lift.outcome == Outcome::Info || lift.ended > Some(cordon.begun);
            text(&lift.asked) == manager && lift.begun < ended && still_open
        });
        if !excused {
            let text = format!(
                "{manager} took connection {} after its cordon was acknowledged",
                connect.asked.get("conn").map(text).unwrap_or_default()
            );
            let shown = [cordon.ended, Some(connect.begun), connect.ended];
            checked.found(Some(Finding::new("D1", text, shown.into_iter().flatten())));
        }
    }
    checked
}
