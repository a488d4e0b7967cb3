//! Three InfrastructureManagers as processes, with nothing else around them. Decides how each is started: on
//! its own directory, under its own environment, by its own user; what is done to them is the tests' affair.

use crate::{binary, eventually, eventually_async, turn};
use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::MutexGuard,
    time::Duration,
};
use tempfile::TempDir;
use tradewind_control_client::ControlClient;
use tradewind_launcher::Ports;
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::control::Status;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// One member: how it is started, and its process while there is one.
pub struct Member {
    pub node: u64,
    pub api: SocketAddr,
    peer: SocketAddr,
    /// Its `--data`; elsewhere when a test has put it there.
    pub data: PathBuf,
    /// Its cluster, as it is told.
    pub cluster: String,
    /// Added to its environment.
    pub environment: Vec<(String, String)>,
    /// Added to its command line.
    pub options: Vec<String>,
    /// Put before its command line, to start it as somebody else.
    pub prefix: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

/// Killed when dropped.
pub struct Group {
    pub members: Vec<Member>,
    pub home: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Group {
    /// Prepares three members, starts none.
    #[must_use]
    pub fn new() -> Self {
        let turn = turn();
        let home = TempDir::new().unwrap();
        let mut ports = Ports::new(None);
        let member = |node| Member {
            node,
            api: ports.take().unwrap(),
            peer: ports.take().unwrap(),
            data: home.path().join(format!("infra-{node}")),
            cluster: "tested".to_owned(),
            environment: Vec::new(),
            options: Vec::new(),
            prefix: Vec::new(),
            log: home.path().join(format!("infra-{node}.log")),
            child: None,
        };
        let members = (1..=3).map(member).collect();
        Self { members, home, _turn: turn }
    }

    /// Prepares, starts all three and waits until each knows the leader.
    pub async fn started() -> Self {
        let mut group = Self::new();
        group.start_all().await;
        group
    }

    pub fn member(&mut self, node: u64) -> &mut Member {
        self.members.iter_mut().find(|member| member.node == node).unwrap()
    }

    /// Starts a member without waiting for it.
    pub fn spawn(&mut self, node: u64) {
        let init = |member: &Member| {
            let Member { node, api, peer, .. } = member;
            ["--init".to_owned(), format!("{node}={peer},{api}")]
        };
        let init: Vec<String> = self.members.iter().flat_map(init).collect();
        self.member(node).spawn(&init);
    }

    pub async fn start_all(&mut self) {
        for node in [1, 2, 3] {
            self.spawn(node);
        }
        for node in [1, 2, 3] {
            self.ready(node).await;
        }
    }

    /// Waits until the member serves and knows a leader.
    pub async fn ready(&mut self, node: u64) {
        let member = self.member(node);
        let (rest, address) = (Rest::default(), member.api.to_string());
        let ready = || async {
            let within = Duration::from_secs(1);
            let path = "/readyz";
            let asked = rest.request::<(), serde_json::Value>(
                Method::GET,
                &address,
                path,
                &[],
                None,
                within,
            );
            asked.await.is_ok()
        };
        let (log, child) = (member.log.clone(), &mut member.child);
        eventually_async(&format!("member {node} is ready"), READY_WITHIN, || {
            let ended = child.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            assert!(!ended, "member {node} has ended:\n{}", fs::read_to_string(&log).unwrap());
            ready()
        })
        .await;
    }

    pub async fn start(&mut self, node: u64) {
        self.spawn(node);
        self.ready(node).await;
    }

    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| member.api.to_string()).collect()
    }

    /// Asks whichever member answers.
    #[must_use]
    pub fn client(&self) -> ControlClient {
        ControlClient::new(self.addresses(), Rest::default())
    }

    /// The leader, as a majority has it.
    pub async fn leader(&self) -> u64 {
        let client = self.client();
        let status: Status = client.status(Duration::from_secs(10)).await.unwrap();
        status.stand.leader.unwrap().0
    }

    /// What one member has of a path, whoever leads.
    pub async fn told_by<T: serde::de::DeserializeOwned>(
        &self,
        node: u64,
        path: &str,
    ) -> Option<T> {
        let address = self.members.iter().find(|member| member.node == node)?.api.to_string();
        let within = Duration::from_secs(2);
        let rest = Rest::default();
        let asked = rest.request::<(), T>(Method::GET, &address, path, &[], None, within);
        asked.await.ok().map(|(_, answer)| answer)
    }
}

impl Default for Group {
    fn default() -> Self {
        Self::new()
    }
}

impl Member {
    fn spawn(&mut self, init: &[String]) {
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        let mut words = self.prefix.clone();
        words.push(binary().display().to_string());
        let mut command = Command::new(words.remove(0));
        command
            .args(words)
            .args(["infra", "--enable-registers", "--cluster", &self.cluster])
            .args(["--node", &self.node.to_string()])
            .args(["--listen", &self.api.to_string(), "--peer-listen", &self.peer.to_string()])
            .arg("--data")
            .arg(&self.data)
            .args(init)
            .args(&self.options)
            // Whatever becomes of the test, its members end with it.
            .env("TRADEWIND_UNTIL_STDIN_CLOSES", "1")
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        self.child = Some(command.spawn().unwrap());
    }

    /// `kill -9`, and its end awaited.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self, within: Duration) -> ExitStatus {
        let (mut child, mut status) = (self.child.take().unwrap(), None);
        eventually(&format!("member {} ends", self.node), within, || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// All it has said on standard error since the test began.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its journal's segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<PathBuf> {
        let directory = self.data.join("raft/log/entries");
        let names = fs::read_dir(&directory).map(|entries| entries.flatten().collect::<Vec<_>>());
        let paths = names.unwrap_or_default().into_iter().map(|entry| entry.path());
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|name| name == "segment");
        let mut segments: Vec<PathBuf> = paths.filter(is_segment).collect();
        segments.sort();
        segments
    }

    #[must_use]
    pub fn raft(&self) -> PathBuf {
        self.data.join("raft")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Copies a directory with all in it.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
