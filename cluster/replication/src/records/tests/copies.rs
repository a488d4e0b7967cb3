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
    "01010101630203170001780110622e62726f6b65722d6d616e61676572010566856a24",
    "0101010163020317000178000105c0844309",
    "010101016302031701017801067d16bd40",
    "010101016302031702017810622e62726f6b65722d6d616e616765720105a5c10e74",
    "010101016302031703017801078b757a4d",
    "01010101630203170401780105b7c85411",
    "0106210178020110612e62726f6b65722d6d616e6167657201050110622e62726f6b65722d6d616e61676572010701060110622e62726f6b65722d6d616e6167657201f4bcba70",
    "01062101780100af5ea6ea",
];
