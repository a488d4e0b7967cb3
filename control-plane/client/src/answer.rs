//! The three answers to a change. Decides nothing: a timeout is not a failure, and is not called one.

use tradewind_protocol::{Code, Problem};

/// What became of something that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer<T> {
    /// It was done, now or under the same key before.
    Accepted(T),
    /// It was surely not done.
    Refused(Problem),
    /// It may have been done. Ask again under the same key, and only so; the problem says what was
    /// heard last.
    Unknown(Problem),
}

impl<T> Answer<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Accepted(value) => Answer::Accepted(f(value)),
            Self::Refused(problem) => Answer::Refused(problem),
            Self::Unknown(problem) => Answer::Unknown(problem),
        }
    }

    /// The value, or what was heard instead: an unknown outcome has the code that says so, whatever was heard last.
    pub fn accepted(self) -> Result<T, Problem> {
        match self {
            Self::Accepted(value) => Ok(value),
            Self::Unknown(problem) if problem.code != Code::Unknown => {
                Err(Problem::new(Code::Unknown, problem.to_string()))
            }
            Self::Refused(problem) | Self::Unknown(problem) => Err(problem),
        }
    }
}
