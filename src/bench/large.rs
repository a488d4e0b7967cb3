//! A large state, made row by row. Decides what a cluster of so many Traders looks like: ten Traders a customer,
//! a thousand Managers, everything assigned.

use anyhow::Context as _;
use std::{collections::BTreeSet, path::Path};
use tradewind_control_server::backup::{Member, NewGroup};
use tradewind_domain::{
    control::{
        Machine, Row,
        row::{
            Assignment, CustomerRow, CustomerSpec, ManagerRow, ManagerState, RegisterRow,
            TraderRow, TraderSpec, TraderWish,
        },
    },
    ids::{Epoch, Incarnation, KeyHash, ManagerId, ManagerKind, NodeId, Revision},
    time::UnixNanos,
};

pub(super) const MANAGERS: u64 = 1_000;
const TRADERS_A_CUSTOMER: u64 = 10;
/// What a register with a value of 256 bytes takes in a snapshot.
const REGISTER_BYTES: u64 = 276;
/// Where the new group's log goes on.
const REVISION: Revision = Revision(1_000_000);

/// The state of so many Traders.
pub(super) fn machine(traders: u64) -> anyhow::Result<Machine> {
    let customers = traders.div_ceil(TRADERS_A_CUSTOMER);
    let mut rows = Vec::new();
    for n in 0..MANAGERS {
        rows.push(manager(n)?);
    }
    for n in 0..customers {
        rows.push(customer(n)?);
    }
    for n in 0..traders {
        rows.push(trader(n)?);
    }
    Ok(Machine::from_rows(rows))
}

/// A state that takes about so many megabytes in a snapshot, and that the leader has nothing to do for.
pub(super) fn registers(megabytes: u64) -> anyhow::Result<Machine> {
    let rows: anyhow::Result<Vec<Row>> = (0..megabytes * 1_000_000 / REGISTER_BYTES)
        .map(|n| {
            let register = format!("register-{n:07}").parse()?;
            Ok(Row::Register(RegisterRow { register, value: "v".repeat(256) }))
        })
        .collect();
    Ok(Machine::from_rows(rows?))
}

pub(super) fn customers(traders: u64) -> u64 {
    traders.div_ceil(TRADERS_A_CUSTOMER)
}

/// Makes the directory of a member whose group begins with the state.
pub(super) fn found(
    data: &Path,
    node: u64,
    members: &[(u64, Member)],
    machine: &Machine,
) -> anyhow::Result<()> {
    let members = members.iter().map(|(node, member)| (NodeId(*node), member.clone())).collect();
    let group = NewGroup { node: NodeId(node), cluster: "bench".to_owned(), members };
    std::fs::create_dir_all(data)?;
    let raft = data.join(tradewind_control_server::RAFT_DIRECTORY);
    group.begin(&raft, machine, REVISION).context("a directory with the state")
}

fn id(kind: ManagerKind, n: u64) -> anyhow::Result<ManagerId> {
    Ok(ManagerId { implementation: format!("implementation-{n:03}").parse()?, kind })
}

fn manager(n: u64) -> anyhow::Result<Row> {
    let kinds = ManagerKind::ALL;
    let kind = kinds[(n % 3) as usize];
    Ok(Row::Manager(ManagerRow {
        manager: id(kind, n / 3)?,
        location: format!("location-{}", n % 5).parse()?,
        address: format!("10.0.{}.{}:4400", n / 250, n % 250),
        incarnation: Incarnation(1_700_000_000_000 + n),
        epoch: Epoch(n + 1),
        state: ManagerState::Live,
        capacity: 10_000,
        since: UnixNanos(1_700_000_000_000_000_000),
    }))
}

/// One of the TraderManagers.
fn home(customer: u64) -> anyhow::Result<Assignment> {
    let manager = id(ManagerKind::TraderManager, customer % (MANAGERS / 3))?;
    Ok(Assignment { manager, epoch: Epoch(10_000 + customer) })
}

fn customer(n: u64) -> anyhow::Result<Row> {
    Ok(Row::Customer(CustomerRow {
        customer: format!("customer-{n:06}").parse()?,
        spec: CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of(&format!("key-{n}"))]) },
        affinity: Some(home(n)?),
        affinity_version: 1,
        revision: Revision(10_000 + n),
    }))
}

fn trader(n: u64) -> anyhow::Result<Row> {
    let customer = n / TRADERS_A_CUSTOMER;
    let words = ["tradewind", "sample-algo", "--instrument", "BTC/USD"];
    let assignment = Assignment { epoch: Epoch(200_000 + n), ..home(customer)? };
    Ok(Row::Trader(TraderRow {
        trader: format!("trader-{n:07}").parse()?,
        spec: TraderSpec {
            customer: format!("customer-{customer:06}").parse()?,
            command: words.map(str::to_owned).to_vec(),
            state: TraderWish::Running,
        },
        assignment: Some(assignment),
        revision: Revision(200_000 + n),
    }))
}
