//! The bytes of a Manager's check-in from its disk, of the row that binds the two, and of what another disk is told.

use super::*;
use tradewind_domain::{
    control::{
        Outcome, Refusal,
        manager_disk::ManagerDiskRow,
        row::{AnsweredRow, Row},
    },
    ids::{DiskId, Incarnation, ManagerId},
};

const DISK: DiskId = DiskId(7);

fn manager() -> ManagerId {
    "a.broker-manager".parse().unwrap()
}

#[test]
fn the_bytes_of_a_check_in_from_a_disk_and_of_its_row_never_change() {
    let mut proposal = stamped();
    proposal.request.command = Command::CheckInFrom {
        manager: manager(),
        location: "l".parse().unwrap(),
        address: "h:1".to_owned(),
        incarnation: Incarnation(5),
        capacity: 6,
        disk: DISK,
        node: "n".parse().unwrap(),
    };
    golden(
        Kind::Proposal,
        &proposal,
        "010101016302031410612e62726f6b65722d6d616e61676572016c03683a310506203030303030303030303030303030303030303030303030\
         303030303030303037016e9575d7e4",
    );
    let row = ManagerDiskRow { manager: manager(), disk: DISK, node: "n".parse().unwrap() };
    golden(
        Kind::Row,
        &Row::ManagerDisk(row),
        "01061810612e62726f6b65722d6d616e616765722030303030303030303030303030303030303030303030303030303030303030\
         37016e880f756f",
    );
}

#[test]
fn the_bytes_of_the_refusal_of_another_disk_never_change() {
    let refusal = Refusal::OtherManagerDisk { manager: manager(), disk: DISK };
    let outcome = Outcome::Refused { refusal };
    let row = AnsweredRow { key: stamped().request.key, applied_at: UnixNanos(1), outcome };
    golden(
        Kind::Row,
        &Row::Answered(row),
        "0106090163020301011d10612e62726f6b65722d6d616e616765722030303030303030303030303030303030303030303030\
         303030303030303030378e54664b",
    );
}
