//! The bytes of everything stored and sent. A released record keeps its bytes for ever: a test that fails
//! here is a change that old directories and old members would not survive.
#![allow(clippy::unwrap_used)]

mod asked;
mod copies;
mod drains;
mod levels;
mod manager_disks;
mod resources;
mod routes;
mod scale;
mod services;
mod traders;

use super::*;
use crate::{
    limits::{PROPOSAL_BYTES_MAX, STATE_VALUE_BYTES},
    network::wire::{AppendRecord, Reply, Request},
};
use std::fmt::Debug;
use tradewind_domain::{
    control::{
        Command, IdempotencyKey, Stamped,
        drain::By,
        placement::{Move, RebalanceCommand, RebalanceRow},
        row::{
            AccountRow, AccountSpec, MarketRow, MarketSpec, Route, TraderRow, TraderSpec,
            TraderWish,
        },
    },
    ids::{ClientId, Epoch, RegisterId, Revision, VenueId},
    limits,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The record has these bytes, and these bytes give the record.
fn golden<T: Serialize + DeserializeOwned + Debug>(kind: Kind, value: &T, expected: &str) {
    let bytes = encode(kind, value).unwrap();
    assert_eq!(hex(&bytes), expected, "{value:?}");
    let back: T = decode(kind, &bytes).unwrap();
    assert_eq!(encode(kind, &back).unwrap(), bytes);
}

fn stamped() -> Stamped {
    let client = ClientId::new("c").unwrap();
    let key = IdempotencyKey { client, issued_at: UnixNanos(2), n: 3 };
    let register = RegisterId::new("r").unwrap();
    let command = Command::PutRegister { register, value: "v".to_owned(), expected: None };
    let request = tradewind_domain::control::Request { key, command };
    Stamped { at: UnixNanos(1), request }
}

fn log_id() -> LogIdRecord {
    LogIdRecord { term: 4, node: 5, index: 600 }
}

fn vote() -> VoteRecord {
    VoteRecord { term: 4, node: 5, committed: true }
}

fn membership() -> MembershipRecord {
    let member = MemberRecord {
        peer_address: "p:1".to_owned(),
        api_address: "a:2".to_owned(),
        disk: Some(6),
    };
    MembershipRecord { configs: vec![[5].into()], nodes: [(5, member)].into() }
}

fn head() -> HeadRecord {
    let stored = StoredMembershipRecord { log_id: Some(log_id()), membership: membership() };
    HeadRecord { applied: Some(log_id()), membership: stored, stamped: UnixNanos(1) }
}

fn entry(payload: PayloadRecord) -> EntryRecord {
    EntryRecord { log_id: log_id(), payload }
}

#[test]
fn the_bytes_of_log_records_never_change() {
    golden(Kind::Proposal, &stamped(), "010101016302030b017201760034c21e9f");
    let body = Body::from(encode(Kind::Proposal, &stamped()).unwrap());
    golden(Kind::Entry, &entry(PayloadRecord::Blank), "01020405fb580200948f986c");
    golden(
        Kind::Entry,
        &entry(PayloadRecord::Proposal(body)),
        "01020405fb58020111010101016302030b017201760034c21e9fcdbecfa0",
    );
    golden(
        Kind::Entry,
        &entry(PayloadRecord::Membership(membership())),
        "01020405fb580202010105010503703a3103613a320106176758de",
    );
    golden(Kind::Vote, &vote(), "01030405014c1d8ee4");
    golden(Kind::LogId, &log_id(), "01040405fb58026fea2947");
}

#[test]
fn the_bytes_of_state_and_snapshot_records_never_change() {
    golden(
        Kind::Head,
        &head(),
        "0105010405fb5802010405fb5802010105010503703a3103613a32010601f8d70e3d",
    );
    golden(
        Kind::SnapshotBlock,
        &SnapshotBlock::Head(head()),
        "010800010405fb5802010405fb5802010105010503703a3103613a32010601d0eb9b6a",
    );
    golden(Kind::SnapshotBlock, &SnapshotBlock::Rows(Vec::new()), "0108010080d8f08e");
    golden(Kind::SnapshotBlock, &SnapshotBlock::End { rows: 7 }, "01080207e01eb93b");
    let sealed = SnapshotBlock::Sealed { rows: 7, hash: StateHash(9) };
    golden(Kind::SnapshotBlock, &sealed, "010803070978662d0a");
    let open = OutvotedRecord { index: 1_000, hash: StateHash(9), nodes: vec![2, 3] };
    golden(
        Kind::Diverged,
        &DivergedRecord { times: 1, open: Some(open) },
        "010f0101fbe80309020203bc04ae8e",
    );
    let known = KnownRecord {
        members: [(5, MemberRecord::default())].into(),
        incarnation: Some(ClusterIncarnation(6)),
    };
    golden(Kind::Known, &known, "011001050000000106b53f0b8b");
    let identity = IdentityRecord { cluster: "c".to_owned(), node: 5 };
    golden(Kind::Identity, &identity, "0109016305fb3732b9");
}

#[test]
fn the_bytes_of_messages_between_members_never_change() {
    let append = AppendRecord {
        vote: vote(),
        previous: Some(log_id()),
        entries: vec![entry(PayloadRecord::Blank)],
        committed: None,
    };
    golden(
        Kind::Request,
        &Request::Append(append),
        "010a00040501010405fb5802010405fb580200003d4f3e16",
    );
    let chunk = Request::SnapshotChunk { offset: 9, bytes: Body::from(vec![1, 2]) };
    golden(Kind::Request, &chunk, "010a050902010255b3f9db");
    golden(Kind::Request, &Request::SnapshotEnd { crc: 8 }, "010a06081b12eecc");
    golden(Kind::Reply, &Reply::Appended(Some(log_id())), "010b00010405fb5802adb3e780");
    golden(Kind::Reply, &Reply::HigherVote(vote()), "010b0204050193e73eaa");
    golden(Kind::Reply, &Reply::SnapshotInstalled { vote: vote() }, "010b07040501a117e09d");
    golden(Kind::Reply, &Reply::Failed("why".to_owned()), "010b0803776879c4965aa6");
    let wanted = Request::SnapshotWanted { least: Some(log_id()) };
    golden(Kind::Request, &wanted, "010a0b010405fb5802c9e74a4e");
    golden(Kind::Request, &Request::SnapshotRead { offset: 9 }, "010a0c0907ca0641");
    let part = Reply::SnapshotPart { bytes: Body::from(vec![1, 2]), crc: 8 };
    golden(Kind::Reply, &part, "010b0d02010208b4a86a3e");
    golden(Kind::Request, &Request::Confirm(vote()), "010a0d04050175de3dcf");
    golden(Kind::Reply, &Reply::Confirmed, "010b0ee947cffa");
}

#[test]
fn a_record_of_another_kind_or_with_a_changed_byte_is_refused() {
    let bytes = encode(Kind::Vote, &vote()).unwrap();
    assert!(decode::<LogIdRecord>(Kind::LogId, &bytes).is_err());
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        assert!(decode::<VoteRecord>(Kind::Vote, &damaged).is_err(), "byte {place}");
    }
}

