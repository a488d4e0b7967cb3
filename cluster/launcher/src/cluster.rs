//! A whole cluster on one machine: which processes there are, with which arguments and on which ports.
//! Decides that every process keeps its address and its data when it is started again, as under a
//! service manager.

mod doors;
mod faults;

use crate::{
    DataDirectory, Door, Ports, Process, Spec, StartError,
    descendants::{adopt_orphans, kill_all_below, reap_orphans},
};
use doors::Doors;
use std::{
    fs, io,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

/// What a cluster consists of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The one binary.
    pub binary: PathBuf,
    /// 3 or 5 InfrastructureManagers.
    pub nodes: u64,
    /// Each a BrokerManager, a MarketManager and a TraderManager.
    pub implementations: usize,
    pub port_base: Option<u16>,
    /// Added to every process' environment.
    pub environment: Vec<(String, String)>,
}

/// An InfrastructureManager, running or killed.
#[derive(Debug)]
pub struct Infrastructure {
    pub node: u64,
    pub api_address: SocketAddr,
    spec: Spec,
    process: Option<Process>,
    doors: Option<Doors>,
}

/// The three Managers of an implementation, by their kind: `broker-manager`, ...
#[derive(Debug)]
pub struct Implementation {
    pub name: String,
    pub managers: Vec<Manager>,
}

#[derive(Debug)]
pub struct Manager {
    pub kind: &'static str,
    pub address: SocketAddr,
    spec: Spec,
    process: Option<Process>,
}

const KINDS: [&str; 3] = ["broker-manager", "market-manager", "trader-manager"];
const STOP_WITHIN: Duration = Duration::from_secs(12);

/// A running cluster. When it is dropped, also by a panic, every process below this one is killed.
#[derive(Debug)]
pub struct Cluster {
    pub infrastructure: Vec<Infrastructure>,
    pub implementations: Vec<Implementation>,
    venue: Manager,
    /// Held open: whoever has its other end ends when this process does, however it ends.
    lifeline: Option<io::PipeWriter>,
    lifeline_end: io::PipeReader,
    /// Dropped last, when nothing writes to it any more.
    data: DataDirectory,
}

impl Cluster {
    /// Prepares all, starts nothing.
    pub fn new(plan: &Plan, data: DataDirectory) -> io::Result<Self> {
        Self::build(plan, data, false)
    }

