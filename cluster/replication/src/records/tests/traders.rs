//! The bytes of how Traders are run.

use super::*;
use std::collections::BTreeMap;
use tradewind_domain::control::{
    attach::{Attach, Attachment, AttachmentRow},
    fencing::{FencingRow, TraderCommand},
    refusal::Refusal,
    resource::{Condition, Declaration, ResourceCommand},
    row::Row,
    trader::{EnvironmentValue, RestartPolicy, TraderFault, TraderLimits, TraderRun, TraderRunRow},
};

fn run(restart: RestartPolicy) -> TraderRun {
    let environment = [
        ("A".to_owned(), EnvironmentValue::Value("v".to_owned())),
        ("B".to_owned(), EnvironmentValue::From("file:/k".to_owned())),
    ];
    TraderRun {
        environment: environment.into(),
        directory: Some("/d".to_owned()),
        limits: TraderLimits { memory_mib: Some(64), open_files: None, nice: Some(5) },
        restart,
        restarts: 2,
    }
}

#[test]
fn the_bytes_of_how_a_trader_is_run_never_change() {
    let spec = TraderSpec {
        customer: "c".parse().unwrap(),
        command: vec!["w".to_owned()],
        state: TraderWish::Paused,
    };
    let trader = || "t".parse().unwrap();
    let what = Declaration::TraderRun { trader: trader(), spec, run: run(RestartPolicy::Always) };
    let mut proposal = stamped();
    proposal.request.command =
        Command::Resource(ResourceCommand::Put { what, on: Condition::Always });
    let rows = [RestartPolicy::OnFailure, RestartPolicy::Never]
        .map(|policy| Row::TraderRun(TraderRunRow { trader: trader(), run: run(policy) }));
    let refused = |fault| {
        Row::Answered(tradewind_domain::control::row::AnsweredRow {
            key: stamped().request.key,
            applied_at: UnixNanos(1),
            outcome: tradewind_domain::control::Outcome::Refused {
                refusal: Refusal::TraderNotPossible { fault },
            },
        })
    };
    let [first, second] = rows;
    let expected = [
        "0101010163020311000a01740163010177020201410001760142010766696c653a2f6b01022f6401400001050002008e3ec533",
        "01061a01740201410001760142010766696c653a2f6b01022f64014000010501023167d04c",
        "01061a01740201410001760142010766696c653a2f6b01022f6401400001050202f234fd67",
        "0106090163020301011e08b29fcc14",
        "0106090163020301011e0301417aeb0fe3",
    ];
    let rows = [
        first,
        second,
        refused(TraderFault::Nice),
        refused(TraderFault::Reference { name: "A".to_owned() }),
    ];
    let mut found = vec![hex(&encode(Kind::Proposal, &proposal).unwrap())];
    found.extend(rows.iter().map(|row| hex(&encode(Kind::Row, row).unwrap())));
    assert_eq!(found, expected);
    golden(Kind::Proposal, &proposal, expected[0]);
    rows.iter().zip(&expected[1..]).for_each(|(row, bytes)| golden(Kind::Row, row, bytes));
}

#[test]
fn a_row_of_how_a_trader_is_run_is_never_too_large_for_its_store() {
    let value = |n: usize| EnvironmentValue::Value("v".repeat(n));
    let name = |n: usize| format!("{n:_>width$}", width = limits::VARIABLE_NAME_BYTES);
    let each = limits::ENVIRONMENT_BYTES / limits::VARIABLES - limits::VARIABLE_NAME_BYTES;
    let environment: BTreeMap<String, EnvironmentValue> =
        (0..limits::VARIABLES).map(|n| (name(n), value(each))).collect();
    let directory = Some("/".repeat(limits::PATH_BYTES));
    let run = TraderRun { environment, directory, ..run(RestartPolicy::Never) };
    assert_eq!(run.fault(), None);
    let row = Row::TraderRun(TraderRunRow { trader: "t".parse().unwrap(), run });
    let bytes = encode(Kind::Row, &row).unwrap().len();
    assert!(bytes < STATE_VALUE_BYTES, "{bytes}");
}

