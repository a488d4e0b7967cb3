//! The bytes of feature levels, and of what is new with the second and the third.

use super::{drains::proposal, *};
use tradewind_domain::{
    control::{
        Outcome, Refusal,
        drain::{DrainCommand, HoursUnknownRow},
        level::{
            CheckInKnowing, FeatureLevel, LevelCommand, LevelRow, ManagerLevelRow, MemberLevelRow,
        },
        row::{AnsweredRow, Row},
    },
    ids::{DiskId, DrainTarget, Incarnation, ManagerId, NodeId},
};

const SECOND: FeatureLevel = FeatureLevel::SECOND;

fn manager() -> ManagerId {
    "a.broker-manager".parse().unwrap()
}

fn target() -> DrainTarget {
    "a.broker-manager".parse().unwrap()
}

#[test]
fn the_bytes_of_levels_never_change() {
    let told = CheckInKnowing {
        manager: manager(),
        location: "l".parse().unwrap(),
        address: "h:1".to_owned(),
        incarnation: Incarnation(5),
        capacity: 6,
        disk: Some(DiskId(7)),
        node: Some("n".parse().unwrap()),
        level: SECOND,
    };
    for (command, bytes) in [
        (LevelCommand::Know { node: NodeId(3), level: SECOND }, "0101010163020316000302c0a67d9e"),
        (
            LevelCommand::CheckIn(told),
            "01010101630203160110612e62726f6b65722d6d616e61676572016c03683a31050601203030303030303030303030303030\
             30303030303030303030303030303030303701016e028036e3e8",
        ),
        (LevelCommand::Raise { to: SECOND }, "0101010163020316020237416853"),
    ] {
        golden(Kind::Proposal, &proposal(Command::Level(command)), bytes);
    }
    let (revision, since) = (Revision(10), UnixNanos(1));
    for (row, bytes) in [
        (Row::Level(LevelRow { level: SECOND, revision, since }), "01061c020a01f3637d61"),
        (Row::MemberLevel(MemberLevelRow { node: NodeId(3), level: SECOND }), "01061d0302bd83f40f"),
        (
            Row::ManagerLevel(ManagerLevelRow { manager: manager(), level: SECOND }),
            "01061e10612e62726f6b65722d6d616e6167657202c68b8dea",
        ),
    ] {
        golden(Kind::Row, &row, bytes);
    }
}

#[test]
fn the_bytes_of_what_is_new_with_the_second_level_never_change() {
    let by = By { who: "w".to_owned(), why: "y".to_owned() };
    let (epoch, why) = (Epoch(9), "y".to_owned());
    for (command, bytes) in [
        (
            DrainCommand::Abandon { target: target(), at: Some(Revision(3)), by },
            "010101016302030f0910612e62726f6b65722d6d616e61676572010301770179ef48a48f",
        ),
        (
            DrainCommand::HoursUnknown { target: target(), epoch, why: why.clone() },
            "010101016302030f0a10612e62726f6b65722d6d616e61676572090179a09566f5",
        ),
    ] {
        golden(Kind::Proposal, &proposal(Command::Drain(command)), bytes);
    }
    golden(
        Kind::Row,
        &Row::HoursUnknown(HoursUnknownRow { target: target(), epoch, why }),
        "01061f10612e62726f6b65722d6d616e61676572090179b4465e05",
    );
}

#[test]
fn the_bytes_of_drains_that_are_new_with_the_third_level_never_change() {
    let dropped = DrainCommand::DropConfirmed {
        target: target(),
        epoch: Epoch(9),
        within: None,
        confirmed: BTreeMap::from([(manager(), Incarnation(2))]),
    };
    let bytes = "010101016302030f0b10612e62726f6b65722d6d616e6167657209000110612e62726f6b65722d6d616e6167657202dcae07b1";
    golden(Kind::Proposal, &proposal(Command::Drain(dropped)), bytes);
}

#[test]
fn the_bytes_of_refusals_about_levels_and_room_never_change() {
    let (needed, level, known) = (SECOND, FeatureLevel::FIRST, FeatureLevel::FIRST);
    let account = "k".parse().unwrap();
    for (refusal, bytes) in [
        (Refusal::LevelTooLow { needed, level }, "0106090163020301011f02019943537b"),
        (Refusal::LevelNotKnown { needed, known }, "01060901630203010120020134e16454"),
        (
            Refusal::LevelNotKnownBy { level: SECOND, by: "y".to_owned() },
            "0106090163020301012102017924d18762",
        ),
        (
            Refusal::BrokersHeld { target: target(), manager: manager(), account, count: 1 },
            "0106090163020301012210612e62726f6b65722d6d616e6167657210612e62726f6b65722d6d616e61676572016b010dd373\
             6f",
        ),
        (
            Refusal::NoRoom { manager: manager(), capacity: 2, held: 2, more: 1 },
            "0106090163020301012310612e62726f6b65722d6d616e61676572020201ea95153e",
        ),
    ] {
        let outcome = Outcome::Refused { refusal };
        let row = AnsweredRow { key: stamped().request.key, applied_at: UnixNanos(1), outcome };
        golden(Kind::Row, &Row::Answered(row), bytes);
    }
}

/// The proposals whose bytes stand in these tests. Of more than a line there are some, which are not looked at here.
fn recorded() -> impl Iterator<Item = &'static str> {
    let files = [
        include_str!("drains.rs"),
        include_str!("levels.rs"),
        include_str!("manager_disks.rs"),
        include_str!("resources.rs"),
        include_str!("scale.rs"),
        include_str!("services.rs"),
        include_str!("traders.rs"),
        include_str!("../tests.rs"),
    ];
    let texts = files.into_iter().flat_map(|file| file.split('"'));
    // More than the beginning that is looked for here.
    let hexadecimal =
        |text: &&str| text.len() > 20 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    texts.filter(|text| text.starts_with("01010101630203")).filter(hexadecimal)
}

#[test]
fn what_was_recorded_is_read_and_is_of_the_level_it_was_recorded_at() {
    // Whatever is recorded and does not stand here is read by builds of the first level.
    let of_the_second = [
        "010101016302030f0910612e62726f6b65722d6d616e61676572010301770179ef48a48f",
        "010101016302030f0a10612e62726f6b65722d6d616e61676572090179a09566f5",
    ];
    let of_the_third = [
        "010101016302030f0b10612e62726f6b65722d6d616e6167657209000110612e62726f6b65722d6d616e6167657202dcae07b1",
    ];
    let mut seen = 0;
    for text in recorded() {
        let digits: Vec<char> = text.chars().collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(&pair, 16).unwrap()).collect();
        let read: Stamped = decode(Kind::Proposal, &bytes).unwrap();
        let level = read.request.command.level();
        let expected = match text {
            _ if of_the_second.contains(&text) => SECOND,
            _ if of_the_third.contains(&text) => FeatureLevel::THIRD,
            _ => FeatureLevel::FIRST,
        };
        assert_eq!(level, expected, "{read:?}");
        seen += 1;
    }
    assert!(seen >= 40, "{seen}");
}
