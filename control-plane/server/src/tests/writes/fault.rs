//! What is asked wrongly of every change where it can be. Decides which rows ask for it.

use super::write::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotThere,
    WrongState,
    TooLong,
    /// Under a key that was answered before: it is not done again.
    Twice,
}

impl Fault {
    pub(super) const ALL: [Self; 4] =
        [Self::NotThere, Self::WrongState, Self::TooLong, Self::Twice];

    /// Whether a row asks for it.
    pub(super) fn is_asked(self, write: &Write) -> bool {
        let wrong = |is: &dyn Fn(&str, &str, u16) -> bool| {
            write.wrong.iter().any(|(path, body, code)| is(path, &body.to_string(), code.status()))
        };
        match self {
            Self::NotThere => wrong(&|_, _, status| status == 404),
            Self::WrongState => wrong(&|_, _, status| [409, 412].contains(&status)),
            // Of one that says why the words are too long for all alike.
            Self::TooLong => {
                let longer = |one: &str, than: &str| one.len() > than.len() + 10;
                let right = write.body.to_string();
                let wrong =
                    wrong(&|path, body, _| longer(path, &write.path) || longer(body, &right));
                write.audited || wrong
            }
            Self::Twice => !write.only_wrong && !write.shown.contains(&self),
        }
    }
}
