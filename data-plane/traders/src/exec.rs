//! `tradewind exec -- COMMAND`: becomes the command, in a way that it does not outlive whoever started
//! it, within the limits that it is given. Decides nothing else.

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, getrlimit, nice, set_parent_process_death_signal,
    setrlimit,
};
use std::{env, io, os::unix::process::CommandExt as _, process::Command};
use tradewind_domain::control::trader::TraderLimits;
use tradewind_node::service::OPEN_FILES;

/// The process that must live for the command to live; without it, whoever is the parent now.
pub const PARENT: &str = "TRADEWIND_EXEC_PARENT";
/// What the command may use, as `limits_as_text` writes it. Whoever starts it may be of a later build than this: a word that is
/// not known is refused, so what need not hold does not stand there.
pub(crate) const LIMITS: &str = "TRADEWIND_EXEC_LIMITS";

/// Why the command was not started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("nothing to start: give a command after `exec --`")]
    NoCommand,
    #[error("whoever started this has ended already")]
    Orphaned,
    #[error("the end of the parent cannot be waited for")]
    DeathSignal(#[source] io::Error),
    #[error("it cannot be limited to {what}: {source}")]
    Limit {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("`{program}` cannot be started: {source}")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
}

/// Becomes `command` (program and arguments); returns only if that cannot be done. The kernel kills it
/// when the thread that started this process ends, which for a tokio worker is with its runtime.
#[must_use]
pub fn exec(command: &[String]) -> Error {
    let Some((program, arguments)) = command.split_first() else { return Error::NoCommand };
    let told = env::var(PARENT).ok().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let parent = told.or_else(getppid);
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return Error::DeathSignal(error.into());
    }
    // Had it ended before the signal was asked for, none would ever come.
    if getppid() != parent {
        return Error::Orphaned;
    }
    let limits = env::var(LIMITS).unwrap_or_default();
    let given = env::var(OPEN_FILES).ok().map(|most| format!("{AT_FIRST}={most}"));
    if let Err(error) = limit(&limits).and_then(|()| limit(&given.unwrap_or_default())) {
        return error;
    }
    let mut command = Command::new(program);
    command.args(arguments).env_remove(PARENT).env_remove(LIMITS).env_remove(OPEN_FILES);
    let source = command.exec();
    Error::Start { program: program.clone(), source }
}

/// How many files a command may have open to which nothing is declared; it may raise that itself, as any program may. It is told
/// in `OPEN_FILES`, of which earlier builds take no notice; in `LIMITS` only builds of one day have written it.
const AT_FIRST: &str = "open_files_at_first";

/// Such as `memory_mib=512 nice=5`.
pub(crate) fn limits_as_text(limits: &TraderLimits) -> String {
    let TraderLimits { memory_mib, open_files, nice } = *limits;
    let all = [
        ("memory_mib", memory_mib.map(u64::from)),
        ("open_files", open_files.map(u64::from)),
        ("nice", nice.map(u64::from)),
    ];
    let words = all.iter().filter_map(|(word, value)| Some(format!("{word}={}", (*value)?)));
    words.collect::<Vec<_>>().join(" ")
}

/// Limits this process, which the command takes over. What is not known is refused: it was meant to hold.
fn limit(text: &str) -> Result<(), Error> {
    for word in text.split_ascii_whitespace() {
        let failed = |source: io::Error| Error::Limit { what: word.to_owned(), source };
        limit_by(word).map_err(failed)?;
    }
    Ok(())
}

fn limit_by(word: &str) -> io::Result<()> {
    let unknown = || io::Error::new(io::ErrorKind::InvalidInput, "that is no limit");
    let (name, value) = word.split_once('=').ok_or_else(unknown)?;
    let value: u64 = value.parse().map_err(|_| unknown())?;
    match name {
        "memory_mib" => at_most(Resource::As, value.saturating_mul(1 << 20)),
        "open_files" => at_most(Resource::Nofile, value),
        AT_FIRST => at_first(Resource::Nofile, value),
        // It steps back from where its TraderManager stands.
        "nice" => Ok(nice(i32::try_from(value).map_err(|_| unknown())?).map(drop)?),
        _ => Err(unknown()),
    }
}

/// A limit that stands already and is lower stays: only root may raise it.
fn at_most(resource: Resource, most: u64) -> io::Result<()> {
    let most = getrlimit(resource).maximum.map_or(most, |held| held.min(most));
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

/// As `at_most`, and the limit may be raised again as far as it could be before.
fn at_first(resource: Resource, most: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum;
    let current = Some(maximum.map_or(most, |held| held.min(most)));
    Ok(setrlimit(resource, Rlimit { current, maximum })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_written_as_they_are_read_and_unknown_ones_are_refused() {
        let limits = TraderLimits { memory_mib: Some(512), open_files: None, nice: Some(5) };
        assert_eq!(limits_as_text(&limits), "memory_mib=512 nice=5");
        assert_eq!(limits_as_text(&TraderLimits::default()), "");
        for wrong in ["memory_mib", "memory_mib=much", "colour=3"] {
            let said = limit(wrong).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(wrong) && said.contains("no limit"), "{said}");
        }
    }
}
