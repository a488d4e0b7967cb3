//! The bytes of what is new with the third level: commands that say which request they were made of, and what operators say of
//! provisioning.

use super::{drains::proposal, *};
use tradewind_domain::control::{
    Outcome, Refusal, RequestHash,
    refusal::Noun,
    row::{AnsweredRow, AnsweredToRow},
    scale::{Said, ScaleCommand},
};

fn answered() -> AnsweredToRow {
    let outcome = Outcome::Refused { refusal: Refusal::KeyUsed };
    let answered = AnsweredRow { key: stamped().request.key, applied_at: UnixNanos(1), outcome };
    AnsweredToRow { answered, request: RequestHash::of("PUT", "/v1/registers/r", b"{}") }
}

#[test]
fn the_bytes_of_commands_that_name_their_request_never_change() {
    let request = answered().request;
    let command = Command::Asked { request, command: Box::new(stamped().request.command) };
    golden(
        Kind::Proposal,
        &proposal(command),
        "0101010163020317fd4a6ed489d54c9621fd4eb41680058495370b01720176008018b4ff",
    );
    golden(
        Kind::Row,
        &Row::AnsweredTo(answered()),
        "01062101630203010127fd4a6ed489d54c9621fd4eb41680058495374f846b29",
    );
    golden(
        Kind::Answers,
        &AnswersRecord::AnsweredTo(vec![answered()]),
        "0114020101630203010127fd4a6ed489d54c9621fd4eb4168005849537e9ece133",
    );
    golden(Kind::RowKey, &Row::AnsweredTo(answered()).key(), "01072101630203e2c3ad83");
}

#[test]
fn the_bytes_of_the_refusal_of_one_trader_more_never_change() {
    let refusal = Refusal::TooManySingly { what: Noun::Risk, account: "k".parse().unwrap() };
    let (applied_at, outcome) = (UnixNanos(1), Outcome::Refused { refusal });
    let answered = AnsweredRow { key: stamped().request.key, applied_at, outcome };
    golden(Kind::Row, &Row::Answered(answered), "0106090163020301012810016bf89894f3");
}

#[test]
fn the_bytes_of_what_operators_say_of_provisioning_never_change() {
    let by = || By { who: "w".to_owned(), why: "y".to_owned() };
    let (request, revision) = (Epoch(9), Revision(3));
    for (said, bytes) in [
        (Said::Released, "01010101630203120a01770179090300fd6b2bfb"),
        (Said::Failed { why: "f".to_owned() }, "01010101630203120a017701790903010166ef51a386"),
    ] {
        let command = ScaleCommand::Tell { by: by(), request, revision, said };
        golden(Kind::Proposal, &proposal(Command::Scale(command)), bytes);
    }
}
