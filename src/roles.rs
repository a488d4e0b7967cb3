//! The roles that run as processes of a cluster. Decides how flags become a role's options; what a role
//! does stands in its own crate.

use crate::cli::{
    Command, InfraArgs, ManagerArgs, MarketManagerArgs, SimVenueArgs,
    resource::ResourceCommand,
    sim::{KrakenArgs, KrakenTier, SimArgs, SimVenue},
};
use anyhow::{Context as _, bail};
use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroU32, process::ExitCode};
use tokio_util::sync::CancellationToken;
use tradewind_control_server as infra;
use tradewind_domain::{
    control::level::FeatureLevel,
    ids::{ManagerId, ManagerKind, NodeId},
    limits::SHARDS_PER_MARKET,
    trading::shards::{Load, Marks},
};
use tradewind_kraken::{rate::Tier, sign::Secret};
use tradewind_node::{manager, service::SERVICE};
use tradewind_protocol::asks::ConnectsAllowed;

pub(crate) async fn run(command: Command, stop: CancellationToken) -> anyhow::Result<()> {
    match command {
        Command::Infra(args) => infra::run(infra_options(args)?, stop).await?,
        Command::BrokerManager(args) => {
            let options = manager_options(args, ManagerKind::BrokerManager)?;
            tradewind_brokers::broker_manager(options, stop).await?;
        }
        Command::MarketManager(args) => {
            let marks = marks(&args);
            let options = manager_options(args.manager, ManagerKind::MarketManager)?;
            tradewind_markets::market_manager(options, marks, stop).await?;
        }
        Command::TraderManager(args) => {
            let options = manager_options(args, ManagerKind::TraderManager)?;
            tradewind_traders::trader_manager(options, stop).await?;
        }
        Command::SimVenue(args) => tradewind_sim::run(sim_options(args)?, stop).await?,
        Command::Resource(ResourceCommand::Broker(_)) => tradewind_brokers::broker(stop).await?,
        Command::Sim(SimArgs { venue: SimVenue::Kraken(args) }) => {
            tradewind_kraken_sim::run(kraken_options(args)?, stop).await?;
        }
        Command::Resource(ResourceCommand::Market(_)) => tradewind_markets::market(stop).await?,
        Command::Resource(ResourceCommand::Trader(_)) => tradewind_traders::trader(stop).await?,
        Command::Demo(_)
        | Command::Status(_)
        | Command::Bench(_)
        | Command::Snapshot(_)
        | Command::Recover(_)
        | Command::Member(_)
        | Command::Drain(_)
        | Command::Undrain(_)
        | Command::Apply(_)
        | Command::Rebalance(_)
        | Command::Wait(_)
        | Command::Events(_)
        | Command::Venue(_)
        | Command::Resource(_)
        | Command::SampleAlgo
        | Command::Openapi
        | Command::Exec { .. } => bail!("not a role"),
    }
    Ok(())
}

/// Whether a Manager has spawned it as a service, which has the name of what is declared.
pub(crate) fn is_spawned(command: &ResourceCommand) -> bool {
    command.is_service() && std::env::var_os(SERVICE).is_some()
}

/// Becomes the command, ended by the kernel when the process that asked for it ends.
pub(crate) fn exec(command: &[String]) -> ExitCode {
    // It returns only if it has failed; the code is the one shells use for that.
    let error = tradewind_traders::exec::exec(command);
    eprintln!("tradewind: {error}");
    ExitCode::from(127)
}

/// There is no TLS yet: off the loopback anybody could read and change everything.
fn secure(listen: SocketAddr, insecure: bool) -> anyhow::Result<()> {
    if listen.ip().is_loopback() || insecure {
        return Ok(());
    }
    bail!(
        "{listen} can be reached from other machines, and nothing is encrypted or asked for a name yet: \
         listen on 127.0.0.1, or say --insecure if the network is yours alone"
    )
}

fn infra_options(args: InfraArgs) -> anyhow::Result<infra::Options> {
    secure(args.listen, args.insecure)?;
    secure(args.peer_listen, args.insecure)?;
    let members = args.init.iter().map(|text| member(text)).collect::<anyhow::Result<Vec<_>>>()?;
    let provisioning = provisioning(&args)?;
    Ok(infra::Options {
        node: args.node.map(NodeId),
        cluster: args.cluster,
        state_dir: args.data,
        listen: args.listen,
        advertise: args.advertise,
        peer_listen: args.peer_listen,
        advertise_peer: args.advertise_peer,
        init: (!members.is_empty()).then_some(members),
        join: args.join,
        timing: infra::Timing {
            heartbeat: args.heartbeat,
            election_min: args.election_min,
            election_max: args.election_max,
            ..infra::Timing::default()
        },
        enable_registers: args.enable_registers,
        knows: FeatureLevel(args.feature_level),
        provisioning,
        snapshots: infra::Snapshots { every: args.snapshot_every, ..infra::Snapshots::default() },
    })
}