#[test]
fn the_bytes_of_fencing_a_trader_never_change() {
    let (trader, epoch) = (|| "t".parse().unwrap(), Epoch(9));
    let moved = TraderCommand::Move {
        trader: trader(),
        manager: "a.trader-manager".parse().unwrap(),
        replaces: Some(Epoch(7)),
    };
    let commands = [moved, TraderCommand::Fenced { trader: trader(), epoch }];
    let proposals = commands.map(|command| {
        let mut proposal = stamped();
        proposal.request.command = Command::Trader(command);
        proposal
    });
    let row = Row::Fencing(FencingRow { trader: trader(), customer: "c".parse().unwrap(), epoch });
    let mut found: Vec<String> =
        proposals.iter().map(|one| hex(&encode(Kind::Proposal, one).unwrap())).collect();
    found.push(hex(&encode(Kind::Row, &row).unwrap()));
    let expected = [
        "010101016302031500017410612e7472616465722d6d616e616765720107a68d2b39",
        "01010101630203150101740994ffd9b5",
        "01061b017401630919ecba4c",
    ];
    assert_eq!(found, expected);
    proposals.iter().zip(expected).for_each(|(one, bytes)| golden(Kind::Proposal, one, bytes));
    golden(Kind::Row, &row, expected[2]);
}

#[test]
fn the_bytes_of_attaching_a_trader_never_change() {
    let trader = || "t".parse().unwrap();
    let attach = Attach {
        trader: trader(),
        manager: "a.trader-manager".parse().unwrap(),
        incarnation: tradewind_domain::ids::Incarnation(3),
        copy: "c1".parse().unwrap(),
        key_id: "k".to_owned(),
        takes_over: true,
        replaces: Some(Epoch(7)),
    };
    let spec = TraderSpec {
        customer: "c".parse().unwrap(),
        command: Vec::new(),
        state: TraderWish::Running,
    };
    let what = Declaration::SelfManaged { trader: trader(), spec, run: TraderRun::default() };
    let put = Command::Resource(ResourceCommand::Put { what, on: Condition::Always });
    let proposals = [Command::Trader(TraderCommand::Attach(attach)), put].map(|command| {
        let mut proposal = stamped();
        proposal.request.command = command;
        proposal
    });
    let row = |copy: Option<&str>| {
        let copy = copy.map(|copy| copy.parse().unwrap());
        let attachment = Attachment { copy, key_id: "k".to_owned(), epoch: Epoch(9) };
        Row::Attachment(AttachmentRow { trader: trader(), attachment })
    };
    let refused = [Refusal::NotSelfManaged, Refusal::TakenOver, Refusal::TraderStopped];
    let refused = refused.map(|refusal| {
        Row::Answered(tradewind_domain::control::row::AnsweredRow {
            key: stamped().request.key,
            applied_at: UnixNanos(1),
            outcome: tradewind_domain::control::Outcome::Refused { refusal },
        })
    });
    let rows: Vec<Row> = [row(Some("c1")), row(None)].into_iter().chain(refused).collect();
    let mut found: Vec<String> =
        proposals.iter().map(|one| hex(&encode(Kind::Proposal, one).unwrap())).collect();
    found.extend(rows.iter().map(|row| hex(&encode(Kind::Row, row).unwrap())));
    let expected = [
        "010101016302031502017410612e7472616465722d6d616e6167657203026331016b010107af1690a2",
        "0101010163020311000b01740163000000000000000100000c11ead5",
        "010620017401026331016b09a39054fb",
        "010620017400016b09a3c5b9c1",
        "010609016302030101248054a504",
        "010609016302030101251664a273",
        "01060901630203010126ac35abea",
    ];
    assert_eq!(found, expected);
    proposals.iter().zip(expected).for_each(|(one, bytes)| golden(Kind::Proposal, one, bytes));
    rows.iter().zip(&expected[2..]).for_each(|(row, bytes)| golden(Kind::Row, row, bytes));
}
