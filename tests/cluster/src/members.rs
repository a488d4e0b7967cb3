//! A group of InfrastructureManagers as an operator runs it: processes of the real binary, each on a
//! directory of its own, and the `tradewind member` commands. Decides ports, files and how long things may
//! take; the claims stand in `tests/membership.rs`.

use crate::{binary, eventually, send};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tradewind_launcher::Ports;

/// What one step of an operator may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(30);

struct Member {
    api: SocketAddr,
    peer: SocketAddr,
    /// How it becomes a member, on an empty directory.
    how: Vec<String>,
    directory: PathBuf,
    /// Told at its next start besides.
    besides: Vec<String>,
    child: Option<Child>,
}

/// Processes by name: `1`, `2`, `3` form the group, others join under names of the test's choice.
pub struct Members {
    home: TempDir,
    ports: Ports,
    members: BTreeMap<String, Member>,
}

impl Members {
    /// A group of three that has a leader.
    #[must_use]
    pub fn three() -> Self {
        Self::three_with(&[])
    }

    /// The same, each told this besides.
    #[must_use]
    pub fn three_with(besides: &[&str]) -> Self {
        let mut ports = Ports::new(None);
        let places: Vec<(u64, SocketAddr, SocketAddr)> =
            (1..=3).map(|node| (node, ports.take().unwrap(), ports.take().unwrap())).collect();
        let init = places.iter().map(|(node, api, peer)| format!("--init={node}={peer},{api}"));
        let init: Vec<String> = init.collect();
        let mut members = Self { home: TempDir::new().unwrap(), ports, members: BTreeMap::new() };
        for (node, api, peer) in places {
            let mut how = vec![format!("--node={node}")];
            how.extend(init.iter().cloned());
            members.add(&node.to_string(), api, peer, how);
        }
        for name in ["1", "2", "3"] {
            members.tell(name, besides);
            members.start(name);
        }
        eventually("the group has a leader", SOON, || members.leader().is_some());
        members
    }

    fn add(&mut self, name: &str, api: SocketAddr, peer: SocketAddr, how: Vec<String>) {
        let directory = self.home.path().join(name);
        let member = Member { api, peer, how, directory, besides: Vec::new(), child: None };
        self.members.insert(name.to_owned(), member);
    }

    /// From its next start on a member is told this besides, and no more.
    pub fn tell(&mut self, name: &str, besides: &[&str]) {
        let besides = besides.iter().map(|word| (*word).to_owned()).collect();
        self.members.get_mut(name).unwrap().besides = besides;
    }

    /// A new process on an empty directory asks the others to be a member.
    pub fn join(&mut self, name: &str) {
        let (api, peer) = (self.ports.take().unwrap(), self.ports.take().unwrap());
        let join = format!("--join={}", self.addresses().join(","));
        self.add(name, api, peer, vec![join]);
        self.start(name);
    }

    /// Starts a member, for the first time or again, and does not wait for it.
    pub fn start(&mut self, name: &str) {
        let log = File::options().create(true).append(true).open(self.log(name)).unwrap();
        let member = self.members.get_mut(name).unwrap();
        let child = Command::new(binary())
            .args(["infra", "--enable-registers", "--cluster", "members"])
            .args([format!("--listen={}", member.api), format!("--peer-listen={}", member.peer)])
            .arg(format!("--data={}", member.directory.display()))
            .args(&member.how)
            .args(&member.besides)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        member.child = Some(child);
    }

    fn log(&self, name: &str) -> PathBuf {
        self.home.path().join(format!("{name}.log"))
    }

    /// What it has said on its standard error.
    #[must_use]
    pub fn said(&self, name: &str) -> String {
        fs::read_to_string(self.log(name)).unwrap_or_default()
    }

    /// Where all of them keep everything.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The API address of one, whether it runs or not.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        self.members[name].api.to_string()
    }

    /// API addresses of those that run.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let running = self.members.values().filter(|member| member.child.is_some());
        running.map(|member| member.api.to_string()).collect()
    }

    /// `kill -9`.
    pub fn kill(&mut self, name: &str) {
        let mut child = self.members.get_mut(name).unwrap().child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; returns when the process has gone.
    pub fn stop(&mut self, name: &str) {
        let child = self.members.get_mut(name).unwrap().child.as_ref().unwrap();
        send(child.id(), Signal::TERM);
        let code = self.ends(name);
        assert_eq!(code, Some(0), "{}", self.said(name));
    }

    /// Waits until a process ends by itself; its exit code.
    pub fn ends(&mut self, name: &str) -> Option<i32> {
        let member = self.members.get_mut(name).unwrap();
        let mut code = None;
        // Kept until it has ended: a test that fails here leaves no process.
        eventually("the process ends", SOON, || {
            code = member.child.as_mut().unwrap().try_wait().unwrap();
            code.is_some()
        });
        member.child = None;
        code.and_then(|code| code.code())
    }

    /// The disk of a member that does not run is gone.
    pub fn wipe(&self, name: &str) {
        fs::remove_dir_all(&self.members[name].directory).unwrap();
    }

    /// Runs `tradewind member ...` against all that run.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.arg("member").args(words).args(["--addr", &self.addresses().join(",")]);
        command.output().unwrap()
    }

    /// Runs a command that must work.
    pub fn does(&self, words: &[&str]) -> String {
        let done = self.command(words);
        let (out, err) = (text(&done.stdout), text(&done.stderr));
        assert!(done.status.success(), "{words:?}: {:?} {out} {err}", done.status.code());
        out
    }

    /// Runs a command that must be refused with this exit code; what it says.
    pub fn refused(&self, words: &[&str], code: i32) -> String {
        let done = self.command(words);
        assert_eq!(done.status.code(), Some(code), "{words:?}: {}", text(&done.stderr));
        text(&done.stderr)
    }

    /// `tradewind member list -o json`, if a leader answers.
    #[must_use]
    pub fn list(&self) -> Option<Value> {
        let done = self.command(&["list", "-o", "json"]);
        done.status.success().then(|| serde_json::from_slice(&done.stdout).unwrap())
    }

    /// Nodes with this standing; a leader counts as a voter.
    #[must_use]
    pub fn nodes(&self, standing: &str) -> Vec<u64> {
        let list = self.list().unwrap_or_default();
        let members = list["members"].as_array().cloned().unwrap_or_default();
        let stands = |member: &Value| {
            let is = member["standing"].as_str().unwrap();
            is == standing || (standing == "voter" && is == "leader")
        };
        members.iter().filter(|m| stands(m)).map(|m| m["node"].as_u64().unwrap()).collect()
    }

    pub fn await_voters(&self, nodes: &[u64]) {
        eventually(&format!("voters {nodes:?}"), SOON, || self.nodes("voter") == nodes);
    }

    #[must_use]
    pub fn leader(&self) -> Option<u64> {
        self.list()?["leader"].as_u64()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Drop for Members {
    fn drop(&mut self) {
        for member in self.members.values_mut() {
            if let Some(mut child) = member.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        if std::thread::panicking() {
            for name in self.members.keys() {
                eprintln!("--- {name}\n{}", self.said(name));
            }
        }
    }
}
