//! The bytes of drains, hours and rebalances, as they are proposed and stored.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeMap;
use tradewind_domain::{
    calendar::{DailyWindow, Day, Exchange, Hours, OperatorDay, Span},
    control::{
        drain::{AbandonedRow, By, DrainCommand, DrainRow, DrainState, DropSchedule, DroppedRow},
        group::{GroupAsk, GroupCommand},
        resource::Condition,
        row::{ExchangeRow, LocationRow, LocationSpec},
    },
    ids::{DrainTarget, Incarnation, LocationId, Revision},
};

fn by() -> By {
    By { who: "w".to_owned(), why: "y".to_owned() }
}

pub(super) fn proposal(command: Command) -> Stamped {
    let mut stamped = stamped();
    stamped.request.command = command;
    stamped
}

#[test]
fn the_bytes_of_a_drains_commands_never_change() {
    let target: DrainTarget = "a.market-manager".parse().unwrap();
    let drop = DropSchedule::At(UnixNanos(7));
    let begin = DrainCommand::Begin {
        target: target.clone(),
        by: by(),
        deadline: Some(UnixNanos(6)),
        drop,
    };
    golden(
        Kind::Proposal,
        &proposal(Command::Drain(begin)),
        "010101016302030f0010612e6d61726b65742d6d616e6167657201770179010602072b30271b",
    );
    let confirmed = [("a.market-manager".parse().unwrap(), Incarnation(8))].into();
    let (epoch, span) = (Epoch(9), Span { from: UnixNanos(1), until: UnixNanos(2) });
    for (command, bytes) in [
        (
            DrainCommand::Acknowledge { target: target.clone(), epoch, confirmed },
            "010101016302030f0110612e6d61726b65742d6d616e61676572090110612e6d61726b65742d6d616e6167657208613462d1",
        ),
        (
            DrainCommand::Emptied { target: target.clone(), epoch },
            "010101016302030f0210612e6d61726b65742d6d616e6167657209b1c3198b",
        ),
        (
            DrainCommand::Overdue { target: target.clone(), epoch },
            "010101016302030f0310612e6d61726b65742d6d616e6167657209e943fb5c",
        ),
        (
            DrainCommand::Drop { target: target.clone(), epoch, within: Some(span) },
            "010101016302030f0410612e6d61726b65742d6d616e61676572090101022901473b",
        ),
        (
            DrainCommand::Cancel { target: target.clone(), at: None, by: by() },
            "010101016302030f0510612e6d61726b65742d6d616e616765720001770179fc366054",
        ),
        (
            DrainCommand::Force { target: target.clone(), at: Some(Revision(3)), by: by() },
            "010101016302030f0610612e6d61726b65742d6d616e61676572010301770179a5c9c85f",
        ),
        (
            DrainCommand::Reschedule { target: target.clone(), at: None, by: by(), drop },
            "010101016302030f0710612e6d61726b65742d6d616e6167657200017701790207cbac5e0a",
        ),
        (
            DrainCommand::BeginOn {
                target: target.clone(),
                on: Condition::At(Revision(3)),
                by: by(),
                deadline: Some(UnixNanos(6)),
                drop,
            },
            "010101016302030f0810612e6d61726b65742d6d616e6167657203030177017901060207aa50fd21",
        ),
    ] {
        golden(Kind::Proposal, &proposal(Command::Drain(command)), bytes);
    }
}

#[test]
fn the_bytes_of_hours_never_change() {
    let hours = Hours::AfterClose { exchange: Exchange::Xnys, offset_minutes: 15 };
    let window = DailyWindow { from: "01:00".parse().unwrap(), to: "02:00".parse().unwrap() };
    let spec = LocationSpec { after_hours: vec![hours, Hours::Daily { window }] };
    let location: LocationId = "l".parse().unwrap();
    let put = Command::PutLocation { location: location.clone(), spec: spec.clone() };
    golden(Kind::Proposal, &proposal(put), "010101016302030d016c0200000f013c78411ee784");
    let early = OperatorDay::EarlyClose { at: "13:00".parse().unwrap() };
    let days: BTreeMap<Day, OperatorDay> = [(Day(1), OperatorDay::Closed), (Day(2), early)].into();
    let put = Command::PutExchangeDays { exchange: Exchange::Xnys, days: days.clone() };
    golden(Kind::Proposal, &proposal(put), "010101016302030e000201000201fb0c030755ffb6");
    for (row, bytes) in [
        (
            Row::Location(LocationRow { location, spec, revision: Revision(7) }),
            "01060e016c0200000f013c78070f850616",
        ),
        (
            Row::Exchange(ExchangeRow { exchange: Exchange::Xnys, days, revision: Revision(7) }),
            "01060f000201000201fb0c030720c0e7d1",
        ),
    ] {
        golden(Kind::Row, &row, bytes);
    }
}

