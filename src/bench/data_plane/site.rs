//! The cluster that `bench data-plane` measures. Decides what is declared there, and when all of it is live.

use anyhow::{Context as _, bail};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::row::{AccountSpec, CustomerSpec, MarketSpec, Route, TraderSpec, TraderWish},
    ids::{AccountId, ClientId, CustomerId, KeyHash, ManagerKind, MarketId, TraderId, VenueId},
};
use tradewind_launcher::{Cluster, DataDirectory, Plan};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    managers::OwnStatus,
    supervision::{ServiceReport, ServiceState},
};

const NODES: u64 = 3;
pub(super) const WITHIN: Duration = Duration::from_secs(30);
/// For one service to be live, of many that start at once on a small machine.
const EACH_WITHIN: Duration = Duration::from_secs(2);
/// The customer's key: it opens nothing but this cluster on the loopback.
pub(super) const API_KEY: &str = "bench-key";

pub(super) struct Site {
    pub(super) cluster: Cluster,
    pub(super) client: ControlClient,
    pub(super) keys: KeySource,
    pub(super) customer: CustomerId,
    rest: Rest,
}

/// A Manager, as it was when it was looked for.
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) address: String,
    pub(super) pid: u32,
}

impl Site {
    /// With one customer, who has nothing yet.
    pub(super) async fn start(implementations: usize, data: DataDirectory) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("this program's own path")?;
        let environment = vec![("TRADEWIND_LOG".to_string(), "warn,openraft=error".to_string())];
        let plan = Plan { binary, nodes: NODES, implementations, port_base: None, environment };
        let mut cluster = Cluster::new(&plan, data)?;
        cluster.start_all().await?;
        let rest = Rest::default();
        let client = ControlClient::new(cluster.members(), rest.clone());
        let name = ClientId::new(&format!("bench-{}", std::process::id()))?;
        let keys = KeySource::new(name, Arc::new(crate::clock::now)).following(client.time());
        let customer = CustomerId::new("acme")?;
        let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of(API_KEY)]) };
        client.put_customer(&customer, &spec, &keys.next(), WITHIN).await.accepted()?;
        Ok(Self { cluster, client, keys, customer, rest })
    }

    pub(super) async fn stop(self) {
        self.cluster.stop().await;
    }

    /// The TraderManager of an implementation.
    pub(super) fn traders_at(&self, implementation: usize) -> anyhow::Result<Manager> {
        self.manager(ManagerKind::TraderManager, implementation)
    }

    /// The Manager of this kind of an implementation.
    pub(super) fn manager(
        &self,
        kind: ManagerKind,
        implementation: usize,
    ) -> anyhow::Result<Manager> {
        let (names, end) = (self.cluster.manager_names().into_iter(), format!(".{kind}"));
        let name = names.filter(|name| name.ends_with(&end)).nth(implementation);
        let name = name.with_context(|| format!("no {kind}"))?;
        let process = self.cluster.manager_process(&name);
        let process = process.with_context(|| format!("{name} is gone"))?;
        let (address, pid) = (process.address().to_owned(), process.pid());
        Ok(Manager { name, address, pid })
    }

    pub(super) async fn declare_traders(&self, traders: u32) -> anyhow::Result<()> {
        for n in 0..traders {
            let command = vec!["sleep".to_string(), "86400".to_string()];
            let customer = self.customer.clone();
            let spec = TraderSpec { customer, command, state: TraderWish::Running };
            let trader = TraderId::new(&format!("bench-{n}"))?;
            self.client.put_trader(&trader, &spec, &self.keys.next(), WITHIN).await.accepted()?;
        }
        Ok(())
    }

    /// Accounts that no customer may use, and Markets that reach their Brokers, each with an instrument of its own.
    pub(super) async fn declare_beside(&self, count: u32) -> anyhow::Result<()> {
        let venue: VenueId = "sim".parse()?;
        for n in 0..count {
            let spec = AccountSpec {
                venue: venue.clone(),
                adapter: "sim".to_string(),
                endpoint: self.cluster.venue_address(),
                customers: BTreeSet::new(),
            };
            let account = AccountId::new(&format!("beside-{n}"))?;
            self.client.put_account(&account, &spec, &self.keys.next(), WITHIN).await.accepted()?;
            let instrument = format!("BESIDE{n}/USD").parse()?;
            let (data_venue, order_venue) = (venue.clone(), venue.clone());
            let spec = MarketSpec { routes: vec![Route { instrument, data_venue, order_venue }] };
            let market = MarketId::new(&format!("beside-{n}"))?;
            self.client.put_market(&market, &spec, &self.keys.next(), WITHIN).await.accepted()?;
        }
        Ok(())
    }

    /// As the Manager at this address tells it itself.
    pub(super) async fn status(&self, address: &str) -> anyhow::Result<OwnStatus> {
        let none = None::<&()>;
        let path = "/v1/status";
        let asked = self.rest.request(Method::GET, address, path, &[], none, WITHIN).await;
        let (_, status): (u16, OwnStatus) = asked?;
        Ok(status)
    }

    /// Processes of those that are live there.
    pub(super) async fn live(&self, address: &str) -> anyhow::Result<Vec<u32>> {
        let is_live = |report: &ServiceReport| report.state == ServiceState::Live;
        let reports = self.status(address).await?.services.into_iter();
        Ok(reports.filter(is_live).filter_map(|report| report.pid).collect())
    }

    /// Waits until so many are live there; their processes.
    pub(super) async fn all_live(
        &self,
        services: u32,
        address: &str,
        since: Instant,
    ) -> anyhow::Result<Vec<u32>> {
        let within = WITHIN + EACH_WITHIN * services;
        loop {
            let pids = self.live(address).await?;
            if pids.len() >= services as usize {
                return Ok(pids);
            }
            if since.elapsed() > within {
                bail!("{} of {services} services were live within {within:?}", pids.len());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}