    fn build(plan: &Plan, data: DataDirectory, doors: bool) -> io::Result<Self> {
        adopt_orphans()?;
        let ports_file = data.path().join("ports.json");
        let mut ports = match fs::read(&ports_file) {
            Ok(bytes) => kept_ports(plan, &bytes).map_err(|text| {
                let text = format!("{}: {text}", ports_file.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ports::new(plan.port_base),
            Err(error) => return Err(error),
        };
        let (lifeline_end, lifeline) = io::pipe()?;
        fs::create_dir_all(data.path().join("logs"))?;
        let specs = Specs { plan, data: &data };
        let infrastructure = specs.infrastructure(&mut ports, doors)?;
        let members: Vec<String> =
            infrastructure.iter().map(|member| member.api_address.to_string()).collect();
        let mut implementations = Vec::new();
        for number in 1..=plan.implementations {
            implementations.push(specs.implementation(number, &members, &mut ports)?);
        }
        let venue = specs.venue(&mut ports)?;
        // Whole or not at all: without it nobody knows where the members of this data are.
        let unfinished = ports_file.with_extension("new");
        fs::write(&unfinished, serde_json::to_vec(ports.taken())?)?;
        fs::rename(&unfinished, &ports_file)?;
        let lifeline = Some(lifeline);
        Ok(Self { infrastructure, implementations, venue, lifeline, lifeline_end, data })
    }

    fn stdin(&self) -> Result<Stdio, StartError> {
        let end = self.lifeline_end.try_clone();
        let end = end.map_err(|source| StartError::Spawn { name: "stdin".to_string(), source });
        Ok(Stdio::from(end?))
    }

    #[must_use]
    pub fn data(&self) -> &std::path::Path {
        self.data.path()
    }

    /// API addresses of all InfrastructureManagers, also of killed ones.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.infrastructure.iter().map(|member| member.api_address.to_string()).collect()
    }

    #[must_use]
    pub fn venue_address(&self) -> String {
        self.venue.address.to_string()
    }

    /// Another venue in the sim venue's place: a subcommand of the binary that takes `--listen` and `--data` as well.
    pub fn trade_at(&mut self, subcommand: &[&str]) {
        let mut arguments = words(subcommand);
        let data = self.data.path().join("venue");
        arguments.extend(pairs(&[("--listen", &self.venue.address), ("--data", &data.display())]));
        self.venue.spec.arguments = arguments;
    }

    pub async fn start_venue(&mut self) -> Result<(), StartError> {
        self.venue.process = Some(Process::start(&self.venue.spec, self.stdin()?).await?);
        Ok(())
    }

    /// Starts an InfrastructureManager, for the first time or again.
    pub async fn start_member(&mut self, node: u64) -> Result<(), StartError> {
        let stdin = self.stdin()?;
        if let Some(member) = self.infrastructure.iter_mut().find(|member| member.node == node) {
            member.process = Some(Process::start(&member.spec, stdin).await?);
        }
        Ok(())
    }

    /// Starts a Manager (`implementation-1.market-manager`), for the first time or again.
    pub async fn start_manager(&mut self, name: &str) -> Result<(), StartError> {
        let stdin = self.stdin()?;
        if let Some(manager) = self.manager_mut(name) {
            manager.process = Some(Process::start(&manager.spec, stdin).await?);
        }
        Ok(())
    }

    /// Names of all Managers.
    #[must_use]
    pub fn manager_names(&self) -> Vec<String> {
        let managers = self.implementations.iter().flat_map(|each| &each.managers);
        managers.map(|manager| manager.spec.name.clone()).collect()
    }

    /// Starts everything there is; the members first, since all others ask for them.
    pub async fn start_all(&mut self) -> Result<(), StartError> {
        let stdin = self.stdin()?;
        self.venue.process = Some(Process::start(&self.venue.spec, stdin).await?);
        for member in 0..self.infrastructure.len() {
            let stdin = self.stdin()?;
            let member = &mut self.infrastructure[member];
            member.process = Some(Process::start(&member.spec, stdin).await?);
        }
        for name in self.manager_names() {
            self.start_manager(&name).await?;
        }
        Ok(())
    }

    fn manager_mut(&mut self, name: &str) -> Option<&mut Manager> {
        let managers = self.implementations.iter_mut().flat_map(|each| &mut each.managers);
        managers.into_iter().find(|manager| manager.spec.name == name)
    }

    #[must_use]
    pub fn member_process(&self, node: u64) -> Option<&Process> {
        let member = self.infrastructure.iter().find(|member| member.node == node)?;
        member.process.as_ref()
    }

    #[must_use]
    pub fn manager_process(&self, name: &str) -> Option<&Process> {
        let managers = self.implementations.iter().flat_map(|each| &each.managers);
        managers.into_iter().find(|manager| manager.spec.name == name)?.process.as_ref()
    }

    /// `kill -9` of an InfrastructureManager.
    pub async fn kill_member(&mut self, node: u64) {
        let member = self.infrastructure.iter_mut().find(|member| member.node == node);
        if let Some(process) = member.and_then(|member| member.process.as_mut()) {
            process.kill().await;
        }
    }

    /// Asks an InfrastructureManager to stop (SIGTERM); kills it if it has not within the time. True if it
    /// went by itself.
    pub async fn stop_member(&mut self, node: u64, within: Duration) -> bool {
        let member = self.infrastructure.iter_mut().find(|member| member.node == node);
        match member.and_then(|member| member.process.as_mut()) {
            Some(process) => process.stop(within).await,
            None => true,
        }
    }

    /// `kill -9` of a Manager alone: its services live on.
    pub async fn kill_manager(&mut self, name: &str) {
        if let Some(process) = self.manager_mut(name).and_then(|manager| manager.process.as_mut()) {
            process.kill().await;
        }
    }

    /// Reaps services whose Manager was killed and that have ended since: no zombie stays for long.
    pub fn reap(&self) {
        let members = self.infrastructure.iter().map(|member| &member.process);
        let managers = self.implementations.iter().flat_map(|each| &each.managers);
        let all = members.chain(managers.chain([&self.venue]).map(|manager| &manager.process));
        let own: Vec<u32> = all.flatten().map(Process::pid).collect();
        reap_orphans(&own);
    }

    /// Starts again what is not running, but for the venue, which is not ours to keep alive.
    pub async fn revive(&mut self) -> Result<(), StartError> {
        let dead = |process: &Option<Process>| !process.as_ref().is_some_and(Process::is_alive);
        let members = self.infrastructure.iter().filter(|member| dead(&member.process));
        for node in members.map(|member| member.node).collect::<Vec<_>>() {
            self.start_member(node).await?;
        }
        let managers = self.implementations.iter().flat_map(|each| &each.managers);
        let managers = managers.filter(|manager| dead(&manager.process));
        for name in managers.map(|manager| manager.spec.name.clone()).collect::<Vec<_>>() {
            self.start_manager(&name).await?;
        }
        Ok(())
    }

    /// Stops all in order: Managers with their services, members, the venue. Then nothing is left below
    /// this process; names of what had to be killed are returned.
    pub async fn stop(mut self) -> Vec<String> {
        let mut killed = Vec::new();
        // Towards the venue: an algo winds down while its orders still have a way.
        for kind in KINDS.into_iter().rev() {
            let managers = self.implementations.iter_mut().flat_map(|each| &mut each.managers);
            let managers = managers.filter(|manager| manager.kind == kind);
            let managers = managers.filter_map(|manager| manager.process.as_mut());
            stop_together(managers.collect(), &mut killed).await;
        }
        let members = self.infrastructure.iter_mut();
        let members = members.filter_map(|member| member.process.as_mut());
        stop_together(members.collect(), &mut killed).await;
        stop_together(self.venue.process.iter_mut().collect(), &mut killed).await;
        self.lifeline = None;
        killed
    }
}

/// The ports of an earlier run over the same data, if that was a cluster of the same size.
fn kept_ports(plan: &Plan, file: &[u8]) -> Result<Ports, String> {
    let kept: Vec<SocketAddr> = serde_json::from_slice(file).map_err(|error| error.to_string())?;
    let nodes = usize::try_from(plan.nodes).unwrap_or(usize::MAX);
    let wanted = nodes.saturating_mul(2) + KINDS.len() * plan.implementations + 1;
    if kept.len() != wanted {
        let of = kept.len().saturating_sub(KINDS.len() * plan.implementations + 1) / 2;
        return Err(format!(
            "this data is of a cluster with {of} InfrastructureManagers, not {nodes}; name another \
             directory, or as many"
        ));
    }
    if plan.port_base.is_some_and(|base| kept.first().is_none_or(|first| first.port() != base)) {
        tracing::warn!("the ports are those of the data directory, not those of the port base");
    }
    Ok(Ports::again(kept))
}

/// Puts together how each process is started.
struct Specs<'a> {
    plan: &'a Plan,
    data: &'a DataDirectory,
}

impl Specs<'_> {
    fn spec(&self, name: &str, mut arguments: Vec<String>) -> Spec {
        arguments.extend(pairs(&[("--data", &self.data.path().join(name).display())]));
        let mut environment = self.plan.environment.clone();
        environment.push(("TRADEWIND_UNTIL_STDIN_CLOSES".to_string(), "1".to_string()));
        Spec {
            name: name.to_string(),
            binary: self.plan.binary.clone(),
            arguments,
            environment,
            log: self.data.path().join("logs").join(format!("{name}.log")),
        }
    }

