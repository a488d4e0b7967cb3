//! A location of several nodes, each with a TraderManager behind a door of its own, and a group of three members.
//! Decides addresses and processes: every node has a host of its own on the loopback; the claims stand in `tests/`.

use crate::{binary, eventually_async, group::Group, other_venue::page, send};
use rustix::process::Signal;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};
use tradewind_domain::control::row::ManagerState;
use tradewind_launcher::{Door, Passing, Ports};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::control::{Health, ManagerStatus, Status};

const SOON: Duration = Duration::from_secs(30);

pub struct Node {
    /// `n1.trader-manager`
    pub manager: String,
    pub host: String,
    door: Door,
    /// Where it listens itself.
    own: String,
    data: PathBuf,
    environment: Vec<(String, String)>,
    options: Vec<String>,
    child: Child,
}

/// Killed when dropped.
pub struct Site {
    pub group: Group,
    pub nodes: Vec<Node>,
    /// Added to the command lines of Managers that are started on further nodes.
    pub options: Vec<String>,
    ports: Ports,
    /// Inputs of Managers that were killed: what they have spawned ends with the test and not before.
    lifelines: Vec<ChildStdin>,
}

impl Site {
    /// Members, and so many nodes that are all well.
    pub async fn of(count: u8) -> Self {
        let group = Group::started().await;
        let mut site = Self {
            group,
            nodes: Vec::new(),
            options: Vec::new(),
            ports: Ports::new(None),
            lifelines: Vec::new(),
        };
        for n in 1..=count {
            site.start("trader-manager", &format!("n{n}"), Passing::All).await;
        }
        site.eventually("all nodes are well", |managers| {
            managers.len() == usize::from(count)
                && managers.iter().all(|manager| manager.health == Health::Well)
        })
        .await;
        site
    }

    /// Starts a Manager on one node more, with a directory of its own; gives its place among the nodes.
    pub async fn start(&mut self, kind: &str, implementation: &str, passing: Passing) -> usize {
        self.start_on(kind, implementation, passing, &|_| Vec::new()).await
    }

    /// One whose processes find that in their environment; it is made for the node's directory.
    pub async fn start_on(
        &mut self,
        kind: &str,
        implementation: &str,
        passing: Passing,
        environment: &dyn Fn(&Path) -> Vec<(String, String)>,
    ) -> usize {
        let n = u8::try_from(self.nodes.len() + 1).unwrap();
        let listen = self.ports.take().unwrap();
        let host = format!("127.0.0.{}", 10 + n);
        let door = Door::before(listen, &host).unwrap();
        door.lets(passing);
        let data = self.group.home.path().join(format!("n{n}"));
        let (manager, own) = (format!("{implementation}.{kind}"), listen.to_string());
        let advertised = door.address.to_string();
        let (environment, options) = (environment(&data), self.options.clone());
        let more = (&*environment, &*options);
        let child = self.process(&manager, &own, &advertised, &data, more);
        self.nodes.push(Node { manager, host, door, own, data, environment, options, child });
        self.nodes.len() - 1
    }

