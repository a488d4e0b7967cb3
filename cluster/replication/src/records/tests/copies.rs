//! The bytes of what is kept of ledgers' copies.

use super::*;
use tradewind_domain::{
    control::{
        copies::{Copies, CopiesRow, CopyCommand},
        resource::{Condition, Declaration, ResourceCommand},
        row::Row,
    },
    ids::{AccountId, ClusterIncarnation, Fence, ManagerId},
    trading::copies::{Held, Naming, View},
};

fn account() -> AccountId {
    "x".parse().unwrap()
}

fn manager(name: &str) -> ManagerId {
    format!("{name}.broker-manager").parse().unwrap()
}

fn fence(epoch: u64) -> Fence {
    Fence { cluster: ClusterIncarnation(1), epoch: Epoch(epoch) }
}

fn commands() -> Vec<Command> {
    let spec = AccountSpec {
        venue: "v".parse().unwrap(),
        adapter: "sim".to_owned(),
        endpoint: "h:1".to_owned(),
        customers: Default::default(),
    };
    let what = Declaration::AccountCopies { account: account(), spec, copies: Copies::Two };
    let put = Command::Resource(ResourceCommand::Put { what, on: Condition::Always });
    let (on, since, right) = (fence(5), fence(6), fence(7));
    let copies = [
        CopyCommand::Name { account: account(), holder: Some(manager("b")), on },
        CopyCommand::Name { account: account(), holder: None, on },
        CopyCommand::Joined { account: account(), since },
        CopyCommand::Succeed { account: account(), manager: manager("b"), on },
        CopyCommand::WentLive { account: account(), right },
        CopyCommand::GiveBack { account: account(), on },
    ];
    [put].into_iter().chain(copies.map(Command::Copies)).collect()
}

fn rows() -> [Row; 2] {
    let view = View {
        live: Held { at: manager("a"), right: fence(5) },
        successor: Some(Held { at: manager("b"), right: fence(7) }),
        naming: Naming { since: fence(6), holder: Some(manager("b")) },
        whole: true,
    };
    [(Copies::Two, Some(view)), (Copies::One, None)]
        .map(|(wanted, view)| Row::Copies(CopiesRow { account: account(), wanted, view }))
}

#[test]
fn the_bytes_of_ledgers_copies_never_change() {
    let proposals: Vec<_> = commands()
        .into_iter()
        .map(|command| {
            let mut proposal = stamped();
            proposal.request.command = command;
            proposal
        })
        .collect();
    let mut found: Vec<String> =
        proposals.iter().map(|one| hex(&encode(Kind::Proposal, one).unwrap())).collect();
    found.extend(rows().iter().map(|row| hex(&encode(Kind::Row, row).unwrap())));
    assert_eq!(found, EXPECTED);
    proposals.iter().zip(EXPECTED).for_each(|(one, bytes)| golden(Kind::Proposal, one, bytes));
    rows().iter().zip(&EXPECTED[7..]).for_each(|(row, bytes)| golden(Kind::Row, row, bytes));
}

const EXPECTED: [&str; 9] = [
    "0101010163020311000c017801760373696d03683a31000200a2cda75b",
    "01010101630203180001780110622e62726f6b65722d6d616e616765720105af8e7fc7",
    "010101016302031800017800010529f40bff",
    "01010101630203180101780106a8a4ebb1",
    "010101016302031802017810622e62726f6b65722d6d616e6167657201052d1a0e02",
    "010101016302031803017801075ec72cbc",
    "01010101630203180401780105627a02e0",
    "0106220178020110612e62726f6b65722d6d616e6167657201050110622e62726f6b65722d6d616e61676572010701060110622e62726f6b65722d6d616e61676572019f4df52a",
    "010622017801007f2406ad",
];
