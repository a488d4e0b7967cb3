//! The bytes of services that were handed back: what is said of them, and what is kept.

use super::*;
use tradewind_domain::{
    control::{
        handed_back::{Exit, Failure, HandedBackRow, ServiceCommand},
        row::Row,
    },
    ids::{Epoch, ServiceId},
};

fn service(text: &str) -> ServiceId {
    text.parse().unwrap()
}

fn all<T: Serialize + DeserializeOwned + Debug>(kind: Kind, each: Vec<(T, &str)>) {
    let found: Vec<String> =
        each.iter().map(|(value, _)| hex(&encode(kind, value).unwrap())).collect();
    let expected: Vec<&str> = each.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(found, expected);
    each.iter().for_each(|(value, expected)| golden(kind, value, expected));
}

#[test]
fn the_bytes_of_commands_about_services_never_change() {
    let epoch = Epoch(9);
    let back = |id: &str, failure| {
        let (service, manager) = (service(id), "i.trader-manager".parse().unwrap());
        ServiceCommand::HandBack { service, manager, epoch, failure }
    };
    let ended = |exit| back("trader.t", Failure::Ended { exit });
    let commands = vec![
        (
            ended(Exit::Code(7)),
            "010101016302031300087472616465722e7410692e7472616465722d6d616e616765720900000ec58c0e7d",
        ),
        (
            ended(Exit::Signal(9)),
            "010101016302031300087472616465722e7410692e7472616465722d6d616e6167657209000112cbe11470",
        ),
        (
            ended(Exit::Unknown),
            "010101016302031300087472616465722e7410692e7472616465722d6d616e616765720900028b6576e8",
        ),
        (
            back("broker.k.0", Failure::NeverCheckedIn),
            "0101010163020313000a62726f6b65722e6b2e3010692e7472616465722d6d616e616765720901d420d495",
        ),
        (
            back("trader.t", Failure::Hung),
            "010101016302031300087472616465722e7410692e7472616465722d6d616e6167657209024fa9d52f",
        ),
        (
            back("trader.t", Failure::NotStarted),
            "010101016302031300087472616465722e7410692e7472616465722d6d616e616765720903d999d258",
        ),
        (
            ServiceCommand::Settle { service: service("trader.t"), epoch },
            "010101016302031301087472616465722e74097a736800",
        ),
    ];
    let commands = commands.into_iter().map(|(command, bytes)| {
        let mut proposal = stamped();
        proposal.request.command = Command::Service(command);
        (proposal, bytes)
    });
    all(Kind::Proposal, commands.collect());
}

#[test]
fn the_bytes_of_a_service_that_was_handed_back_never_change() {
    let row = HandedBackRow {
        service: service("trader.t"),
        manager: "i.trader-manager".parse().unwrap(),
        epoch: Epoch(9),
        failure: Failure::Hung,
        count: 3,
        at: UnixNanos(11),
    };
    all(
        Kind::Row,
        vec![(
            Row::HandedBack(row),
            "010617087472616465722e7410692e7472616465722d6d616e616765720902030bad405c86",
        )],
    );
}