    fn process(
        &self,
        manager: &str,
        own: &str,
        advertised: &str,
        data: &Path,
        (environment, options): (&[(String, String)], &[String]),
    ) -> Child {
        let (implementation, kind) = manager.split_once('.').unwrap();
        Command::new(binary())
            .args([kind, "--location", "here", "--implementation", implementation])
            .args(["--listen", own, "--advertise", advertised])
            .args(["--members", &self.group.addresses().join(",")])
            .arg("--data")
            .arg(data)
            .args(options)
            .env("TRADEWIND_UNTIL_STDIN_CLOSES", "1")
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// The machine dies: the Manager and everything it has spawned.
    pub async fn lose(&mut self, node: usize) {
        let services = self.pids(node).await;
        let _ = self.nodes[node].child.kill();
        let _ = self.nodes[node].child.wait();
        for pid in services {
            send(u32::try_from(pid).unwrap(), Signal::KILL);
        }
    }

    /// `kill -9` of a Manager alone.
    pub fn kill(&mut self, node: usize) {
        let child = &mut self.nodes[node].child;
        self.lifelines.extend(child.stdin.take());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// And is there again, with its directory.
    pub fn start_again(&mut self, node: usize) {
        let Node { manager, own, door, data, environment, options, .. } = &self.nodes[node];
        let more = (&**environment, &**options);
        let child = self.process(manager, own, &door.address.to_string(), data, more);
        self.nodes[node].child = child;
    }

    /// Its Manager's process, which may have ended.
    #[must_use]
    pub fn pid(&self, node: usize) -> u32 {
        self.nodes[node].child.id()
    }

    /// The directory of a node's Manager.
    #[must_use]
    pub fn data(&self, node: usize) -> &Path {
        &self.nodes[node].data
    }

    pub fn let_through(&self, node: usize, passing: Passing) {
        self.nodes[node].door.lets(passing);
    }

    /// Stops a node's process in its tracks: it neither hears nor says anything.
    pub fn stop(&self, node: usize) {
        send(self.nodes[node].child.id(), Signal::STOP);
    }

    /// And lets it go on.
    pub fn wake(&self, node: usize) {
        send(self.nodes[node].child.id(), Signal::CONT);
    }

    pub async fn status(&self) -> Option<Status> {
        self.group.client().status(Duration::from_secs(2)).await.ok()
    }

    pub async fn eventually(&self, what: &str, holds: impl Fn(&[ManagerStatus]) -> bool) {
        let seen = async || self.status().await.is_some_and(|status| holds(&status.managers));
        eventually_async(what, SOON, seen).await;
    }

    /// Waits for a leader that tells it.
    pub async fn told(&self) -> Status {
        let began = Instant::now();
        loop {
            if let Some(status) = self.status().await {
                return status;
            }
            assert!(began.elapsed() < SOON, "nobody tells the status within {SOON:?}");
        }
    }

    /// The hosts that the leader's brake holds.
    pub async fn braked(&self) -> Vec<String> {
        self.told().await.brake.into_iter().map(|node| node.host).collect()
    }

    pub async fn down(&self) -> Vec<ManagerStatus> {
        let managers = self.told().await.managers.into_iter();
        managers.filter(|manager| manager.state == ManagerState::Down).collect()
    }

    /// Who is registered, and under which epoch.
    pub async fn epochs(&self) -> Vec<(String, u64)> {
        let managers = self.told().await.managers;
        managers.iter().map(|row| (row.manager.to_string(), row.epoch.0)).collect()
    }

    /// The life of a node's Manager that the group knows; 0 if none.
    pub async fn life(&self, node: usize) -> u64 {
        let mut managers = self.told().await.managers.into_iter();
        let own = managers.find(|row| row.manager.to_string() == self.nodes[node].manager);
        own.map_or(0, |row| row.incarnation.0)
    }

    /// Runs a command of an operator, which must succeed.
    pub fn does(&self, words: &[&str], behind: &[&str]) {
        let addresses = self.group.addresses().join(",");
        let mut command = Command::new(binary());
        command.args(words).args(["--addr", &addresses]);
        if !behind.is_empty() {
            command.arg("--").args(behind);
        }
        let done = command.output().unwrap();
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// The TraderManager that a customer's Traders are with.
    pub async fn manager_of(&self, customer: &str) -> Option<String> {
        let status = self.status().await?;
        let mut customers = status.customers.into_iter();
        let row = customers.find(|row| row.customer.to_string() == customer)?;
        row.trader_manager.map(|manager| manager.to_string())
    }

    /// Where a node's Manager listens itself, behind its door.
    #[must_use]
    pub fn own(&self, node: usize) -> &str {
        &self.nodes[node].own
    }

    /// The states of the services that a node's Manager has, as it says itself.
    pub async fn services(&self, node: usize) -> Option<Vec<String>> {
        let said = self.said_by(node).await?;
        let states = said["services"].as_array()?.iter();
        Some(
            states
                .map(|service| service["state"].as_str().unwrap_or_default().to_owned())
                .collect(),
        )
    }

    /// Their processes.
    pub async fn pids(&self, node: usize) -> Vec<u64> {
        let said = self.said_by(node).await.unwrap();
        let services = said["services"].as_array().unwrap().iter();
        services.filter_map(|service| service["pid"].as_u64()).collect()
    }

    /// The processes that a node's Manager has, by service; those without one are left out.
    pub async fn processes(&self, node: usize) -> Option<BTreeMap<String, u32>> {
        let said = self.said_by(node).await?;
        let process = |service: &serde_json::Value| {
            let pid = u32::try_from(service["pid"].as_u64()?).ok()?;
            Some((service["service"].as_str()?.to_owned(), pid))
        };
        Some(said["services"].as_array()?.iter().filter_map(process).collect())
    }

    /// Whether all of them are sure of their right, as they say themselves: their Manager has them, and a leader stands behind
    /// it. Not to be asked while one of them stands still.
    pub async fn is_confirmed(&self, node: usize) -> bool {
        let Some(said) = self.said_by(node).await else { return false };
        for service in said["services"].as_array().into_iter().flatten() {
            let address = service["address"].as_str().unwrap_or_default();
            let told = page(address, "/readyz?verbose").await;
            let mut checks = told["checks"].as_array().into_iter().flatten();
            if !checks.any(|check| check["name"] == "confirmed" && check["ok"] == true) {
                return false;
            }
        }
        true
    }

    async fn said_by(&self, node: usize) -> Option<serde_json::Value> {
        let (rest, within) = (Rest::default(), Duration::from_secs(5));
        let own = &self.nodes[node].own;
        let asked = rest.request::<(), serde_json::Value>(
            Method::GET,
            own,
            "/v1/status",
            &[],
            None,
            within,
        );
        asked.await.ok().map(|(_, said)| said)
    }

    /// How often each Manager's lease has run out, as it says itself.
    pub async fn fences(&self) -> Vec<u64> {
        let mut fences = Vec::new();
        for node in 0..self.nodes.len() {
            fences.push(self.said_by(node).await.unwrap()["fences"].as_u64().unwrap());
        }
        fences
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // It may have ended already.
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }
}