    fn infrastructure(&self, ports: &mut Ports, doors: bool) -> io::Result<Vec<Infrastructure>> {
        let mut members = Vec::new();
        for node in 1..=self.plan.nodes {
            let (api, peer) = (ports.take()?, ports.take()?);
            let before = |address| Door::before(address, "127.0.0.1");
            let doors =
                if doors { Some(Doors { api: before(api)?, peer: before(peer)? }) } else { None };
            members.push((node, api, peer, doors));
        }
        let init = |(node, api, peer, doors): &(u64, SocketAddr, SocketAddr, Option<Doors>)| {
            let told = doors.as_ref().map(|doors| (doors.api.address, doors.peer.address));
            let (api, peer) = told.unwrap_or((*api, *peer));
            ["--init".to_string(), format!("{node}={peer},{api}")]
        };
        let init: Vec<String> = members.iter().flat_map(init).collect();
        let infrastructure = members.into_iter().map(|(node, api, peer, doors)| {
            let mut arguments = words(&["infra", "--cluster", "demo", "--enable-registers"]);
            let own: [(&str, &dyn std::fmt::Display); 3] =
                [("--node", &node), ("--listen", &api), ("--peer-listen", &peer)];
            arguments.extend(pairs(&own));
            arguments.extend(init.iter().cloned());
            let spec = self.spec(&format!("infra-{node}"), arguments);
            Infrastructure { node, api_address: api, spec, process: None, doors }
        });
        Ok(infrastructure.collect())
    }

    fn implementation(
        &self,
        number: usize,
        members: &[String],
        ports: &mut Ports,
    ) -> io::Result<Implementation> {
        let name = format!("implementation-{number}");
        let mut managers = Vec::new();
        for kind in KINDS {
            let address = ports.take()?;
            let mut arguments = words(&[kind]);
            arguments.extend(pairs(&[
                ("--implementation", &name),
                ("--location", &"here"),
                ("--listen", &address),
                ("--members", &members.join(",")),
            ]));
            let spec = self.spec(&format!("{name}.{kind}"), arguments);
            managers.push(Manager { kind, address, spec, process: None });
        }
        Ok(Implementation { name, managers })
    }

    fn venue(&self, ports: &mut Ports) -> io::Result<Manager> {
        let address = ports.take()?;
        let mut arguments = words(&["sim-venue"]);
        arguments.extend(pairs(&[("--listen", &address)]));
        let spec = self.spec("sim-venue", arguments);
        Ok(Manager { kind: "sim-venue", address, spec, process: None })
    }
}

async fn stop_together(mut processes: Vec<&mut Process>, killed: &mut Vec<String>) {
    let deadline = Instant::now() + STOP_WITHIN;
    processes.iter().for_each(|process| process.ask_to_stop());
    for process in &mut processes {
        if !process.stopped(deadline).await {
            killed.push(process.name().to_string());
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let left = kill_all_below(Duration::from_secs(5));
        if !left.is_empty() {
            tracing::error!(?left, "processes could not be killed");
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn pairs(pairs: &[(&str, &dyn std::fmt::Display)]) -> Vec<String> {
    pairs.iter().flat_map(|(flag, value)| [(*flag).to_string(), value.to_string()]).collect()
}
