//! The demo's cluster and what is declared on it. Decides names, grants, routes and the Trader; whom a
//! kill hits is read from the cluster's own status.

use super::{
    chaos::{Kill, Target},
    history::History,
    place::{At, Place},
};
use anyhow::{Context as _, anyhow};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};
use tradewind_control_client::{Answer, ControlClient, KeySource};
use tradewind_domain::{
    control::row::{AccountSpec, CustomerSpec, MarketSpec, Route, TraderSpec, TraderWish},
    ids::{AccountId, ClientId, CustomerId, KeyHash, MarketId, TraderId},
};
use tradewind_launcher::{Cluster, Part, Whole, victim};
use tradewind_link::rest::{Method, Rest};
use tradewind_protocol::{
    control::{Changed, Status},
    judge::VenueLedger,
};

const WITHIN: Duration = Duration::from_secs(10);

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) client: ControlClient,
    pub(crate) keys: Arc<KeySource>,
    pub(crate) history: History,
    pub(crate) account: AccountId,
    pub(crate) customer: CustomerId,
    trader: TraderId,
    market: MarketId,
    rest: Rest,
    pub(crate) place: Place,
}

fn settled<T>(what: &str, answer: Answer<T>) -> anyhow::Result<T> {
    answer.accepted().with_context(|| format!("{what} could not be declared"))
}

impl Stage {
    pub(crate) fn new(
        mut cluster: Cluster,
        history: PathBuf,
        place: Place,
    ) -> anyhow::Result<Self> {
        place.prepare(&mut cluster);
        let rest = Rest::default();
        let client = ControlClient::new(cluster.members(), rest.clone());
        let name = ClientId::new(&format!("demo-{}", std::process::id()))?;
        let keys = KeySource::new(name, Arc::new(crate::clock::now)).following(client.time());
        Ok(Self {
            cluster,
            client,
            keys: Arc::new(keys),
            history: History::at(history),
            account: AccountId::new(place.account())?,
            customer: CustomerId::new("acme")?,
            trader: TraderId::new("sample")?,
            market: MarketId::new("crypto")?,
            rest,
            place,
        })
    }

