//! The bytes of scaling: settings, requests of implementations, and what is said of them.

use super::*;
use tradewind_domain::{
    control::{
        drain::DropSchedule,
        refusal::{Noun, Refusal},
        resource::{Condition, Declaration, Resource, ResourceCommand},
        row::Row,
        scale::{
            Marks, ProvisionRow, ProvisionState, Provisioner, ScaleCommand, ScaleFault, ScaleRow,
            ScaleSpec, Shortage,
        },
    },
    ids::{LocationId, ManagerKind, NodeId},
};

fn proposal(command: Command) -> Stamped {
    let mut proposal = stamped();
    proposal.request.command = command;
    proposal
}

fn location() -> LocationId {
    "l".parse().unwrap()
}

fn exec() -> Provisioner {
    let arguments = [("a".to_owned(), "b".to_owned())].into();
    Provisioner::Exec { program: "p".parse().unwrap(), arguments }
}

fn spec(provisioner: Provisioner) -> ScaleSpec {
    let marks = |out_percent| Marks { out_percent, in_percent: 30 };
    ScaleSpec {
        provisioner,
        least: 1,
        most: 3,
        brokers: marks(80),
        sessions: marks(81),
        traders: marks(82),
        sessions_each: 200,
        cool_down_seconds: 60,
        deadline_seconds: 120,
        drop: DropSchedule::AfterHours,
    }
}

fn request() -> ProvisionRow {
    ProvisionRow {
        request: Epoch(9),
        revision: Revision(10),
        location: location(),
        implementation: "s".parse().unwrap(),
        provisioner: exec(),
        deadline_seconds: 120,
        shortage: Shortage::Waiting { kind: ManagerKind::TraderManager, count: 2 },
        state: ProvisionState::Failed,
        since: UnixNanos(11),
        node: Some(NodeId(1)),
        attempts: 2,
        not_before: UnixNanos(12),
        failure: Some("no".to_owned()),
        drain: Some(Epoch(8)),
    }
}

fn all<T: Serialize + DeserializeOwned + Debug>(kind: Kind, each: Vec<(T, &str)>) {
    let bytes = |value: &T| hex(&encode(kind, value).unwrap());
    let found: Vec<String> = each.iter().map(|(value, _)| bytes(value)).collect();
    let expected: Vec<&str> = each.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(found, expected);
    each.iter().for_each(|(value, expected)| golden(kind, value, expected));
}

#[test]
fn the_bytes_of_scalings_commands_never_change() {
    let (request, revision, settings) = (Epoch(9), Revision(10), Revision(7));
    let put = |spec| ResourceCommand::Put {
        what: Declaration::Scale { location: location(), spec },
        on: Condition::Absent,
    };
    let (what, on) = (Resource::Scale(location()), Condition::At(settings));
    let delete = ResourceCommand::Delete { what, on, release: false };
    let ask = |shortage| ScaleCommand::Ask { location: location(), settings, shortage };
    let load = Shortage::Load { kind: ManagerKind::MarketManager, percent: 90 };
    let commands = vec![
        (
            Command::Resource(put(spec(Provisioner::Process { capacity: 5 }))),
            "01010101630203110009016c00050103501e511e521ec83c7800017b692757",
        ),
        (
            Command::Resource(put(spec(exec()))),
            "01010101630203110009016c01017001016101620103501e511e521ec83c780001baff9695",
        ),
        (Command::Resource(delete), "01010101630203110109016c0307000e92a471"),
        (Command::Scale(ask(Shortage::Least { there: 1 })), "010101016302031200016c0700017288399f"),
        (Command::Scale(ask(load)), "010101016302031200016c0701015ac814eae6"),
        (
            Command::Scale(ScaleCommand::Start { request, revision, node: NodeId(1) }),
            "010101016302031201090a0176ae8db6",
        ),
        (
            Command::Scale(ScaleCommand::Arrive { request, revision }),
            "010101016302031202090a4185afe6",
        ),
        (
            Command::Scale(ScaleCommand::Fail { request, revision, why: "w".to_owned() }),
            "010101016302031203090a0177d50173df",
        ),
        (
            Command::Scale(ScaleCommand::GiveUp { request, revision }),
            "010101016302031204090af3f922e2",
        ),
        (
            Command::Scale(ScaleCommand::Retire { request, revision, settings }),
            "010101016302031205090a07149c8cd0",
        ),
        (
            Command::Scale(ScaleCommand::Keep { request, revision }),
            "010101016302031206090a9d2da6e1",
        ),
        (
            Command::Scale(ScaleCommand::Release { request, revision }),
            "010101016302031207090aaa4764e0",
        ),
        (
            Command::Scale(ScaleCommand::Done { request, revision }),
            "010101016302031208090a970038eb",
        ),
        (
            Command::Scale(ScaleCommand::Quiet { location: location(), settings, quiet: true }),
            "010101016302031209016c070186f511f3",
        ),
    ];
    let commands = commands.into_iter().map(|(command, bytes)| (proposal(command), bytes));
    all(Kind::Proposal, commands.collect());
}

#[test]
fn the_bytes_of_scalings_rows_never_change() {
    let settings = ScaleRow {
        location: location(),
        spec: spec(exec()),
        revision: Revision(7),
        acted_at: Some(UnixNanos(1)),
        quiet_since: None,
        looked_at: UnixNanos(2),
    };
    all(
        Kind::Row,
        vec![
            (
                Row::Scale(settings),
                "010615016c01017001016101620103501e511e521ec83c78000701010002e8f56d70",
            ),
            (
                Row::Provision(request()),
                "010616090a016c0173010170010161016278020202020b0101020c01026e6f010881e2136a",
            ),
        ],
    );
    let answered = |refusal| {
        Row::Answered(tradewind_domain::control::row::AnsweredRow {
            key: stamped().request.key,
            applied_at: UnixNanos(1),
            outcome: tradewind_domain::control::Outcome::Refused { refusal },
        })
    };
    all(
        Kind::Row,
        vec![
            (
                answered(Refusal::ScaleNotPossible { fault: ScaleFault::Capacity }),
                "0106090163020301011b054a170a17",
            ),
            (answered(Refusal::NotFound { what: Noun::Scale }), "0106090163020301010513c49d9f37"),
            (
                answered(Refusal::NotFound { what: Noun::Provisioning }),
                "01060901630203010105146708fba9",
            ),
        ],
    );
}

#[test]
fn a_row_of_scaling_is_never_too_large_for_its_store() {
    let arguments = (0..limits::SCALE_ARGUMENTS)
        .map(|n| {
            let name = format!("{n:0width$}", width = limits::SCALE_ARGUMENT_BYTES);
            (name, "v".repeat(limits::SCALE_ARGUMENT_BYTES))
        })
        .collect();
    let provisioner = Provisioner::Exec { program: "p".parse().unwrap(), arguments };
    assert_eq!(spec(provisioner.clone()).fault(), None);
    let row =
        ProvisionRow { provisioner, failure: Some("w".repeat(limits::WHY_BYTES)), ..request() };
    let bytes = encode(Kind::Row, &Row::Provision(row)).unwrap().len();
    assert!(bytes < STATE_VALUE_BYTES, "{bytes}");
}