#[test]
fn openrafts_terms_and_ours_mean_the_same() {
    let payloads = [
        PayloadRecord::Blank,
        PayloadRecord::Proposal(Body::from(encode(Kind::Proposal, &stamped()).unwrap())),
        PayloadRecord::Membership(membership()),
    ];
    for record in payloads.map(entry) {
        let theirs = Entry::try_from(record.clone()).unwrap();
        assert_eq!(EntryRecord::from(&theirs), record);
    }
    assert_eq!(VoteRecord::from(Vote::from(vote())), vote());
    let stored = StoredMembership::try_from(head().membership).unwrap();
    assert_eq!(StoredMembershipRecord::from(&stored), head().membership);
    let none = MembershipRecord::from(&Membership::default());
    assert_eq!(Membership::try_from(none).unwrap(), Membership::default());
}

#[test]
fn a_membership_that_names_a_stranger_is_refused() {
    let mut record = membership();
    record.configs.push([6].into());
    assert!(matches!(Membership::try_from(record), Err(RecordError::Membership)));
}

fn market(routes: usize) -> MarketSpec {
    let venue: VenueId = "v".repeat(63).parse().unwrap();
    let route = Route {
        instrument: "I".repeat(32).parse().unwrap(),
        data_venue: venue.clone(),
        order_venue: venue,
    };
    MarketSpec { routes: vec![route; routes] }
}

#[test]
fn the_largest_legal_rows_fit_into_a_proposal_and_into_a_value_of_the_state() {
    let name = "m".repeat(63);
    let word = "w".repeat(limits::COMMAND_BYTES / limits::COMMAND_WORDS);
    let customers =
        (0..limits::CUSTOMERS_PER_ACCOUNT).map(|n| format!("{n:0>63}").parse().unwrap());
    let text = "t".repeat(limits::ADDRESS_BYTES);
    let account = AccountSpec {
        venue: name.parse().unwrap(),
        adapter: text.clone(),
        endpoint: text,
        customers: customers.collect(),
    };
    let trader = TraderSpec {
        customer: name.parse().unwrap(),
        command: vec![word; limits::COMMAND_WORDS],
        state: TraderWish::Running,
    };
    let market_spec = market(limits::ROUTES_PER_MARKET);
    let market_row = MarketRow {
        market: name.parse().unwrap(),
        spec: market_spec.clone(),
        epoch: Epoch(u64::MAX),
    };
    let moves = (0..limits::REBALANCE_MOVES).map(|_| Move {
        customer: name.parse().unwrap(),
        replaces: Epoch(u64::MAX),
        to: format!("{name}.trader-manager").parse().unwrap(),
    });
    let (who, why) = ("w".repeat(limits::WHO_BYTES), "y".repeat(limits::WHY_BYTES));
    let (by, moves) = (By { who, why }, moves.collect::<Vec<_>>());
    let begin = RebalanceCommand::Begin { by: by.clone(), moves: moves.clone() };
    let commands = [
        Command::Rebalance(begin),
        Command::PutMarket { market: name.parse().unwrap(), spec: market_spec },
        Command::PutAccount { account: name.parse().unwrap(), spec: account.clone() },
        Command::PutTrader { trader: name.parse().unwrap(), spec: trader.clone() },
    ];
    for command in commands {
        let mut stamped = stamped();
        stamped.request.command = command;
        let bytes = encode(Kind::Proposal, &stamped).unwrap().len();
        assert!(bytes <= PROPOSAL_BYTES_MAX, "{bytes}");
    }
    let revision = Revision(u64::MAX);
    let rows = [
        Row::Market(market_row),
        Row::Account(AccountRow { account: name.parse().unwrap(), spec: account, revision }),
        Row::Trader(TraderRow {
            trader: name.parse().unwrap(),
            spec: trader,
            assignment: None,
            revision,
        }),
        Row::Rebalance(RebalanceRow {
            epoch: Epoch(u64::MAX),
            since: UnixNanos(u64::MAX),
            by,
            moves,
        }),
    ];
    for row in rows {
        let bytes = encode(Kind::Row, &row).unwrap().len();
        assert!(bytes < STATE_VALUE_BYTES, "{bytes}");
    }
}