/// What this member may start. Managers listen where it listens itself, and are this very program.
fn provisioning(args: &InfraArgs) -> anyhow::Result<infra::Provisioning> {
    let mut programs = BTreeMap::new();
    for (name, path) in &args.provision_exec {
        if programs.insert(name.clone(), path.clone()).is_some() {
            bail!("--provision-exec names {name} twice");
        }
    }
    let binary = std::env::current_exe().context("this program's own path")?;
    let process = match &args.provision_process {
        None => None,
        Some(_) if args.listen.ip().is_unspecified() => {
            bail!(
                "--provision-process: Managers listen where this member does, and {} is nowhere in particular: \
                 name an address with --listen",
                args.listen
            )
        }
        Some(directory) => Some(infra::ProcessOptions {
            binary: binary.clone(),
            directory: std::path::absolute(directory).context("--provision-process")?,
            listen: args.listen.ip(),
            arguments: args.insecure.then(|| "--insecure".to_string()).into_iter().collect(),
        }),
    };
    let leash = (!programs.is_empty()).then_some(binary);
    Ok(infra::Provisioning { programs, process, leash })
}

/// `1=127.0.0.1:4101,127.0.0.1:4001`: node, peer address, API address.
pub(crate) fn member(text: &str) -> anyhow::Result<infra::InitMember> {
    let form = || format!("--init {text}: must read NODE=PEER_ADDRESS,API_ADDRESS");
    let (node, addresses) = text.split_once('=').with_context(form)?;
    let (peer, api) = addresses.split_once(',').with_context(form)?;
    Ok(infra::InitMember {
        node: NodeId(node.parse().with_context(form)?),
        peer_address: peer.parse().with_context(form)?,
        api_address: api.to_string(),
    })
}

fn manager_options(args: ManagerArgs, kind: ManagerKind) -> anyhow::Result<manager::Options> {
    secure(args.listen, args.insecure)?;
    Ok(manager::Options {
        manager: ManagerId { implementation: args.implementation, kind },
        location: args.location,
        listen: args.listen,
        advertise: args.advertise,
        node: args.node,
        members: args.members,
        state_dir: args.data,
        capacity: args.capacity,
        binary: std::env::current_exe().context("this program's own path")?,
    })
}

/// What this Manager's Markets may have.
fn marks(args: &MarketManagerArgs) -> Marks {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = u16::try_from(cores).unwrap_or(u16::MAX);
    let most = args.shards.unwrap_or(cores).clamp(1, SHARDS_PER_MARKET);
    Marks { most, busy: Load(args.shard_busy * 10) }
}

fn sim_options(args: SimVenueArgs) -> anyhow::Result<tradewind_sim::Options> {
    secure(args.listen, args.insecure)?;
    let mut options = tradewind_sim::Options::new(args.listen, args.data);
    options.speed = NonZeroU32::new(args.speed).context("--speed must be above zero")?;
    let within_ms = u64::try_from(args.connects_within.as_millis()).unwrap_or(u64::MAX);
    options.subscriptions = args.subscriptions;
    options.generated = args.generated;
    let (taker_bps, maker_bps) = (args.taker_fee_bps, args.maker_fee_bps);
    options.fees = tradewind_sim::Fees { taker_bps, maker_bps };
    options.instruments = args.instruments;
    options.connects = args.connects.map(|connects| ConnectsAllowed { connects, within_ms });
    Ok(options)
}

fn kraken_options(args: KrakenArgs) -> anyhow::Result<tradewind_kraken_sim::Options> {
    secure(args.listen, args.insecure)?;
    let secret = Secret::from_base64(&args.api_secret).context("--api-secret")?;
    let options = tradewind_kraken_sim::Options::new(args.listen, args.data, args.api_key, secret);
    Ok(tradewind_kraken_sim::Options {
        speed: NonZeroU32::new(args.speed).context("--speed must be above zero")?,
        tier: match args.tier {
            KrakenTier::Starter => Tier::Starter,
            KrakenTier::Intermediate => Tier::Intermediate,
            KrakenTier::Pro => Tier::Pro,
        },
        seed: args.seed,
        ..options
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_listens_beyond_the_loopback_unless_told_to() {
        let secure = |address: &str, insecure| {
            secure(address.parse().expect("an address"), insecure).map_err(|e| e.to_string())
        };
        assert_eq!(secure("127.0.0.1:4001", false), Ok(()));
        assert_eq!(secure("[::1]:4001", false), Ok(()));
        assert!(secure("0.0.0.0:4001", false).is_err_and(|why| why.contains("--insecure")));
        assert_eq!(secure("0.0.0.0:4001", true), Ok(()));
    }
}
