//! What every service of one Manager is started with. Decides the environment of a service; nothing secret is in its
//! arguments.

use super::{figures::Figures, records::Record};
use crate::{log_file::LogFile, service};
use std::{path::PathBuf, process::Stdio, sync::Arc};
use tokio::sync::watch;
use tradewind_domain::{
    ids::{Fence, Incarnation, ManagerId, ServiceId},
    trading::shards::Load,
};
use tradewind_protocol::{
    asks::{ServiceAnswer, ServiceAsk},
    link::{Hello, PROTOCOL},
};

pub(crate) type Answers = Box<dyn Fn(&ServiceId, ServiceAsk) -> ServiceAnswer + Send + Sync>;

pub(crate) type Loads = Box<dyn Fn(&ServiceId, Load) + Send + Sync>;

/// The same for all services of a Manager's life.
pub(crate) struct Setup {
    pub(crate) manager: ManagerId,
    pub(crate) incarnation: Incarnation,
    /// Host and port where services check in.
    pub(crate) address: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) binary: PathBuf,
    /// The soft limit of open files that the Manager was started with, if there was one.
    pub(crate) open_files: Option<u64>,
    pub(crate) figures: Arc<Figures>,
    /// Whether a leader stands behind the Manager: only then its services' own leases are renewed.
    pub(crate) confirmed: watch::Receiver<bool>,
    /// What its services are answered. Called by their keepers: it may not wait.
    pub(crate) answers: Answers,
    /// Where their loads go. Called as the above.
    pub(crate) loads: Loads,
}

impl Setup {
    pub(crate) fn log(&self, service: &ServiceId) -> LogFile {
        LogFile::at(self.logs_dir().join(format!("{service}.log")))
    }

    pub(super) fn logs_dir(&self) -> PathBuf {
        self.state_dir.join("logs")
    }

    /// What a Trader's algo says goes to a file of the Trader's.
    pub(crate) fn algo_log(&self, service: &ServiceId) -> LogFile {
        LogFile::at(self.services_dir().join(service.to_string()).join("algo.log"))
    }

    pub(super) fn services_dir(&self) -> PathBuf {
        self.state_dir.join("services")
    }

    /// The command that starts a service; it is not yet run.
    pub(super) fn command(
        &self,
        service: &ServiceId,
        token: &str,
        pipe_token: &str,
    ) -> std::process::Command {
        let mut command = std::process::Command::new(&self.binary);
        command
            .arg(service.subcommand())
            .env(service::SERVICE, service.to_string())
            .env(service::MANAGER, &self.address)
            .env(service::SERVICE_TOKEN, token)
            .env(service::PIPE_TOKEN, pipe_token)
            .env(service::STATE_DIR, self.services_dir().join(service.to_string()))
            .envs(self.open_files.map(|most| (service::OPEN_FILES, most.to_string())))
            // What ends with the Manager's input ends its services too.
            .stdin(Stdio::inherit())
            .stdout(Stdio::null())
            .stderr(self.log(service).open_or_null());
        command
    }

    /// The first frame on a pipe to a service.
    pub(super) fn hello(&self, service: &ServiceId, fence: Fence) -> Hello {
        Hello {
            protocol: PROTOCOL,
            purpose: "service".to_string(),
            from: self.manager.to_string(),
            to: service.to_string(),
            incarnation: self.incarnation,
            fence,
        }
    }

    pub(super) fn records(&self) -> PathBuf {
        self.state_dir.join(Record::FILE)
    }
}
