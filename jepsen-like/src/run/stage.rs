//! The cluster of a run, and what is declared on it. Decides names, grants and when the cluster counts as whole.

use super::recorder::now;
use crate::{
    options::Options,
    plan::{CUSTOMERS, IMPLEMENTATIONS},
};
use anyhow::{Context as _, anyhow, bail};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};
use tradewind_control_client::{ControlClient, KeySource};
use tradewind_domain::{
    control::row::{AccountSpec, CustomerSpec, MarketSpec, Route},
    ids::{AccountId, ClientId, CustomerId, KeyHash, MarketId},
};
use tradewind_launcher::{Cluster, DataDirectory, Plan, Whole};
use tradewind_link::rest::{HeaderMap, Method, Rest};
use tradewind_protocol::{control::Status, judge::VenueLedger};

/// What one step may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Algos: customers with an account each.
pub(crate) const ALGOS: u64 = 2;

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) client: ControlClient,
    pub(crate) keys: Arc<KeySource>,
    pub(crate) rest: Rest,
    pub(crate) algos: Vec<Algo>,
    whole: Whole,
}

/// A customer, his key and his account.
#[derive(Clone)]
pub(crate) struct Algo {
    pub(crate) customer: CustomerId,
    pub(crate) api_key: String,
    pub(crate) account: AccountId,
}

impl Stage {
    /// Starts everything; its data and logs stand in `home`.
    pub(crate) async fn start(
        binary: PathBuf,
        options: &Options,
        home: &Path,
    ) -> anyhow::Result<Self> {
        let (trades, managed) = (options.workload.trades(), options.workload.has_managers());
        let implementations = if managed { usize::try_from(IMPLEMENTATIONS)? } else { 0 };
        let environment = vec![("TRADEWIND_LOG".to_string(), "info,openraft=error".to_string())];
        let plan =
            Plan { binary, nodes: options.nodes, implementations, port_base: None, environment };
        let data = DataDirectory::open(Some(home.to_path_buf()))?;
        let cluster = Cluster::behind_doors(&plan, data).context("the cluster's processes")?;
        let rest = Rest::default();
        let client = ControlClient::new(cluster.members(), rest.clone());
        let name = ClientId::new(&format!("jepsen-like-{}", std::process::id()))?;
        let keys = Arc::new(KeySource::new(name, Arc::new(now)).following(client.time()));
        let members = usize::try_from(options.nodes)?;
        let brokers = if trades { usize::try_from(ALGOS)? } else { 0 };
        let (managers, markets) = (3 * implementations, if trades { implementations } else { 0 });
        let whole = Whole { members, managers, brokers, markets };
        let mut stage = Self { cluster, client, keys, rest, algos: Vec::new(), whole };
        if trades {
            stage.cluster.start_all().await?;
            stage.declare().await?;
        } else if managed {
            stage.cluster.start_all().await?;
            for n in 1..=CUSTOMERS {
                stage.declare_customer(n).await?;
            }
        } else {
            for node in 1..=options.nodes {
                stage.cluster.start_member(node).await?;
            }
        }
        stage.until_whole().await?;
        Ok(stage)
    }

    /// A customer with a key, and the name of the account that he may be given.
    async fn declare_customer(&mut self, n: u64) -> anyhow::Result<Algo> {
        let algo = Algo {
            customer: CustomerId::new(&format!("algo{n}"))?,
            api_key: format!("key-of-algo{n}"),
            account: AccountId::new(&format!("sim-{n}"))?,
        };
        let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of(&algo.api_key)]) };
        let (key, client) = (self.keys.next(), &self.client);
        let put = client.put_customer(&algo.customer, &spec, &key, PATIENCE).await;
        put.accepted().context("a customer could not be declared")?;
        self.algos.push(algo.clone());
        Ok(algo)
    }

    /// What an operator would declare.
    async fn declare(&mut self) -> anyhow::Result<()> {
        let venue = "sim".parse()?;
        let (client, keys) = (self.client.clone(), self.keys.clone());
        for n in 1..=ALGOS {
            let algo = self.declare_customer(n).await?;
            let spec = AccountSpec {
                venue: "sim".parse()?,
                adapter: "sim".to_string(),
                endpoint: self.cluster.venue_address(),
                customers: BTreeSet::from([algo.customer.clone()]),
            };
            let put = client.put_account(&algo.account, &spec, &keys.next(), PATIENCE).await;
            put.accepted().context("an account could not be declared")?;
        }
        let route = Route {
            instrument: "BTC/USD".parse()?,
            data_venue: "sim".parse()?,
            order_venue: venue,
        };
        let spec = MarketSpec { routes: vec![route] };
        let market = MarketId::new("crypto")?;
        let put = client.put_market(&market, &spec, &keys.next(), PATIENCE).await;
        put.accepted().context("the market could not be declared")?;
        Ok(())
    }

    /// Waits until all that should run runs.
    pub(crate) async fn until_whole(&self) -> anyhow::Result<Status> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = String::new();
        while Instant::now() < deadline {
            match self.client.status(Duration::from_secs(2)).await {
                Ok(status) if status.stand.leader.is_some() && self.is_whole(&status) => {
                    return Ok(status);
                }
                Ok(_) => last = format!("wanted: {:?}", self.whole),
                Err(problem) => last = problem.to_string(),
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("the cluster is not whole within {PATIENCE:?}; {last}")
    }

    /// Played Managers stand beside those that are counted.
    fn is_whole(&self, status: &Status) -> bool {
        if self.whole.managers > 0 {
            return self.whole.is(status);
        }
        let mut own = status.clone();
        own.managers.clear();
        self.whole.is(&own)
    }

    /// The members' states at one revision, by member; `None` while they are not told of one.
    pub(crate) async fn hashes(&self) -> Option<BTreeMap<u64, (u64, String)>> {
        let mut told = BTreeMap::new();
        for member in &self.cluster.infrastructure {
            let (path, address) = ("/v1/state?consistency=stale", member.api_address.to_string());
            let (none, within) = (HeaderMap::new(), Duration::from_secs(5));
            let asked = self.rest.raw(Method::GET, &address, path, none, Vec::new().into(), within);
            let (status, _, body) = asked.await.ok()?;
            let head = body.split(|byte| *byte == b'\n').next()?;
            let head: serde_json::Value = serde_json::from_slice(head).ok()?;
            if !status.is_success() {
                return None;
            }
            told.insert(member.node, (head["revision"].as_u64()?, head["hash"].to_string()));
        }
        let first = told.values().next()?.0;
        told.values().all(|(revision, _)| *revision == first).then_some(told)
    }

    /// The venue's own ledger of an account: the judge.
    pub(crate) async fn venue_ledger(&self, account: &AccountId) -> anyhow::Result<VenueLedger> {
        let address = self.cluster.venue_address();
        let path = format!("/v1/ledger?account={account}");
        let none = None::<&()>;
        let answer = self.rest.request(Method::GET, &address, &path, &[], none, PATIENCE).await;
        Ok(answer.map_err(|error| anyhow!("the venue's ledger: {error}"))?.1)
    }
}
