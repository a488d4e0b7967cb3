//! Exit codes, the same for every command: 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 conflict, 5 no leader,
//! 6 timed out with the outcome not known, 7 not allowed. Decides which problem is which.

use crate::cli::Format;
use std::{fmt, process::ExitCode};
use tradewind_link::rest::RestError;
use tradewind_protocol::{Code, Problem};

/// For `--help`.
pub(crate) const HELP: &str = "\
Exit codes: 0 done, or shown until Ctrl-C; 1 failed or refused; 2 wrong usage; 3 not there, or never will be so; \
4 a conflict; 5 no leader; 6 not known in time, or left by Ctrl-C while it goes on; 7 not allowed";

/// What was asked for cannot be meant: said before anybody was asked.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// What goes on has no end that one document could have.
pub(crate) fn one_document(output: Format, goes_on: bool) -> Result<(), Usage> {
    if output == Format::Json && goes_on {
        let text = "what goes on is shown as lines: -o jsonl; -o json is one document";
        return Err(Usage(text.to_owned()));
    }
    Ok(())
}

/// What was waited for is not so.
#[derive(Debug)]
pub(crate) enum Over {
    /// And will not be by waiting.
    Never(String),
    TimedOut(String),
    /// Or may be: nobody could tell.
    NoLeader(Problem),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never(text) | Self::TimedOut(text) => f.write_str(text),
            Self::NoLeader(problem) => problem.fmt(f),
        }
    }
}

impl std::error::Error for Over {}

/// One code a thing the caller can do.
pub(crate) fn of_problem(problem: &Problem) -> u8 {
    match problem.code {
        Code::MalformedRequest => 2,
        Code::NotFound => 3,
        // Whatever its word, it is not as it was taken to be.
        code if code.status() == 409 => 4,
        Code::PreconditionFailed => 4,
        Code::NoLeader | Code::Unavailable => 5,
        Code::Unknown | Code::RequestTimeout => 6,
        Code::Unauthorized | Code::Forbidden | Code::StaleTrader => 7,
        _ => 1,
    }
}

/// Of whatever a command ended with: what an InfrastructureManager said of it counts, wherever it stands.
pub(crate) fn of_error(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.chain().find_map(of_cause).unwrap_or(1))
}

fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<u8> {
    if let Some(problem) = cause.downcast_ref::<Problem>() {
        return Some(of_problem(problem));
    }
    if let Some(error) = cause.downcast_ref::<RestError>() {
        return Some(match error {
            RestError::NotSent { .. } => 5,
            RestError::Unknown { .. } => 6,
            RestError::Refused(problem) => of_problem(problem),
        });
    }
    if let Some(over) = cause.downcast_ref::<Over>() {
        return Some(match over {
            Over::Never(_) => 3,
            Over::NoLeader(_) => 5,
            Over::TimedOut(_) => 6,
        });
    }
    cause.is::<Usage>().then_some(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn an_exit_code_says_what_to_do() {
        let code = |code| of_problem(&Problem::new(code, ""));
        assert_eq!(code(Code::NotFound), 3);
        assert_eq!(code(Code::Busy), 4);
        assert_eq!(code(Code::PreconditionFailed), 4);
        assert_eq!(code(Code::NoLeader), 5);
        assert_eq!(code(Code::Unknown), 6);
        assert_eq!(code(Code::Forbidden), 7);
        assert_eq!(code(Code::Refused), 1);
    }

    #[test]
    fn every_conflict_ends_alike_and_so_does_whatever_one_may_not_do() {
        for known in Code::ALL.iter().copied() {
            let exit = of_problem(&Problem::new(known, ""));
            match known.status() {
                409 | 412 => assert_eq!(exit, 4, "{known:?}"),
                401 | 403 => assert_eq!(exit, 7, "{known:?}"),
                404 => assert_eq!(exit, 3, "{known:?}"),
                _ => assert!([1, 2, 5, 6].contains(&exit), "{known:?}: {exit}"),
            }
        }
    }

    #[test]
    fn a_problem_counts_behind_what_was_said_of_it() {
        let exit = |error: anyhow::Error| format!("{:?}", of_error(&error));
        let told: Result<(), _> = Err(Problem::new(Code::NotFound, ""));
        assert_eq!(exit(told.context("no account").unwrap_err()), exit_code(3));
        assert_eq!(exit(Usage(String::new()).into()), exit_code(2));
        assert_eq!(exit(anyhow::anyhow!("else")), exit_code(1));
        assert_eq!(exit(Over::Never(String::new()).into()), exit_code(3));
        assert_eq!(exit(Over::TimedOut(String::new()).into()), exit_code(6));
        let nobody = Over::NoLeader(Problem::new(Code::Unknown, ""));
        assert_eq!(exit(nobody.into()), exit_code(5));
    }

    fn exit_code(code: u8) -> String {
        format!("{:?}", ExitCode::from(code))
    }
}