#[test]
fn the_bytes_of_a_drains_rows_never_change() {
    let target: DrainTarget = "a.market-manager".parse().unwrap();
    let epoch = Epoch(9);
    let drain = DrainRow {
        target,
        epoch,
        revision: Revision(10),
        state: DrainState::Drained,
        since: UnixNanos(11),
        by: by(),
        deadline: None,
        overdue: None,
        drop: DropSchedule::AfterHours,
        forced: Some(by()),
        drained: Some(UnixNanos(11)),
    };
    let (manager, incarnation) = ("a.market-manager".parse().unwrap(), Incarnation(1));
    for (row, bytes) in [
        (
            Row::Drain(drain),
            "01061010612e6d61726b65742d6d616e61676572090a020b017701790000000101770179010b3f7ed15f",
        ),
        (
            Row::Dropped(DroppedRow { manager, incarnation, at: UnixNanos(1) }),
            "01061110612e6d61726b65742d6d616e6167657201018f025262",
        ),
    ] {
        golden(Kind::Row, &row, bytes);
    }
}

#[test]
fn the_bytes_of_a_rebalance_never_change() {
    let (customer, to) = ("c".parse().unwrap(), "a.trader-manager".parse().unwrap());
    let moves = vec![Move { customer, replaces: Epoch(9), to }];
    for (command, bytes) in [
        (
            RebalanceCommand::Begin { by: by(), moves: moves.clone() },
            "010101016302031000017701790101630910612e7472616465722d6d616e616765726afc76df",
        ),
        (RebalanceCommand::End { epoch: Epoch(9) }, "01010101630203100109ceb71aeb"),
        (RebalanceCommand::Cancel { by: by() }, "010101016302031002017701798577fed1"),
        (
            RebalanceCommand::CancelAt { epoch: Epoch(9), by: by() },
            "0101010163020310030901770179f52f3a64",
        ),
    ] {
        golden(Kind::Proposal, &proposal(Command::Rebalance(command)), bytes);
    }
    let row = RebalanceRow { epoch: Epoch(9), since: UnixNanos(1), by: by(), moves };
    golden(
        Kind::Row,
        &Row::Rebalance(row),
        "0106120901017701790101630910612e7472616465722d6d616e61676572034475aa",
    );
}

#[test]
fn the_bytes_of_what_operators_ask_of_the_group_never_change() {
    for (ask, bytes) in [
        (
            GroupAsk::Remove { node: tradewind_domain::ids::NodeId(3), forced: true },
            "010101016302030c060177017900030148ec50b0",
        ),
        (GroupAsk::WantVoters { voters: 5 }, "010101016302030c06017701790105298e667f"),
        (
            GroupAsk::Transfer { to: Some(tradewind_domain::ids::NodeId(2)) },
            "010101016302030c06017701790201021e0beb18",
        ),
    ] {
        let command = Command::Group(GroupCommand::Audited { by: by(), ask });
        golden(Kind::Proposal, &proposal(command), bytes);
    }
}

#[test]
fn the_bytes_of_a_ledger_that_was_given_up_never_change() {
    let (account, manager) = ("k".parse().unwrap(), "a.broker-manager".parse().unwrap());
    let row = AbandonedRow { account, shard: 0, manager, epoch: Epoch(9) };
    golden(
        Kind::Row,
        &Row::Abandoned(row),
        "010623016b0010612e62726f6b65722d6d616e616765720917aef85c",
    );
}
