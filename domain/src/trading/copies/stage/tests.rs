//! Claims about how far a copy is: the table, and that a view goes by it.

use super::*;
use crate::{
    ids::{ClusterIncarnation, Epoch, Fence},
    trading::copies::View,
};

const CHANGES: [Change; 7] = [
    Change::Name,
    Change::NameNobody,
    Change::Join,
    Change::Succeed,
    Change::GoLive,
    Change::GoLiveBesideCopy,
    Change::GiveBack,
];

#[test]
fn every_stage_takes_exactly_the_changes_of_the_table() {
    use Stage::{Filling, Single, Succeeding, Whole};
    let (single, filling, whole) = (Ok(Single), Ok(Filling), Ok(Whole));
    let succeeding = Ok(Succeeding);
    let (late, part, taken) =
        (Err(Unfit::Superseded), Err(Unfit::NotWhole), Err(Unfit::Succeeding));
    let table = [
        (Single, [filling, single, late, part, late, late, late]),
        (Filling, [filling, single, whole, part, late, late, late]),
        (Whole, [filling, single, whole, succeeding, late, late, late]),
        (Succeeding, [taken, taken, succeeding, succeeding, whole, single, whole]),
    ];
    for (stage, expected) in table {
        assert_eq!(CHANGES.map(|change| stage.after(change)), expected, "{stage:?}");
    }
    assert_eq!(table.map(|(stage, _)| stage), Stage::ALL);
}

/// Where the ledger counts, where its copy is kept, and who else there is.
const HERE: u8 = 1;
const COPY: u8 = 2;
const ELSEWHERE: u8 = 3;

fn entry(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

/// One that is so far; `successor`: who is to continue it, if somebody is.
fn view(stage: Stage, successor: u8) -> View<u8> {
    let mut view = View::begun(HERE, entry(1));
    if stage != Stage::Single {
        view.name(Some(COPY), entry(1), entry(2)).expect("named");
    }
    if stage.is_whole() {
        view.joined(entry(2)).expect("joined");
    }
    if stage == Stage::Succeeding {
        view.succeed(successor, entry(1), entry(3)).expect("told to");
    }
    assert_eq!(view.stage(), stage);
    view
}

/// Decided on what stands, or on something older.
fn changed(view: &mut View<u8>, change: Change, late: bool) -> Result<(), Unfit> {
    let on = |stands: Fence| if late { entry(0) } else { stands };
    let (since, highest) = (on(view.naming.since), on(view.highest()));
    match change {
        Change::Name => view.name(Some(COPY), since, entry(9)),
        Change::NameNobody => view.name(None, since, entry(9)),
        Change::Join => view.joined(since),
        Change::Succeed => view.succeed(ELSEWHERE, highest, entry(9)),
        Change::GoLive | Change::GoLiveBesideCopy => view.went_live(highest, entry(9)),
        Change::GiveBack => view.give_back(highest, entry(9)),
    }
}

#[test]
fn a_view_goes_by_the_table_and_by_nothing_that_was_decided_before() {
    for (stage, change) in
        Stage::ALL.into_iter().flat_map(|stage| CHANGES.map(|change| (stage, change)))
    {
        let successor = if change == Change::GoLive { ELSEWHERE } else { COPY };
        let mut after = view(stage, successor);
        let outcome = changed(&mut after, change, false);
        assert_eq!(outcome.map(|()| after.stage()), stage.after(change), "{stage:?} {change:?}");
        let stands = view(stage, successor);
        if outcome.is_err() {
            assert_eq!(after, stands, "{stage:?} {change:?}");
        }
        let mut late = stands.clone();
        assert!(changed(&mut late, change, true).is_err(), "{stage:?} {change:?}");
        assert_eq!(late, stands, "{stage:?} {change:?}");
    }
}

#[test]
fn neither_a_copy_nor_a_successor_is_where_the_ledger_is() {
    for stage in [Stage::Single, Stage::Filling, Stage::Whole] {
        let mut view = view(stage, COPY);
        let since = view.naming.since;
        assert_eq!(view.name(Some(HERE), since, entry(9)), Err(Unfit::OwnPlace));
    }
    for stage in [Stage::Whole, Stage::Succeeding] {
        let mut view = view(stage, COPY);
        let on = view.highest();
        assert_eq!(view.succeed(HERE, on, entry(9)), Err(Unfit::OwnPlace));
    }
}
