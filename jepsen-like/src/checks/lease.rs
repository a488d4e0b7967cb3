//! L1 and T1 at a fenced resource: after it has accepted a right, it accepts none that is lower, and no right has two
//! holders. Decides it from what the resource answered: `act {"resource","holder","epoch"}`.

use super::{Checked, Finding, named, text};
use crate::calls::{Call, Outcome};
use std::collections::BTreeMap;

#[must_use]
pub fn check(calls: &[Call]) -> Checked {
    let mut checked = Checked::default();
    let mut holders = BTreeMap::<(String, u64), (String, u64)>::new();
    // By resource: the accepted acts that are over, as the highest right among them.
    let mut acts = BTreeMap::<String, Vec<(&Call, u64)>>::new();
    for call in named(calls, "act").filter(|call| call.outcome == Outcome::Ok) {
        let part = |name: &str| call.told.get(name).map(text);
        let epoch = call.told.get("epoch").and_then(serde_json::Value::as_u64);
        let (Some(resource), Some(holder), Some(epoch)) = (part("resource"), part("holder"), epoch)
        else {
            checked.undecided.push(format!("operation {}: the value cannot be read", call.begun));
            continue;
        };
        let first = holders
            .entry((resource.clone(), epoch))
            .or_insert_with(|| (holder.clone(), call.begun));
        if first.0 != holder {
            let text = format!("{resource} took {} and {holder} under epoch {epoch}", first.0);
            checked.found(Some(Finding::new("L1", text, [first.1, call.begun])));
        }
        let earlier = acts.entry(resource.clone()).or_default();
        let over = earlier.iter().filter(|(before, _)| before.ended < Some(call.begun));
        if let Some((before, highest)) = over.max_by_key(|(_, epoch)| *epoch)
            && *highest > epoch
        {
            let text = format!("{resource} took {holder} under epoch {epoch} after {highest}");
            checked.found(Some(Finding::new("L1", text, [before.begun, call.begun])));
        }
        earlier.push((call, epoch));
    }
    checked
}
