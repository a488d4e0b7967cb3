//! One copy of an algo. Decides its command line, its environment, its limits and where its output goes; when a copy
//! starts and ends is decided by `trader`, what its environment holds by `environment`. The session's token and what
//! references lead to are in the copy's environment only.

use crate::{environment, exec, record::is_same_copy};
use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};
use tradewind_domain::{control::desired::TraderWanted, ids::Fence};
use tradewind_node::{log_file::LogFile, process::Process, service};
use tradewind_protocol::supervision::TraderAccess;

/// The word that stands for our own binary at the head of a command.
const OURSELVES: &str = "tradewind";

/// What a Trader is told to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) wanted: TraderWanted,
    pub(crate) access: TraderAccess,
}

impl Order {
    /// Whether a copy that runs under this order must end for `next`: the rest of it is for the next
    /// copy to know.
    pub(crate) fn is_superseded_by(&self, next: &Self) -> bool {
        !is_same_copy(&self.wanted, &next.wanted) || self.wanted.paused != next.wanted.paused
    }

    pub(crate) fn fence(&self) -> Fence {
        self.wanted.fence
    }

    /// Starts a copy, in a process group of its own, with what was found for its environment. `open_files`: how many it
    /// may have unless something is declared.
    pub(crate) fn start(
        &self,
        binary: &Path,
        log: &LogFile,
        found: Vec<(String, String)>,
        open_files: Option<u64>,
    ) -> io::Result<Process> {
        let file = log.open()?;
        let mut command = Command::new(binary);
        command.args(["exec", "--"]);
        let mut words = self.wanted.command.iter();
        match words.next().map(String::as_str) {
            Some(OURSELVES) => command.arg(binary),
            Some(program) => command.arg(program),
            None => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "its command is empty"));
            }
        };
        command.args(words).env_clear().envs(environment::inherited()).envs(found);
        if let Some(directory) = &self.wanted.run.directory {
            if !Path::new(directory).is_dir() {
                let why = format!("its directory {directory} is not there");
                return Err(io::Error::new(io::ErrorKind::NotFound, why));
            }
            command.current_dir(directory);
        }
        let (access, limits) = (&self.access, &self.wanted.run.limits);
        let given = open_files.filter(|_| limits.open_files.is_none());
        command
            .env(exec::PARENT, std::process::id().to_string())
            .env(exec::LIMITS, exec::limits_as_text(limits))
            .envs(given.map(|most| (service::OPEN_FILES, most.to_string())))
            .env("TRADEWIND_SESSION_TOKEN", &access.session_token)
            .env("TRADEWIND_MARKET_MANAGERS", access.market_managers.join(","))
            .env("TRADEWIND_INFRASTRUCTURE", access.infrastructure_managers.join(","))
            .env("TRADEWIND_TRADER", self.wanted.trader.as_str())
            .env("TRADEWIND_CUSTOMER", self.wanted.customer.as_str())
            // What ends with the service's input ends the algo's too.
            .stdin(Stdio::inherit())
            .stdout(file.try_clone()?)
            .stderr(file);
        Process::spawn(command)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{fs, os::unix::fs::PermissionsExt as _};
    use tradewind_domain::control::trader::{TraderLimits, TraderRun};

    /// What the `exec` of every build knows: of another word it says that it is no limit, and starts nothing.
    const KNOWN: [&str; 3] = ["memory_mib", "open_files", "nice"];

    fn order(limits: TraderLimits) -> Order {
        let wanted = TraderWanted {
            trader: "algo".parse().unwrap(),
            customer: "acme".parse().unwrap(),
            fence: Fence::default(),
            command: vec!["true".to_owned()],
            run: TraderRun { limits, ..TraderRun::default() },
            paused: false,
            fencing: false,
            attached: None,
        };
        let access = TraderAccess {
            session_token: String::new(),
            market_managers: Vec::new(),
            infrastructure_managers: Vec::new(),
        };
        Order { wanted, access }
    }

    #[tokio::test]
    async fn a_copy_is_started_in_words_that_the_exec_of_an_earlier_build_knows() {
        // given: the program file was replaced under a service that runs
        let dir = tempfile::tempdir().unwrap();
        let (binary, told) = (dir.path().join("earlier"), dir.path().join("told"));
        let script = format!(
            "#!/bin/sh\necho \"$TRADEWIND_EXEC_LIMITS|${}\" > {}\n",
            service::OPEN_FILES,
            told.display()
        );
        fs::write(&binary, script).unwrap();
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).unwrap();
        let all = TraderLimits { memory_mib: Some(512), open_files: Some(64), nice: Some(5) };
        for (limits, files) in [(TraderLimits::default(), "1024"), (all, "")] {
            // when
            let log = LogFile::at(dir.path().join("algo.log"));
            let mut copy = order(limits).start(&binary, &log, Vec::new(), Some(1_024)).unwrap();
            copy.exited().await;
            // then
            let text = fs::read_to_string(&told).unwrap();
            let (words, given) = text.trim_end().split_once('|').unwrap();
            for word in words.split_ascii_whitespace() {
                assert!(KNOWN.contains(&word.split_once('=').unwrap().0), "{word}");
            }
            assert_eq!(given, files, "no limit that is declared is given beside it");
        }
    }
}