    /// Waits until `enough` holds of the status.
    pub(crate) async fn until(
        &self,
        what: &str,
        enough: impl Fn(&Status) -> bool,
    ) -> anyhow::Result<Status> {
        let deadline = tokio::time::Instant::now() + WITHIN;
        let mut last = String::new();
        while tokio::time::Instant::now() < deadline {
            match self.client.status(Duration::from_secs(2)).await {
                Ok(status) if enough(&status) => return Ok(status),
                Ok(_) => {}
                Err(problem) => last = problem.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(anyhow!("{what}: not within {WITHIN:?}. {last}"))
    }

    /// Customer, account, market and Trader: what an operator would declare.
    pub(crate) async fn declare(&self) -> anyhow::Result<()> {
        let (customer, account) = (self.customer.clone(), self.account.clone());
        self.declare_customer(&customer, API_KEY).await?;
        self.declare_account(&account, &customer, &self.place.orders(&self.cluster)?).await?;
        // An account beside the one that is judged: for whoever tries an algo of his own, or for data.
        let guest = CustomerId::new("guest")?;
        self.declare_customer(&guest, GUEST_KEY).await?;
        if let Some((account, at)) = self.place.beside(&self.cluster)? {
            self.declare_account(&AccountId::new(account)?, &guest, &at).await?;
        }
        let instrument = "BTC/USD".parse()?;
        let data_venue = self.place.data(&self.cluster)?.venue;
        let order_venue = self.place.orders(&self.cluster)?.venue;
        let route = Route { instrument, data_venue, order_venue };
        let spec = MarketSpec { routes: vec![route] };
        let key = self.keys.next();
        settled("market", self.client.put_market(&self.market, &spec, &key, WITHIN).await)?;
        self.wish(TraderWish::Running).await
    }

    /// A customer with one key.
    async fn declare_customer(&self, customer: &CustomerId, api_key: &str) -> anyhow::Result<()> {
        let spec = CustomerSpec { key_hashes: BTreeSet::from([KeyHash::of(api_key)]) };
        let key = self.keys.next();
        settled("customer", self.client.put_customer(customer, &spec, &key, WITHIN).await).map(drop)
    }

    /// An account that he may use.
    async fn declare_account(
        &self,
        account: &AccountId,
        customer: &CustomerId,
        at: &At,
    ) -> anyhow::Result<()> {
        let At { venue, adapter, endpoint } = at.clone();
        let customers = BTreeSet::from([customer.clone()]);
        let spec = AccountSpec { venue, adapter: adapter.to_string(), endpoint, customers };
        let key = self.keys.next();
        settled("account", self.client.put_account(account, &spec, &key, WITHIN).await).map(drop)
    }

    /// Has the Trader run, or stop.
    pub(crate) async fn wish(&self, state: TraderWish) -> anyhow::Result<()> {
        let command = vec!["tradewind".to_string(), "sample-algo".to_string()];
        let spec = TraderSpec { customer: self.customer.clone(), command, state };
        let path = format!("/v1/traders/{}", self.trader);
        let answer: Answer<Changed> =
            self.client.change(Method::PUT, &path, &spec, &self.keys.next(), WITHIN).await;
        settled("trader", answer).map(drop)
    }

    /// A Trader that its customer runs himself: declared without a command.
    pub(crate) async fn declare_own(&self) -> anyhow::Result<()> {
        let (customer, command) = (CustomerId::new("guest")?, Vec::new());
        let spec = TraderSpec { customer, command, state: TraderWish::Running };
        let path = format!("/v1/traders/{OWN_TRADER}");
        let answer: Answer<Changed> =
            self.client.change(Method::PUT, &path, &spec, &self.keys.next(), WITHIN).await;
        settled("self-managed trader", answer).map(drop)
    }

    /// What the algo did and saw, up to now.
    pub(crate) fn follow(&mut self) -> anyhow::Result<&History> {
        let read = self.history.follow();
        read.with_context(|| format!("the algo's history {}", self.history.path().display()))?;
        Ok(&self.history)
    }

    /// The venue's own ledger: the judge.
    pub(crate) async fn venue_ledger(&self) -> anyhow::Result<VenueLedger> {
        let address = self.cluster.venue_address();
        let path = self.place.ledger(&self.account);
        let answer =
            self.rest.request(Method::GET, &address, &path, &[], None::<&()>, WITHIN).await;
        Ok(answer.context("the venue's ledger")?.1)
    }

    /// `kill -9`, of whoever plays the part at the moment.
    pub(crate) async fn kill(&mut self, target: Target) -> anyhow::Result<(Kill, String)> {
        let status = self.client.status(WITHIN).await.context("whom to kill")?;
        let edge = self.follow()?.connections.last().cloned().unwrap_or_default();
        let part = match target {
            Target::Leader => Part::Leader,
            Target::MarketManager => Part::ManagerAt(edge),
            Target::Market => Part::MarketAt(edge),
            Target::Broker => Part::BrokerOf(self.account.clone()),
        };
        let victim = victim(&status, &part);
        let victim = victim.map_err(|why| anyhow!("no {} to kill: {why}", target.name()))?;
        let kill = Kill { target, at: crate::clock::now() };
        self.cluster.kill(&victim).await;
        Ok((kill, victim.to_string()))
    }

    /// Whether all that should run runs again: what a kill may meet.
    pub(crate) fn is_whole(&self, status: &Status, nodes: usize, implementations: usize) -> bool {
        let (managers, markets) = (3 * implementations, implementations);
        let brokers = self.place.accounts();
        Whole { members: nodes, managers, brokers, markets }.is(status)
    }
}

/// The demo customers' keys: they open nothing but a cluster on this machine's loopback.
const API_KEY: &str = "demo-key";
pub(crate) const GUEST_KEY: &str = "guest-key";
/// The guest's Trader, which the demo runs as its customer would.
pub(crate) const OWN_TRADER: &str = "own";
