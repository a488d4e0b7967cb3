//! The other side of the comparison: three members of etcd from the Debian package, with its default
//! durability and its data beside ours. Decides how they are started and called.

use super::load::{Caller, Group, VALUE_BYTES};
use anyhow::{Context as _, bail};
use etcd_client::{Client, GetOptions};
use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};
use tradewind_launcher::Ports;

const MEMBERS: usize = 3;
const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Heartbeat and election timeout in milliseconds; `None` leaves etcd its defaults (100 and 1,000).
pub(crate) type Timers = Option<(u32, u32)>;

pub(crate) struct Etcd {
    members: Vec<Member>,
    directory: PathBuf,
    timers: Timers,
}

struct Member {
    client: SocketAddr,
    peer: SocketAddr,
    process: Option<Child>,
}

impl Etcd {
    pub(crate) async fn start(directory: &Path, timers: Timers) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut ports = Ports::new(None);
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            members.push(Member { client: ports.take()?, peer: ports.take()?, process: None });
        }
        let mut etcd = Self { members, directory: directory.to_owned(), timers };
        for number in 0..MEMBERS {
            etcd.start_member(number)?;
        }
        etcd.whole().await?;
        Ok(etcd)
    }

    pub(crate) fn start_member(&mut self, number: usize) -> anyhow::Result<()> {
        let each = self.members.iter().enumerate();
        let cluster: Vec<String> =
            each.map(|(number, member)| format!("m{number}=http://{}", member.peer)).collect();
        let member = &mut self.members[number];
        let (client, peer) =
            (format!("http://{}", member.client), format!("http://{}", member.peer));
        let name = format!("m{number}");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join(format!("{name}.log")))?;
        let mut command = Command::new("etcd");
        command
            .args(["--name", &name, "--initial-cluster", &cluster.join(",")])
            .args(["--data-dir".as_ref(), self.directory.join(&name).as_os_str()])
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster-state", "new", "--logger", "zap", "--log-level", "error"]);
        if let Some((heartbeat, election)) = self.timers {
            command.args(["--heartbeat-interval", &heartbeat.to_string()]);
            command.args(["--election-timeout", &election.to_string()]);
        }
        let spawned = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let process = spawned.context("etcd could not be started: is the package installed?")?;
        member.process = Some(process);
        Ok(())
    }

    pub(crate) async fn kill_member(&mut self, number: usize) -> anyhow::Result<()> {
        if let Some(mut process) = self.members[number].process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Waits until all members answer and name the same leader. Gives its number.
    pub(crate) async fn whole(&self) -> anyhow::Result<usize> {
        let began = Instant::now();
        loop {
            if let Some(leader) = self.agreed().await {
                return Ok(leader);
            }
            if began.elapsed() > READY_WITHIN {
                let logs = self.directory.display();
                bail!("etcd did not come together within {READY_WITHIN:?}; its logs are in {logs}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn agreed(&self) -> Option<usize> {
        let mut leaders = Vec::new();
        let mut ids = Vec::new();
        for number in 0..MEMBERS {
            let mut client = self.client(number).await.ok()?;
            let asked = tokio::time::timeout(Duration::from_secs(1), client.status());
            let status = asked.await.ok()?.ok()?;
            leaders.push(status.leader());
            ids.push(status.header()?.member_id());
        }
        let leader = *leaders.first()?;
        let agreed = leader != 0 && leaders.iter().all(|other| *other == leader);
        ids.iter().position(|id| *id == leader).filter(|_| agreed)
    }

    /// A new connection to one member.
    pub(crate) async fn client(&self, number: usize) -> anyhow::Result<Client> {
        Ok(Client::connect([self.members[number].client.to_string()], None).await?)
    }
}

/// What is put under a key, by client `number`.
pub(crate) fn value(number: u32) -> String {
    format!("{number:>width$}", width = VALUE_BYTES)
}

pub(crate) struct EtcdCaller {
    client: Client,
    value: String,
}

impl Caller for EtcdCaller {
    async fn write(&mut self, key: u64) -> anyhow::Result<()> {
        self.client.put(format!("bench-{key}"), self.value.as_str(), None).await?;
        Ok(())
    }

    async fn read(&mut self, key: u64) -> anyhow::Result<()> {
        // Linearizable is etcd's default.
        let found = self.client.get(format!("bench-{key}"), Some(GetOptions::new())).await?;
        if found.kvs().first().is_none_or(|found| found.value().len() < VALUE_BYTES) {
            bail!("no value under key {key}");
        }
        Ok(())
    }
}

impl Group for Etcd {
    type Caller = EtcdCaller;

    async fn connect(&self, clients: u32, spread: bool) -> anyhow::Result<Vec<EtcdCaller>> {
        let leader = self.whole().await?;
        let mut callers = Vec::new();
        for number in 0..clients {
            let member = if spread { number as usize % MEMBERS } else { leader };
            let mut client = self.client(member).await?;
            // Connections are made at the first call: not within the measurement.
            client.status().await?;
            callers.push(EtcdCaller { client, value: value(number) });
        }
        Ok(callers)
    }

    async fn processes(&self) -> anyhow::Result<(u32, Vec<u32>)> {
        let leader = self.whole().await?;
        let pid = |member: &Member| member.process.as_ref().and_then(Child::id);
        let others = self.members.iter().enumerate().filter(|(number, _)| *number != leader);
        let followers = others.filter_map(|(_, member)| pid(member)).collect();
        Ok((pid(&self.members[leader]).context("etcd's leader has no process")?, followers))
    }
}
